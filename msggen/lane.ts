/**
 * The seam between the generator and a connection that messages are sent over. An id always takes the same lane, so
 * messages for it cannot overtake each other.
 */
import type { Addresses } from './addresses.js';
import type { Traffic } from './traffic.js';

export interface Lane {
  /** Messages on the wire that nothing has come back for. */
  readonly unanswered: number;
  readonly traffic: Traffic;
  /** Those of them that have not been counted in any way yet. */
  eachUnanswered(visit: (dueMs: number, sentMs: number) => void): void;
  /** Throws an Error with a short reason when there is no connection to be had. */
  open(): Promise<void>;
  /** Takes messages from the owner and puts them on the wire, as far as there is room. */
  serve(): void;
  /** There are no more messages. */
  conclude(): void;
  close(): Promise<void>;
}

/** The generator, as a lane sees it. Times are in ms since the run began. */
export interface LaneOwner {
  readonly addresses: Addresses;
  readonly nowMs: number;
  /** Nothing counts any more. */
  readonly over: boolean;
  /** The message that `take` took: its id, and its deadline. */
  readonly takenId: number;
  readonly takenDueMs: number;
  /** Its text, which is asked for once: a stamp counts. */
  takenText(): string;
  /** False when there is none for this lane now. */
  take(lane: number): boolean;
  countSent(dueMs: number, sentMs: number): void;
  /** Sent over a connection on which nothing comes back for a message. */
  countWritten(dueMs: number): void;
  countDelivered(connections: number): void;
  countError(kind: string, messages: number): void;
  /** It has waited from its deadline, and nobody waits any longer. */
  countUnanswered(kind: string, dueMs: number, sentMs: number): void;
  /** A connection broke and is opened again. */
  countLost(reason: string): void;
  /** The lane may have come to rest. */
  settled(): void;
}

/** After an error a lane waits a little, so that a server that is down is not asked in a busy loop. */
export const REST_AFTER_ERROR_MS = 100;
