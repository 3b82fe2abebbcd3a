/** The counts of connections and messages, of one process or of all processes added up. */
import type { LatencyCounts } from '../msggen/latency.js';

/** A row for each QoS (over HTTP: the first), and one for the subscribers to everything. */
export const EVERYTHING_ROW = 3;
export const ROW_NAMES = ['qos0', 'qos1', 'qos2', 'everything'] as const;

export interface Tally {
  messages: number;
  /** Messages that carried a stamp. */
  stamped: number;
  lost: number;
  /** Received again where the protocol does not allow it. */
  duplicated: number;
  /** Received again with the DUP flag set, which QoS 1 allows, and QoS 2 as long as it is not released. */
  redelivered: number;
  outOfOrder: number;
  /** Late messages that may or may not be duplicates: their account is gone. */
  unjudged: number;
  /** Messages of publishers or topics beyond the number of accounts. */
  unaccounted: number;
  /** Retained messages, which are older than the subscription, and are not accounted for. */
  retained: number;
}

export interface FloodCounts extends Tally {
  /** Open and logged in now. */
  connected: number;
  /** Connections that ended, and not by floodtest. */
  closed: number;
  /** Connections that floodtest ended at the end of their life. */
  disconnected: number;
  /** How often subscribers have unsubscribed, and have subscribed again. */
  unsubscribed: number;
  resubscribed: number;
  /** Messages that were published and received while unsubscribed. They are in no other count. */
  receivedUnsubscribed: number;
  /** Connections that floodtest cut, all at once. */
  cut: number;
  /** Connections that were cut and are logged in again. */
  resumed: number;
  /** Of those, the ones that the server told `recovered: true`. */
  recovered: number;
  /** How often the server said `recovered: false`. */
  unrecovered: number;
  /** Connections with an outcome: connected, refused or failed. Reconnects do not count. */
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
  /** Messages that the devices have published. */
  published: number;
  /** Messages that were due while the device was not connected, or had too many unacknowledged messages. */
  unpublished: number;
  /** Published late (see LATE_AFTER_MS); due and not published yet. */
  late: number;
  overdue: number;
  /** Published and not acknowledged yet. */
  unacknowledged: number;
}

/** How often each reason was met, such as `HTTP 503` or `ECONNRESET`. */
export type Reasons = Record<string, number>;

/** The answer of a process to `report`, with the latencies since its last report. */
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
  /** Part of the time in which its devices publish that the process was busy. */
  busyShare: number;
}

/** The last seq of each device of one process, by the device's number from 0. */
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
