import type { InflightEntry } from './inflight-entry.js';
import type { Queued } from './mqueue.js';

/**
 * The messages between one client and the broker: the inflight window, the mqueue behind it, and the QoS 2 packet ids
 * that await PUBREL. The store owns a flow, and its session uses it. There is no second copy.
 *
 * Order: entries keep the order of their addition, and calls take effect in order. Buffers: messages and entries are
 * shared. Only the session changes an entry's `dup` and `sentAtSec`, which need not outlive the process. Only `release`
 * removes `message`. Errors: nothing here throws or waits. A store writes in the background, and ends the process when
 * it cannot write.
 */
export interface SessionFlow {
  /** Whether it is empty: then it goes back to the store. */
  readonly empty: boolean;

  /** Entries of the inflight window. */
  readonly inflight: number;
  entry(packetId: number): InflightEntry | undefined;
  /** In the order of repeats. Entries may be removed during the walk. */
  entries(): Iterable<InflightEntry>;
  /** Stored before it is sent. */
  send(entry: InflightEntry): void;
  /** PUBREC: removes the message, and moves the entry to the end. */
  release(entry: InflightEntry): void;
  /** Completely acknowledged. */
  remove(entry: InflightEntry): void;

  /** Entries of the mqueue; those at QoS 0; their weight. */
  readonly queued: number;
  readonly queuedQos0: number;
  readonly queuedBytes: number;
  readonly head: Queued | undefined;
  enqueue(queued: Queued): void;
  dequeue(): Queued | undefined;

  /** QoS 2 packet ids of the client that await its PUBREL. */
  readonly awaiting: number;
  isAwaiting(packetId: number): boolean;
  awaitingIds(): Iterable<number>;
  beginAwaiting(packetId: number, nowSec: number): void;
  /** @returns whether it was waiting */
  endAwaiting(packetId: number): boolean;
  /** Removes those that arrived at this second of the session clock or before. @returns their number */
  expireAwaiting(lastSec: number): number;
  /** Their time stands still until `resumeAwaiting`. */
  pauseAwaiting(nowSec: number): void;
  resumeAwaiting(nowSec: number): void;
}

/** The weight of all flows of a store; see weightOf. Each flow adds and subtracts its own. */
export interface FlowTotal {
  bytes: number;
}

/**
 * Stores flows. `MemoryStore` keeps them for the life of the process. A durable store writes each change of a flow
 * under its client id, in order, and returns all flows at the next start.
 *
 * A flow exists only while it has messages, so an idle session takes no room in a store. A client id has at most one
 * flow. The router has the subscriptions.
 *
 * Errors: only the constructor of a store may throw (its file cannot be opened).
 */
export interface SessionStore {
  /** Flows of an earlier process, whose clients are absent. Call once, before everything else. */
  restore(total: FlowTotal): Iterable<{ clientId: string; flow: SessionFlow }>;
  /** A new, empty flow. @param isPassing the session ends with its connection, so nothing must outlive it */
  create(clientId: string, isPassing: boolean, total: FlowTotal): SessionFlow;
  /** Removes a flow with its content: it is empty, or its session has ended. */
  remove(clientId: string, flow: SessionFlow): void;
}
