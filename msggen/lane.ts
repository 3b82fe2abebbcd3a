/**
 * The seam between the generator and a connection that messages are sent over. An id always takes the same lane, so
 * messages for it cannot overtake each other.
 */
import type { Addresses } from './addresses.js';
import type { Traffic } from './traffic.js';

export interface Lane {
  /** Messages on the wire without an answer. */
  readonly unanswered: number;
  readonly traffic: Traffic;
  /** Visits the unanswered messages that are in no count yet. */
  eachUnanswered(visit: (dueMs: number, sentMs: number) => void): void;
  /** Throws an Error with a short reason when no connection opens. */
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
  /** Id and deadline of the message that `take` took. */
  readonly takenId: number;
  readonly takenDueMs: number;
  /** Text of that message. Call it once: each call uses up a stamp. */
  takenText(): string;
  /** Takes the next message of this lane. @returns false when there is none */
  take(lane: number): boolean;
  countSent(dueMs: number, sentMs: number): void;
  /** Sent over a connection that gets no answers. */
  countWritten(dueMs: number): void;
  countDelivered(connections: number): void;
  countError(kind: string, messages: number): void;
  /** Given up without an answer. */
  countUnanswered(kind: string, dueMs: number, sentMs: number): void;
  /** A connection broke and is opened again. */
  countLost(reason: string): void;
  /** The lane may have come to rest. */
  settled(): void;
}

/** Pause of a lane after an error, so that it does not ask a dead server in a busy loop. */
export const REST_AFTER_ERROR_MS = 100;
