import type { FanOut } from './fan-out.js';
import type { Graph } from './graph/graph.js';
import type { FollowerSendsStats } from './graph/sends-under-way.js';
import type { SharedGraph } from './graph/shared-graph.js';
import type { HistoryStats, HistoryStore } from './history/history-store.js';
import type { Retained, RetainedRefusal } from './retained.js';
import type { Subscriptions } from './subscriptions.js';

/** Counters since the router was made, unless they say otherwise. */
export interface RouterStats {
  /** Ids with at least one subscriber, now. */
  ids: number;
  /** Topic filters with wildcards that have at least one subscriber, now. */
  filters: number;
  /** Pairs of id or filter and subscriber, now. */
  logins: number;
  /** Subscribers with at least one id or filter, now. */
  subscribers: number;
  /** Most bytes of ids, filters and logins in V8's heap, now. */
  loginsBytes: number;
  /** Messages published at this router. */
  published: number;
  /** Deliveries that subscribers took (`sent` or `buffered`). */
  delivered: number;
  /** Deliveries that subscribers refused. */
  dropped: number;
  /** Retained messages, now. */
  retained: number;
  /** Their bytes, now. */
  retainedBytes: number;
  /** Messages that were not retained, by limit. */
  retainedRefused: Record<RetainedRefusal, number>;
  history: HistoryStats;
  graph: GraphStats;
}

export interface GraphStats {
  /** Ids that follow another one or are followed, now. */
  ids: number;
  /** Edges, now. */
  edges: number;
  /** Bytes of both outside of V8's heap, now. */
  bytes: number;
  sends: FollowerSendsStats;
}

export function routerStats(
  published: number,
  { ids, filters, logins, subscribers, bytes }: Subscriptions,
  { delivered, dropped }: FanOut,
  retained: Retained,
  history: HistoryStore,
  graph: Pick<Graph, 'ids' | 'edges' | 'bytes'> | SharedGraph,
  sends: FollowerSendsStats,
): RouterStats {
  return {
    ids,
    filters,
    logins,
    subscribers,
    loginsBytes: bytes,
    published,
    delivered,
    dropped,
    retained: retained.count,
    retainedBytes: retained.bytes,
    retainedRefused: { ...retained.refused },
    history: history.stats(),
    graph: {
      ids: 'counts' in graph ? graph.counts.ids : graph.ids,
      edges: 'counts' in graph ? graph.counts.edges : graph.edges,
      bytes: 'counts' in graph ? 0 : graph.bytes,
      sends: { ...sends },
    },
  };
}
