import type { Logger } from 'pino';
import type { Engine } from '../router/engine/engine.js';
import { type HistoryRule, HistoryRules } from '../router/history/history-rules.js';
import type { HistoryStore } from '../router/history/history-store.js';
import { MemoryHistory } from '../router/history/memory-history.js';
import type { Config } from './config.js';
import type { OnGap } from './redis-engine.js';
import type { NodeRole } from './role.js';

/** What carries messages between processes, and where history is kept: they go together. */
interface Carrier {
  /** Absent: everything is in this process. */
  readonly engine?: Engine;
  readonly historyStore: HistoryStore;
}

/**
 * The engine that the settings ask for, connected.
 * @throws ConfigError for a file that cannot be read, EngineError
 */
export async function carrierOf(config: Config, role: NodeRole, log: Logger, onGap: OnGap): Promise<Carrier> {
  const rules = config.historyRules.map(historyRule);
  const bytesMax = config.historyBytesTotalMax;
  if (config.engine === 'embedded') return { historyStore: new MemoryHistory({ rules, bytesMax }) };
  const { redisCarrier } = await import('./redis-engine.js'); // loaded where it is asked for: the client weighs memory
  return redisCarrier(config, role, new HistoryRules(rules), log, onGap);
}

function historyRule(text: string): HistoryRule {
  const [filter, messages, ageSec] = text.split(' ');
  return { filter: filter!, messages: Number(messages), ageSec: Number(ageSec) };
}
