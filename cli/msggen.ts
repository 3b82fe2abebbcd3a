/** `encke msggen`: flags of the message generator, its live line, its summary and its exit code. */

import { randomBytes } from 'node:crypto';
import { Command, InvalidArgumentError, Option } from 'commander';
import { Generator } from '../msggen/generator.js';
import { whyNoNats } from '../msggen/global-name.js';
import { HttpLane } from '../msggen/http-lane.js';
import type { Lane, LaneOwner } from '../msggen/lane.js';
import type { Qos } from '../msggen/mqtt/packets.js';
import { MqttLane } from '../msggen/mqtt-lane.js';
import { NatsLane } from '../msggen/nats-lane.js';
import { whyNobodyAnswers, whyNoMqtt, whyUnreachable } from '../msggen/reach.js';
import { type Asked, liveLine, summaryJson, summaryText } from '../msggen/report.js';
import { withoutUser } from '../nats-access/access.js';
import { addNatsOptions, type NatsFlags, nameAddressOf, natsFlagNames } from './nats-options.js';
import {
  gatewayUrl,
  integerBetween,
  positiveInteger,
  positiveNumber,
  qosLevel,
  topicTemplate,
  untilMs,
} from './values.js';

const DEFAULT_INTERVAL_MS = 100;
const DEFAULT_CONNECTIONS = 50;
/** Fewer connections make fuller batches: what is due while a request is on the wire goes with the next one. */
const DEFAULT_BATCH_CONNECTIONS = 4;
const MAX_ID = 10_000_000;
const DEFAULT_WINDOW = 32;
/** More, and messages for one id may overtake each other. */
const DEFAULT_NATS_WINDOW = 1;
const DEFAULT_API_URL = 'http://127.0.0.1:8001';
const DEFAULT_GATEWAY_URL = 'http://127.0.0.1:8000';
const DEFAULT_MQTT_PATH = '/mqtt';

const HELP = `
Every message has a deadline that nothing moves: what a stall of msggen or of the server makes late is sent at
once afterwards, and its latency counts from the deadline. --rate max has no deadlines: each connection sends its
next message as soon as the last one is answered (at MQTT QoS 0, as soon as the socket takes it). Messages for one id always take the same connection, so they
arrive in the order they were sent. Ids are the whole numbers from 1 to --max-id, chosen at random.

With -t mqtt-ws messages are published over MQTT connections to the gateway. At QoS 1 and 2 the latency is that of
PUBACK and PUBCOMP, and each connection has at most --window messages unacknowledged. At QoS 0 nothing comes back for a
message; the run ends when the server has answered a ping behind the last one.

With --nats messages go to the global name of a router on NATS, and whichever node serves it takes the next one. Each
connection waits for the answer to a message before it sends the next; with a --window over 1 messages for one id may
overtake each other where several nodes serve the name.

Examples:
  encke msggen --messages 20 --interval 10 --max-id 5 --senders 10
  encke msggen --senders 100 --interval 100 --max-id 10000 --until 24h --stamp
  encke msggen --rate 50000 --batch 100 --max-id 10000 --until 10m --json
  encke msggen --nats nats://127.0.0.1:4222 --name encke --rate 1000 --until 1m --stamp
  encke msggen -t mqtt-ws --qos 1 --rate 1000 --max-id 10000 --until 1m --stamp
  encke msggen -t mqtt-ws --rate max --topic 'topic/device_user{n}/t_1' --max-id 2000 --until 10s
`;

interface Flags extends NatsFlags {
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
  token?: string;
  transport: 'http' | 'nats' | 'mqtt-ws';
  topic?: string;
  qos?: Qos;
  retain?: true;
  window?: number;
  username?: string;
  mqttToken?: string;
  json?: true;
}

