/** The counts of connections and messages: the same numbers for one process and for all of them added up. */
import type { LatencyCounts } from '../msggen/latency.js';

/** A row for each QoS (over HTTP: the first), and one for the subscribers to everything. */
export const EVERYTHING_ROW = 3;
export const ROW_NAMES = ['qos0', 'qos1', 'qos2', 'everything'] as const;

export interface Tally {
  messages: number;
  /** Messages that carried a stamp. */
  stamped: number;
  lost: number;
  /** Received again without the protocol's leave. */
  duplicated: number;
  /** Received again with the DUP flag set, which QoS 1 allows, and QoS 2 as long as it is not released. */
  redelivered: number;
  outOfOrder: number;
  /** Late messages of which it is not known any more whether they had come before. */
  unjudged: number;
  /** Messages of more publishers or topics than there is an account for. */
  unaccounted: number;
  /** Messages that the server had kept: they were there before the subscriber, so they are not accounted for. */
  retained: number;
}

export interface FloodCounts extends Tally {
  /** Open and logged in now. */
  connected: number;
  /** Were connected, and ended without floodtest's doing. */
  closed: number;
  /** Were connected, and disconnected at the end of their life. */
  disconnected: number;
  /** How often a subscriber has unsubscribed, and how often it has subscribed again. */
  unsubscribed: number;
  resubscribed: number;
  /** Messages published and received between the two; they are in no other count. */
  receivedUnsubscribed: number;
  /** Were cut by floodtest, all at once. */
  cut: number;
  /** Were cut, and are logged in again. */
  resumed: number;
  /** Of those, told by the server that nothing is gone. */
  recovered: number;
  /** How often the server said `recovered: false`: that something is, or may be, gone. */
  unrecovered: number;
  /** Connections that were tried and have an outcome: connected, refused or failed. Who comes again does not count. */
  tried: number;
  refused: number;
  failed: number;
  /** Pieces of the body with content; over MQTT messages. */
  chunks: number;
  /** Payload of TCP: HTTP and WebSocket framing, heartbeats and requests included. */
  bytesReceived: number;
  bytesSent: number;
  /** Connections that have received a message. */
  reached: number;
  /** By the devices. */
  published: number;
  /** Due, but the device was not connected, or had too many messages unacknowledged. */
  unpublished: number;
  /** Published long after they were due; due and never published: see LATE_AFTER_MS. */
  late: number;
  overdue: number;
  /** Published and not acknowledged yet. */
  unacknowledged: number;
}

/** How often each reason was met, such as `HTTP 503` or `ECONNRESET`. */
export type Reasons = Record<string, number>;

/** The answer of a process that is asked. The latencies are those since it was last asked. */
export interface ProcessReport {
  /** Messages are those of the subscribers, without the subscribers to everything. */
  counts: FloodCounts;
  /** A row each. */
  tallies: Tally[];
  latencies: LatencyCounts[];
  refusals: Reasons;
  failures: Reasons;
  closures: Reasons;
  publishers: number[];
  rssBytes: number;
  /** Before the first connection. */
  baseRssBytes: number;
  cpuSec: number;
  /** Of the time in which its devices publish: how much of it the process was at work. */
  busyShare: number;
}

/** The last seq of each device, by its number from 0, of those that publish in one process. */
export interface PublishedSeqs {
  publisher: number;
  seqs: Uint32Array;
}

export function noTally(): Tally {
  return {
    messages: 0,
    stamped: 0,
    lost: 0,
    duplicated: 0,
    redelivered: 0,
    outOfOrder: 0,
    unjudged: 0,
    unaccounted: 0,
    retained: 0,
  };
}

export function noCounts(): FloodCounts {
  return {
    connected: 0,
    closed: 0,
    disconnected: 0,
    unsubscribed: 0,
    resubscribed: 0,
    receivedUnsubscribed: 0,
    cut: 0,
    resumed: 0,
    recovered: 0,
    unrecovered: 0,
    tried: 0,
    refused: 0,
    failed: 0,
    chunks: 0,
    bytesReceived: 0,
    bytesSent: 0,
    reached: 0,
    published: 0,
    unpublished: 0,
    late: 0,
    overdue: 0,
    unacknowledged: 0,
    ...noTally(),
  };
}

export function addCounts<Numbers extends Tally>(sum: Numbers, counts: Tally): void {
  const numbers = sum as unknown as Record<string, number>;
  for (const [name, count] of Object.entries(counts)) numbers[name] = (numbers[name] ?? 0) + count;
}

export function addReasons(sum: Reasons, reasons: Reasons): void {
  for (const [reason, count] of Object.entries(reasons)) sum[reason] = (sum[reason] ?? 0) + count;
}
