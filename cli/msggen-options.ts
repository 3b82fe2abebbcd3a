/** The options of `encke msggen`: its flags, their defaults, and which of them go together. */
import type { Command } from 'commander';
import { descriptorLimit, OWN_DESCRIPTORS } from '../msggen/descriptors.js';
import type { MqttQos } from '../msggen/mqtt/packets.js';
import type { MsggenOptions } from '../msggen/report.js';
import type { FailOn } from '../msggen/verdict.js';
import { withoutUser } from '../redis-access/addresses.js';
import { apiOrGatewayUrl, gatewayUrl } from './flag-values.js';
import { nameAddressOf, type RedisFlags, redisFlagNames } from './redis-options.js';
import { type MqttTokenFlags, type TokenFlags, tokenOf } from './token-options.js';

export const defaults = {
  intervalMs: 100,
  connections: 50,
  /** Fewer connections make fuller batches: messages that become due during a request go with the next one. */
  batchConnections: 4,
  window: 32,
  answerTimeoutMs: 60_000,
  /** Redis answers within milliseconds, or not at all. */
  redisAnswerTimeoutMs: 5_000,
  apiUrl: 'http://127.0.0.1:8001',
  gatewayUrl: 'http://127.0.0.1:8000',
  mqttPath: '/mqtt',
} as const;

export interface Flags extends RedisFlags, TokenFlags, MqttTokenFlags {
  messages?: number;
  interval?: number;
  rate?: number | 'max';
  senders: number;
  maxId: number;
  idPrefix: string;
  size: number;
  stamp?: true;
  until?: number;
  forever?: true;
  batch: number;
  wait: boolean;
  connections?: number;
  waitingLimit: number;
  seed?: number;
  url?: URL;
  transport: 'http' | 'redis' | 'mqtt-ws';
  topic?: string;
  qos?: MqttQos;
  retain?: true;
  window?: number;
  username?: string;
  answerTimeout?: number;
  failOn?: FailOn;
  json?: true;
}

const MQTT_FLAGS = ['qos', 'retain', 'username', 'mqttToken', 'mqttTokenFile'] as const;
const HTTP_FLAGS = ['batch', 'token', 'tokenFile', 'wait'] as const;
/** The transports that a flag goes with. A flag that is not listed goes with all. */
const TRANSPORTS_OF: Record<string, readonly Flags['transport'][]> = {
  ...Object.fromEntries(HTTP_FLAGS.map((name) => [name, ['http']])),
  ...Object.fromEntries(MQTT_FLAGS.map((name) => [name, ['mqtt-ws']])),
  ...Object.fromEntries(redisFlagNames.map((name) => [name, ['redis']])),
  window: ['mqtt-ws', 'redis'],
  url: ['http', 'mqtt-ws'],
};

/** @param given the flags from commander; flags that do not go together end the process with a sentence */
export function askedBy(given: Flags, command: Command): MsggenOptions {
  const implied = given.redis !== undefined && command.getOptionValueSource('transport') === 'default';
  const flags: Flags = implied ? { ...given, transport: 'redis' } : given;
  checkTogether(flags, command);
  const { rate, senders, transport } = flags;
  const token = transport === 'http' ? tokenOf(command, 'token') : undefined;
  const mqttToken = transport === 'mqtt-ws' ? tokenOf(command, 'mqttToken') : undefined;
  const intervalMs =
    flags.interval ?? (typeof rate === 'number' ? (senders * 1000) / rate : defaults.intervalMs);
  return {
    transport,
    url: urlOf(flags, command),
    token,
    senders,
    intervalMs: rate === 'max' ? undefined : intervalMs,
    ratePerSec: rate ?? (senders * 1000) / intervalMs,
    messagesTotal: (flags.messages ?? Number.POSITIVE_INFINITY) * senders,
    forMs: flags.until ?? Number.POSITIVE_INFINITY,
    maxId: flags.maxId,
    template: flags.topic ?? `${flags.idPrefix}{n}`,
    sizeBytes: flags.size,
    stamp: flags.stamp === true,
    batch: flags.batch,
    wait: flags.wait,
    connections: connectionsOf(flags),
    waitingLimit: flags.waitingLimit,
    answerTimeoutMs:
      flags.answerTimeout ??
      (transport === 'redis' ? defaults.redisAnswerTimeoutMs : defaults.answerTimeoutMs),
    seed: flags.seed ?? Math.floor(Math.random() * 0x1_0000_0000),
    mqtt: {
      qos: flags.qos ?? 0,
      retain: flags.retain === true,
      window: flags.window ?? defaults.window,
      username: flags.username ?? (mqttToken ? 'msggen' : undefined),
      password: mqttToken,
    },
    redis:
      transport === 'redis'
        ? { address: nameAddressOf(flags, command), window: flags.window ?? defaults.window }
        : undefined,
  };
}

function connectionsOf({ connections, batch }: Flags): number {
  return connections ?? (batch > 1 ? defaults.batchConnections : defaults.connections);
}

function checkTogether(flags: Flags, command: Command): void {
  const wrong = (sentence: string) => command.error(`error: ${sentence}`, { exitCode: 2 });
  if (flags.messages === undefined && flags.until === undefined && flags.forever === undefined) {
    wrong('say when to end: --messages <n>, --until <when> or --forever');
  }
  const connections = Math.min(connectionsOf(flags), flags.maxId);
  if (connections + OWN_DESCRIPTORS > descriptorLimit()) {
    wrong(
      `${connections} connections need more open files than the ${descriptorLimit()} that are allowed here: say "ulimit -n ${connections + OWN_DESCRIPTORS}" before, or give fewer with --connections.`,
    );
  }
  for (const [name, transports] of Object.entries(TRANSPORTS_OF)) {
    if (transports.includes(flags.transport) || command.getOptionValueSource(name) !== 'cli') continue;
    const { long } = command.options.find((option) => option.attributeName() === name)!;
    wrong(`${long} is for --transport ${transports.join(' or ')}.`);
  }
}

/** The URL of the server; for MQTT a ws URL. */
function urlOf(flags: Flags, command: Command): URL {
  const { transport, url } = flags;
  if (transport === 'redis') return new URL(withoutUser(flags.redis?.[0] ?? 'redis://127.0.0.1:6379'));
  const [variable, preset] =
    transport === 'http' ? ['ENCKE_API_URL', defaults.apiUrl] : ['ENCKE_URL', defaults.gatewayUrl];
  const given = url ?? urlIn(variable, process.env[variable] || preset, command);
  if (transport === 'mqtt-ws') {
    const path = `${given.pathname}${given.search}`;
    const protocol = /^(https|wss):$/.test(given.protocol) ? 'wss' : 'ws';
    return new URL(`${protocol}://${given.host}${path === '/' ? defaults.mqttPath : path}`);
  }
  if (/^https?:$/.test(given.protocol)) return given;
  const sentence = `error: ${given.href} is for --transport mqtt-ws: give the http URL of the router API, such as ${defaults.apiUrl}.`;
  return command.error(sentence, { exitCode: 2 });
}

function urlIn(variable: string, text: string, command: Command): URL {
  try {
    return variable === 'ENCKE_URL' ? gatewayUrl(text) : apiOrGatewayUrl(text);
  } catch (error) {
    return command.error(`error: '${text}' in ${variable} is invalid. ${(error as Error).message}`, {
      exitCode: 2,
    });
  }
}