export function msggenCommand(): Command {
  const command = new Command('msggen')
    .description('send messages to random ids at a steady rate, and say what rate and latency came of it')
    .addOption(
      new Option('-t, --transport <name>', 'how they are sent')
        .choices(['http', 'nats', 'mqtt-ws'])
        .default('http'),
    )
    .option('-m, --messages <n>', 'messages from each sender (or say --until or --forever)', positiveInteger)
    .addOption(
      new Option(
        '-i, --interval <ms>',
        `time between two messages of a sender (default: ${DEFAULT_INTERVAL_MS})`,
      )
        .argParser(positiveNumber)
        .conflicts('rate'),
    )
    .option('-r, --rate <n>', 'messages a second from all senders together, or "max"', rateOrMax)
    .option('-s, --senders <n>', 'senders, spread evenly over the interval', positiveInteger, 1)
    .option('--max-id <n>', `ids are 1 to this (at most ${MAX_ID})`, integerBetween(1, MAX_ID), 1000)
    .option('--id-prefix <text>', 'goes before the number of the id, such as user/', '')
    .addOption(
      new Option('--topic <id>', 'the id, with {n} for its number, such as topic/device_user{n}/t_1')
        .argParser(topicTemplate)
        .conflicts('idPrefix'),
    )
    .option('--size <bytes>', 'size of a message; a longer stamp is not cut', integerBetween(1, 1 << 20), 64)
    .option(
      '--stamp',
      'open each message with publisher, number and time, so that floodtest can account for it',
    )
    .option(
      '-u, --until <when>',
      'end after a time (60s, 10m, 24h) or at one (2026-11-20T18:00:00Z)',
      untilMs,
    )
    .addOption(new Option('--forever', 'go on until interrupted').conflicts(['messages', 'until']))
    .option(
      '--batch <n>',
      'send what is due together as one request, at most n messages',
      integerBetween(1, 10_000),
      1,
    )
    .option(
      '-c, --connections <n>',
      `connections, which are kept (default: ${DEFAULT_CONNECTIONS}, with --batch ${DEFAULT_BATCH_CONNECTIONS})`,
      integerBetween(1, 10_000),
    )
    .option(
      '--waiting-limit <n>',
      'late messages kept for a slow server; more are errors',
      positiveInteger,
      200_000,
    )
    .option('--seed <n>', 'choose the same ids again (default: at random)', integerBetween(0, 0xffff_ffff))
    .option(
      '--url <url>',
      `the router API (default: ${DEFAULT_API_URL}, env: ENCKE_API_URL); for mqtt-ws the gateway (default: ${DEFAULT_GATEWAY_URL}, env: ENCKE_URL), its path ${DEFAULT_MQTT_PATH} or as in ws://host:port/path`,
      gatewayUrl,
    )
    .option('--no-wait', 'do not wait for how many connections on all nodes a message reached')
    .addOption(new Option('--token <token>', 'token of the router API').env('ENCKE_API_TOKEN'))
    .option('--qos <qos>', 'mqtt-ws: QoS to publish at: 0, 1 or 2 (default: 0)', qosLevel)
    .option('--retain', 'mqtt-ws: each message is kept as the last one of its topic')
    .option(
      '--window <n>',
      `mqtt-ws and nats: messages of a connection that may be unacknowledged (default: ${DEFAULT_WINDOW}, with nats ${DEFAULT_NATS_WINDOW})`,
      integerBetween(1, 65_535),
    )
    .option('--username <name>', 'mqtt-ws: user name (default: none, with a token msggen)')
    .addOption(new Option('--mqtt-token <token>', 'mqtt-ws: password').env('ENCKE_MQTT_TOKEN'))
    .option('--json', 'print one JSON object at the end instead of text')
    .addHelpText('after', HELP)
    .action(async (flags: Flags, command: Command) => {
      process.exitCode = await generate(askedBy(flags, command), flags.json === true);
    });
  return addNatsOptions(command, 'nats, which it implies');
}

function rateOrMax(text: string): number | 'max' {
  if (text === 'max') return 'max';
  try {
    return positiveNumber(text);
  } catch {
    throw new InvalidArgumentError(
      'Give messages a second, such as 1000, or max for as fast as the API answers.',
    );
  }
}

const MQTT_FLAGS = ['qos', 'retain', 'username', 'mqttToken'] as const;
const HTTP_FLAGS = ['batch', 'token'] as const;
/** The transports that a flag goes with; one that is not here goes with all. */
const TRANSPORTS_OF: Record<string, readonly Flags['transport'][]> = {
  ...Object.fromEntries(HTTP_FLAGS.map((name) => [name, ['http']])),
  ...Object.fromEntries(MQTT_FLAGS.map((name) => [name, ['mqtt-ws']])),
  ...Object.fromEntries(natsFlagNames.map((name) => [name, ['nats']])),
  wait: ['http', 'nats'],
  window: ['mqtt-ws', 'nats'],
  url: ['http', 'mqtt-ws'],
};

function askedBy(given: Flags, command: Command): Asked {
  const implied = given.nats !== undefined && command.getOptionValueSource('transport') === 'default';
  const flags: Flags = implied ? { ...given, transport: 'nats' } : given;
  checkTogether(flags, command);
  const { rate, senders, transport, mqttToken } = flags;
  const intervalMs =
    flags.interval ?? (typeof rate === 'number' ? (senders * 1000) / rate : DEFAULT_INTERVAL_MS);
  return {
    transport,
    url: urlOf(flags, command),
    token: flags.token || undefined,
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
    connections: flags.connections ?? (flags.batch > 1 ? DEFAULT_BATCH_CONNECTIONS : DEFAULT_CONNECTIONS),
    waitingLimit: flags.waitingLimit,
    seed: flags.seed ?? Math.floor(Math.random() * 0x1_0000_0000),
    mqtt: {
      qos: flags.qos ?? 0,
      retain: flags.retain === true,
      window: flags.window ?? DEFAULT_WINDOW,
      username: flags.username ?? (mqttToken ? 'msggen' : undefined),
      password: mqttToken || undefined,
    },
    nats: { address: nameAddressOf(flags), window: flags.window ?? DEFAULT_NATS_WINDOW },
  };
}

