import type { SubscriptionOptions } from '../subscription-options.js';
import type { InflightEntry } from './inflight-entry.js';
import type { Queued } from './mqueue.js';
import type { SessionOwner } from './session-owner.js';

/**
 * The messages between one client and the broker: the inflight window, the mqueue behind it, and the QoS 2 packet ids
 * that await PUBREL. The store owns a flow, and its session uses it. There is no second copy.
 *
 * Order: entries keep the order of their addition, and calls take effect in order. Buffers: messages and entries are
 * shared. Only the session changes an entry's `dup` and `sentAtSec`, which need not outlive the process. Only `release`
 * removes `message`. Errors: nothing here throws or waits. A durable store writes in the background, and `whenStored`
 * tells when that is done.
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

/** A session as it was when its process ended. */
export interface StoredSession {
  readonly clientId: string;
  readonly flow: SessionFlow | undefined;
  readonly owner?: SessionOwner | undefined;
  readonly expirySec?: number | undefined;
  readonly subscriptions?: readonly { readonly filter: string; readonly options: SubscriptionOptions }[];
}

/**
 * Stores sessions that outlive their connection, and flows. `MemoryStore` keeps flows for the life of the process. A
 * durable store writes each change, in order, and returns all sessions at the next start.
 *
 * A flow exists only while it has messages. A client id has at most one flow. The router has the subscriptions.
 *
 * Errors: only the constructor of a store may throw (its file cannot be opened).
 */
export interface SessionStore {
  /** Whether the sessions outlive the process. Then acknowledgements wait for `whenStored`. */
  readonly isDurable: boolean;
  /** Sessions of an earlier process, whose clients are absent. Call once, before everything else. */
  restore(total: FlowTotal): Iterable<StoredSession>;
  /** A session that outlives its connection begins, goes on, or has other terms. */
  keep(clientId: string, owner: SessionOwner | undefined, expirySec: number | undefined): void;
  /** The session has ended, after its flow; or it ends with its connection from now on. */
  forget(clientId: string): void;
  /** The session has a new filter, or other options of one. */
  subscribed(clientId: string, filter: string, options: SubscriptionOptions): void;
  unsubscribed(clientId: string, filter: string): void;
  /** Calls back once everything so far outlives the process: at once where it does, or where nothing does. In order. */
  whenStored(then: () => void): void;
  /** A new, empty flow. @param isPassing the session ends with its connection, so nothing must outlive it */
  create(clientId: string, isPassing: boolean, total: FlowTotal): SessionFlow;
  /** Removes a flow with its content: it is empty, or its session has ended. */
  remove(clientId: string, flow: SessionFlow): void;
}
