import type { Logger } from 'pino';
import { accessOf } from '../redis-access/access.js';
import type { NodeRole } from '../router/engine/cluster.js';
import { RedisEngine } from '../router/engine/redis/engine.js';
import type { EngineEvent } from '../router/engine/redis/options.js';
import type { HistoryRules } from '../router/history/history-rules.js';
import { ReplicatedHistory } from '../router/history/replicated-history.js';
import type { Config } from './config.js';
import { readingFiles } from './config-error.js';
import { holdsConnections } from './role.js';
import { workerGroupVariable } from './workers/variables.js';

/**
 * This node may have missed messages of some ids: cuts their streams, which reconnect with their cursors. Resolves when
 * all are cut.
 */
export type OnGap = (concerns: (id: string) => boolean) => Promise<void>;

/**
 * Connects the engine on Redis.
 * @throws ConfigError, EngineError
 */
export async function openRedisEngine(
  config: Config,
  role: NodeRole,
  rules: HistoryRules,
  log: Logger,
  onGap: OnGap,
): Promise<{ engine: RedisEngine; historyStore: ReplicatedHistory }> {
  const { name, nodeName, redisPendingBytesMax, countWaitMs } = config;
  const historyBytesMax = config.historyBytesTotalMax;
  const { shards, connection } = readingFiles(() => accessOf(config));
  let isOpen = false;
  const engine = new RedisEngine({
    name,
    node: { name: nodeName, group: process.env[workerGroupVariable] ?? '', role },
    shards,
    connection,
    rules,
    historyBytesMax,
    countWaitMs,
    pendingBytesMax: Math.floor(redisPendingBytesMax / shards.length),
    heldBytesMax: Math.floor(config.redisHeldBytesMax / shards.length),
    idBytesMax: config.idBytesMax,
    topicLevelsMax: config.topicLevelsMax,
    payloadBytesMax: payloadBytesMax(config, role),
    graphSubscriptionsMax: config.graphSubscriptionsMax,
    retainedMax: config.mqttMaxRetained,
    onEvent: (event, detail) => {
      // `open` throws the trouble that prevents the start, so it is not logged too.
      if (isOpen) tell(log, event, detail);
      else if (event === 'back') log.info({ detail }, 'redis: connected');
      else if (event !== 'complaint') tell(log, event, detail);
    },
    onInterrupted: () => historyStore.forgetAll(),
    onGap,
  });
  const historyStore = new ReplicatedHistory(rules, engine.history, historyBytesMax);
  await engine.open();
  isOpen = true;
  return { engine, historyStore };
}

function tell(log: Logger, event: EngineEvent, detail: string): void {
  if (event === 'complaint') log.error(detail);
  else if (event === 'back') log.info({ detail }, 'redis: back');
  else log.warn({ detail }, `redis: ${event}`);
}

/** The largest payload that this node publishes. */
function payloadBytesMax({ messageBytesMax, mqtt, mqttMaxPacketSize }: Config, role: NodeRole): number {
  return Math.max(messageBytesMax, mqtt && holdsConnections(role) ? mqttMaxPacketSize : 0);
}
