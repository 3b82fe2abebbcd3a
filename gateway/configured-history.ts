import type { HistoryRule } from '../router/history/history-rules.js';
import type { Config } from './settings.js';

/** The rules of `--history-rules`, each "<filter> <messages> <seconds>". */
export function historyRulesOf({ historyRules }: Pick<Config, 'historyRules'>): HistoryRule[] {
  return historyRules.map(historyRule);
}

function historyRule(text: string): HistoryRule {
  const [filter, messages, ageSec] = text.split(' ');
  return { filter: filter!, messages: Number(messages), ageSec: Number(ageSec) };
}
