import type { Logger } from 'pino';
import { assertUsable, type TlsFiles } from '../nats-access/tls-files.js';
import { FileError } from '../redis-access/named-file.js';
import type { Engine } from '../router/engine/engine.js';
import { type HistoryRule, HistoryRules } from '../router/history/history-rules.js';
import type { HistoryStore } from '../router/history/history-store.js';
import { MemoryHistory } from '../router/history/memory-history.js';
import { type Config, ConfigError } from './config.js';
import { holdsConnections, type NodeRole } from './role.js';
import { workerGroupVariable } from './workers/variables.js';

/** What carries messages between processes, and where history is kept: they go together. */
export interface Carrier {
  /** Absent: everything is in this process. */
  readonly engine?: Engine;
  readonly historyStore: HistoryStore;
}

/** Something of some ids may have been missed on this node: whoever has a cursor had better come back with it. Resolves when they are cut. */
export type OnGap = (concerns: (id: string) => boolean) => Promise<void>;

/**
 * The engine that the settings ask for, connected.
 * @throws ConfigError for a file that cannot be read, EngineError
 */
export async function carrierOf(config: Config, role: NodeRole, log: Logger, onGap: OnGap): Promise<Carrier> {
  const rules = config.historyRules.map(historyRule);
  const bytesMax = config.historyBytesTotalMax;
  if (config.engine === 'embedded') return { historyStore: new MemoryHistory({ rules, bytesMax }) };
  if (config.engine === 'redis') {
    const { redisCarrier } = await import('./redis-engine.js');
    return redisCarrier(config, role, new HistoryRules(rules), log, onGap);
  }
  return natsCarrier(config, role, new HistoryRules(rules), log, onGap);
}

async function natsCarrier(
  config: Config,
  role: NodeRole,
  rules: HistoryRules,
  log: Logger,
  onGap: OnGap,
): Promise<Carrier> {
  // Loaded where it is asked for: it weighs 3 MB.
  const { NatsEngine } = await import('../router/engine/nats.js');
  const { ReplicatedHistory } = await import('../router/history/replicated-history.js');
  const { name, nodeName, nats, natsToken, natsCreds, natsPendingBytesMax, countWaitMs } = config;
  const bytesMax = config.historyBytesTotalMax;
  const engine = new NatsEngine({
    name,
    node: { name: nodeName, group: process.env[workerGroupVariable] ?? '', role },
    link: {
      servers: nats,
      token: natsToken === '' ? undefined : natsToken,
      credentialsFile: natsCreds === '' ? undefined : natsCreds,
      tls: tlsFilesOf(config),
      unconfirmedBytesMax: natsPendingBytesMax,
    },
    countWaitMs,
    idBytesMax: config.idBytesMax,
    topicLevelsMax: config.topicLevelsMax,
    payloadBytesMax: payloadBytesMax(config, role),
    history: { rules, bytesMax, replicas: config.historyReplicas },
    retained: {
      messagesMax: config.mqttMaxRetained,
      bytesMax: config.mqttRetainedBytesTotalMax,
      replicas: config.historyReplicas,
    },
    onEvent: (event, detail) => {
      if (event === 'connected' || event === 'changed' || event === 'retained')
        log.info({ detail }, `nats: ${event}`);
      else log.warn({ detail }, `nats: ${event}`);
      // What is here is no longer complete; it is, once it is read anew.
      if (event === 'lost' || event === 'gap') history.forgetAll();
    },
    onGap,
  });
  const history = new ReplicatedHistory(rules, engine.historySource, bytesMax);
  await engine.open();
  return { engine, historyStore: history };
}

/** @throws ConfigError */
function tlsFilesOf({ natsCaFile, natsCertFile, natsKeyFile }: Config): TlsFiles {
  const files = {
    caFile: natsCaFile || undefined,
    certFile: natsCertFile || undefined,
    keyFile: natsKeyFile || undefined,
  };
  try {
    assertUsable(files);
  } catch (error) {
    throw error instanceof FileError ? new ConfigError(error.message, { cause: error }) : error;
  }
  return files;
}

function historyRule(text: string): HistoryRule {
  const [filter, messages, ageSec] = text.split(' ');
  return { filter: filter!, messages: Number(messages), ageSec: Number(ageSec) };
}

/** The largest that is published here. */
export function payloadBytesMax(
  { messageBytesMax, mqtt, mqttMaxPacketSize }: Config,
  role: NodeRole,
): number {
  return Math.max(messageBytesMax, mqtt && holdsConnections(role) ? mqttMaxPacketSize : 0);
}
