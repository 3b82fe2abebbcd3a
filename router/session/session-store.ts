import type { InflightEntry } from './inflight-entry.js';
import type { Queued } from './mqueue.js';

/**
 * The messages under way between one client and the broker: the inflight window, the mqueue behind it, and the QoS 2
 * packet ids that await PUBREL. The store owns it, the session works on it, and nobody keeps it twice.
 *
 * Order: what is added comes back in that order; calls take effect in the order in which they are made.
 * Buffers: messages and entries are shared. The session alone changes an entry's `dup` and `sentAtSec`, which need not
 * outlive the process; `message` is let go by `release` and by nobody else.
 * Errors: nothing here throws or waits. A store that writes does so behind, and ends the process when it cannot.
 */
export interface SessionFlow {
  /** Whether nothing is under way: it is given back to the store then. */
  readonly empty: boolean;

  /** Entries of the inflight window. */
  readonly inflight: number;
  entry(packetId: number): InflightEntry | undefined;
  /** In the order in which they are repeated. Entries may be removed while this is walked. */
  entries(): Iterable<InflightEntry>;
  /** Stored before it is sent. */
  send(entry: InflightEntry): void;
  /** PUBREC has come: the message is let go, and the entry goes to the end. */
  release(entry: InflightEntry): void;
  /** Acknowledged to the end. */
  remove(entry: InflightEntry): void;

  /** Entries of the mqueue; how many of them are QoS 0; their weight. */
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
  /** @returns whether it was awaiting */
  endAwaiting(packetId: number): boolean;
  /** Those that came at this second of the session clock or before. @returns how many there were */
  expireAwaiting(lastSec: number): number;
  /** From here to `resumeAwaiting` their time stands still. */
  pauseAwaiting(nowSec: number): void;
  resumeAwaiting(nowSec: number): void;
}

/** The weight of all flows of a store; see weightOf. Each flow counts itself in and out. */
export interface FlowTotal {
  bytes: number;
}

/**
 * Where flows live. `MemoryStore` keeps them as long as the process; a durable one writes each change of a flow under
 * its client id, in order, and gives all of them back at the next start.
 *
 * A flow exists only while something is under way, so an idle session costs no store anything. At most one exists for
 * a client id. What a client subscribes to is the router's, and not here.
 *
 * Errors: the constructor of a store may throw (its file cannot be opened); nothing after that does.
 */
export interface SessionStore {
  /** Flows from before, of sessions whose clients are away now. Once, before all else. */
  restore(total: FlowTotal): Iterable<{ clientId: string; flow: SessionFlow }>;
  /** A new, empty flow. @param isPassing the session ends with its connection: there is nothing to keep for later */
  create(clientId: string, isPassing: boolean, total: FlowTotal): SessionFlow;
  /** The flow is empty, or its session has ended: it is gone, with all that is in it. */
  remove(clientId: string, flow: SessionFlow): void;
}
