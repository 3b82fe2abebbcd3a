import type { ClusterStats } from './cluster/cluster-stats.js';
import type { Numbers } from './cluster/stats-sum.js';
import type { Stats } from './stats.js';

/** The parts of a node that /ready and /stats are read from, on the router API and on the operator's listener. */
export interface ProbedNode {
  readonly stats: Stats;
  /** Set where there may be other nodes. */
  readonly clusterStats: ClusterStats | undefined;
  /** @returns why clients and publishers should not come here now; undefined where they may */
  whyNotReady(): string | undefined;
  /** @returns what an operator is to mend although the node is ready */
  warning(): string | undefined;
}

/** The answer of /ready. */
export function readinessOf({ whyNotReady, warning }: ProbedNode): { isReady: boolean; text: string } {
  const whyNot = whyNotReady();
  if (whyNot !== undefined) return { isReady: false, text: whyNot };
  const said = warning();
  return { isReady: true, text: said === undefined ? 'ready' : `ready, but ${said}` };
}

export type StatsScope = 'node' | 'group';

export const scopeExpected = 'scope is node or group.';

/** @returns undefined where the query of /stats has another scope */
export function scopeIn(query: URLSearchParams): StatsScope | undefined {
  const scope = query.get('scope') ?? 'group';
  return scope === 'node' || scope === 'group' ? scope : undefined;
}

/**
 * The numbers of /stats: those of the whole group where this is one of several workers, as nobody can choose which one
 * answers. Calls back once, maybe before it returns.
 */
export function readStats(
  { stats, clusterStats }: ProbedNode,
  scope: StatsScope,
  onKnown: (numbers: Numbers) => void,
): void {
  if (scope === 'node' || clusterStats?.grouped !== true) return onKnown(stats.all());
  clusterStats.ofGroup(({ sum, nodes, unanswered }) =>
    onKnown({ ...sum, workers: nodes.length, unanswered }),
  );
}
