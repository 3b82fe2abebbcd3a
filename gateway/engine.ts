import type { Logger } from 'pino';
import type { Engine } from '../router/engine/engine.js';
import { HistoryRules } from '../router/history/history-rules.js';
import type { HistoryStore } from '../router/history/history-store.js';
import { MemoryHistory } from '../router/history/memory-history.js';
import type { Config } from './config.js';
import { historyRulesOf } from './configured-history.js';
import type { OnGap } from './redis-engine.js';
import type { NodeRole } from './role.js';

/** An engine and the history store that belongs to it. */
interface OpenEngine {
  /** Absent = everything is in this process. */
  readonly engine?: Engine;
  readonly historyStore: HistoryStore;
}

/**
 * Connects the engine of the settings.
 * @throws ConfigError for a file that cannot be read, EngineError
 */
export async function openEngine(
  config: Config,
  role: NodeRole,
  log: Logger,
  onGap: OnGap,
): Promise<OpenEngine> {
  const rules = historyRulesOf(config);
  const bytesMax = config.historyBytesTotalMax;
  if (config.engine === 'embedded') return { historyStore: new MemoryHistory({ rules, bytesMax }) };
  const { openRedisEngine } = await import('./redis-engine.js'); // loaded on demand: ioredis takes memory
  return openRedisEngine(config, role, new HistoryRules(rules), log, onGap);
}
