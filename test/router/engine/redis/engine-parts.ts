import { shardAddressOf } from '../../../../redis-access/addresses.js';
import type { Engine } from '../../../../router/engine/engine.js';
import { RedisEngine } from '../../../../router/engine/redis/engine.js';
import type { RedisEngineOptions } from '../../../../router/engine/redis/options.js';
import { HistoryRules } from '../../../../router/history/history-rules.js';

/** An engine as a node has it, in this process. */
export function redisEngineAt(
  urls: readonly string[],
  options: Partial<RedisEngineOptions> = {},
): RedisEngine {
  return new RedisEngine({
    name: 'test',
    node: { name: 'node', group: '', role: 'both' },
    shards: urls.map((url) => shardAddressOf(url, '', '')),
    connection: { sentinels: [] },
    rules: new HistoryRules([]),
    historyBytesMax: 64 * 1024 * 1024,
    countWaitMs: 5_000,
    pendingBytesMax: 64 * 1024 * 1024,
    heldBytesMax: 16 * 1024 * 1024,
    idBytesMax: 1024,
    topicLevelsMax: 128,
    payloadBytesMax: 256 * 1024,
    graphSubscriptionsMax: 65_536,
    retainedMax: 100_000,
    onEvent() {},
    ...options,
  });
}

export async function connectRedis(engine: Engine): Promise<void> {
  await (engine as RedisEngine).open();
}
