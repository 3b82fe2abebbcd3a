/** What is counted about connections and messages: the same numbers for one process and for all of them added up. */
import type { LatencyCounts } from '../msggen/latency.js';

export interface Counts {
  /** Open and logged in now. */
  connected: number;
  /** Were connected, and ended without floodtest's doing. */
  closed: number;
  /** Connections that were tried and have an outcome: connected, refused or failed. */
  tried: number;
  refused: number;
  failed: number;
  /** Pieces of the body with content. */
  chunks: number;
  messages: number;
  /** Messages that carried a stamp. */
  stamped: number;
  lost: number;
  duplicated: number;
  outOfOrder: number;
  unaccounted: number;
  /** Connections that have received a message. */
  reached: number;
}

/** How often each reason was met, such as `HTTP 503` or `ECONNRESET`. */
export type Reasons = Record<string, number>;

/** What a process answers when it is asked. The latencies are those since it was last asked. */
export interface ProcessReport {
  counts: Counts;
  refusals: Reasons;
  failures: Reasons;
  closures: Reasons;
  publishers: number[];
  latency: LatencyCounts;
  rssBytes: number;
  /** Before the first connection. */
  baseRssBytes: number;
  cpuSec: number;
}

export function noCounts(): Counts {
  return {
    connected: 0,
    closed: 0,
    tried: 0,
    refused: 0,
    failed: 0,
    chunks: 0,
    messages: 0,
    stamped: 0,
    lost: 0,
    duplicated: 0,
    outOfOrder: 0,
    unaccounted: 0,
    reached: 0,
  };
}

export function addCounts(sum: Counts, counts: Counts): void {
  for (const name of Object.keys(counts) as (keyof Counts)[]) sum[name] += counts[name];
}

export function addReasons(sum: Reasons, reasons: Reasons): void {
  for (const [reason, count] of Object.entries(reasons)) sum[reason] = (sum[reason] ?? 0) + count;
}