function checkTogether(flags: Flags, command: Command): void {
  const wrong = (sentence: string) => command.error(`error: ${sentence}`, { exitCode: 2 });
  if (flags.messages === undefined && flags.until === undefined && flags.forever === undefined) {
    wrong('say when to end: --messages <n>, --until <when> or --forever');
  }
  for (const [name, transports] of Object.entries(TRANSPORTS_OF)) {
    if (transports.includes(flags.transport) || command.getOptionValueSource(name) !== 'cli') continue;
    const { long } = command.options.find((option) => option.attributeName() === name)!;
    wrong(`${long} is for --transport ${transports.join(' or ')}.`);
  }
  if (!flags.wait && flags.batch > 1) wrong('--no-wait is for single messages: leave out --batch.');
}

/** The address, for MQTT as the ws URL it is. */
function urlOf(flags: Flags, command: Command): URL {
  const { transport, url } = flags;
  if (transport === 'nats') return new URL(withoutUser(nameAddressOf(flags).servers[0]!));
  const [variable, preset] =
    transport === 'http' ? ['ENCKE_API_URL', DEFAULT_API_URL] : ['ENCKE_URL', DEFAULT_GATEWAY_URL];
  const given = url ?? urlIn(variable, process.env[variable] || preset, command);
  if (transport === 'mqtt-ws') {
    const path = `${given.pathname}${given.search}`;
    return new URL(`ws://${given.host}${path === '/' ? DEFAULT_MQTT_PATH : path}`);
  }
  if (given.protocol === 'http:') return given;
  const sentence = `error: ${given.href} is for --transport mqtt-ws: give the http URL of the router API, such as ${DEFAULT_API_URL}.`;
  return command.error(sentence, { exitCode: 2 });
}

function urlIn(variable: string, text: string, command: Command): URL {
  try {
    return gatewayUrl(text);
  } catch (error) {
    return command.error(`error: '${text}' in ${variable} is invalid. ${(error as Error).message}`, {
      exitCode: 2,
    });
  }
}

function laneOf(asked: Asked): (index: number, owner: LaneOwner) => Lane {
  const { url, token, batch, wait, mqtt, nats } = asked;
  if (asked.transport === 'http')
    return (index, owner) => new HttpLane(index, owner, url, token, batch, wait);
  if (asked.transport === 'nats')
    return (index, owner) => new NatsLane(index, owner, nats.address, nats.window, wait);
  const run = randomBytes(3).toString('hex');
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const server = {
    host,
    port: Number(url.port || 80),
    hostHeader: url.host,
    path: url.pathname + url.search,
  };
  return (index, owner) =>
    new MqttLane(index, owner, { ...server, ...mqtt, clientId: `msggen-${run}-${index}` });
}

async function generate(asked: Asked, json: boolean): Promise<number> {
  const generator = new Generator(asked, laneOf(asked));
  const unreachable = await whyNotOpen(generator, asked);
  if (unreachable !== undefined) {
    console.error(unreachable);
    await generator.close();
    return 1;
  }
  const startedAt = new Date();
  const live = process.stderr.isTTY ? showLive(generator, asked) : undefined;
  // The first signal ends the run with its summary, the second ends the process.
  let interrupts = 0;
  const interrupt = () => (interrupts++ === 0 ? generator.stop() : process.exit(130));
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  await generator.run();
  process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  clearInterval(live);
  if (live !== undefined) process.stderr.write('\r\x1b[K');
  console.log(
    json ? JSON.stringify(summaryJson(generator, asked, startedAt)) : summaryText(generator, asked),
  );
  if (generator.sent > 0) return 0;
  console.error(
    `Nothing could be sent to ${asked.url.protocol}//${asked.url.host}: the errors above say why.`,
  );
  return 1;
}

async function whyNotOpen(generator: Generator, asked: Asked): Promise<string | undefined> {
  const { transport, nats } = asked;
  if (transport === 'http') return whyUnreachable(asked.url, asked.token);
  const unanswered = transport === 'nats' ? await whyNobodyAnswers(nats.address) : undefined;
  if (unanswered !== undefined) return unanswered;
  try {
    await generator.open();
    return undefined;
  } catch (error) {
    if (transport === 'nats') return whyNoNats(nats.address, error);
    return whyNoMqtt(asked.url.href, (error as Error).message);
  }
}

function showLive(generator: Generator, asked: Asked): NodeJS.Timeout {
  let sentBefore = 0;
  return setInterval(() => {
    process.stderr.write(`\r\x1b[K${liveLine(generator, asked, generator.sent - sentBefore)}`);
    sentBefore = generator.sent;
    generator.latest.reset();
  }, 1000);
}
