import type { Message } from '../message.js';
import type { ResumeFrom } from './cursor.js';
import type { HistoryRule } from './history-rules.js';

/** Why a message left history: newer messages of its id, its age, or the byte limit of the process. */
export type HistoryEviction = 'count' | 'age' | 'bytes';

/** Plain numbers. */
export interface HistoryStats {
  /** Ids with kept messages, now. */
  ids: number;
  /** Kept messages, now. A message may be counted past its age, until the next message of its id. */
  messages: number;
  /** Bytes of kept messages with overhead, now. */
  bytes: number;
  /** Reserved bytes, now. */
  reservedBytes: number;
  /** Messages that left history since the start, by reason. */
  evicted: Record<HistoryEviction, number>;
}

/**
 * The messages of one id behind an offset, oldest first. Valid until the next append or tick, so read it within one
 * turn of the loop.
 */
export interface HistoryReader {
  /** Place of the next message among those of all ids; Infinity = no more messages. */
  readonly sequence: number;
  /** Payload bytes of the next message. */
  readonly bytes: number;
  /**
   * Takes the next message. It owns its bytes and outlives the reader. Two readers may get the same object for a short
   * time, so that it is encoded once.
   */
  take(): Message;
}

/**
 * Stores history. The kept messages of an id are the last ones that were appended, without holes: `first` to `last`.
 *
 * Order: offsets of an id are 1 or more. Each is one more than the last while the id is remembered (with `behindLast`:
 * just higher). A forgotten id goes on above all its earlier offsets. An epoch never gives an offset of an id twice.
 * Buffers: `append` copies or shares the payload. It keeps no memory beyond the payload's own bytes, even if the
 * payload is a view. The caller owns what a reader returns, and must not write to it. Errors: only the constructor of a
 * store may throw. Nothing waits: a store writes in the background.
 */
export interface HistoryStore {
  /**
   * About 8 characters of A-Z, a-z, 0-9, - and _. A new epoch begins whenever offsets may have been lost, so that an
   * old cursor is recognized.
   */
  readonly epoch: string;
  /** Checks other rules. @returns a function that puts them in force. Absent if the rules are settled at the start */
  prepareRules?(rules: readonly HistoryRule[]): () => void;
  /** Whether the id has history at all, by the rules. */
  keeps(id: string): boolean;
  /** @returns the message's offset; 0 = its id has no history */
  append(message: Message): number;
  /** Offset of the oldest kept message; one more than `last` if there is none. */
  first(id: string): number;
  /**
   * The last offset. For an id that is forgotten or new, an upper bound of it: the next message gets a higher one.
   */
  last(id: string): number;
  /** The offset before the last `count` messages of the id. Absent: offsets of an id grow by one. */
  behindLast?(id: string, count: number): number;
  /** Reads the messages behind an offset. Does not check the id. */
  after(id: string, offset: number): HistoryReader;
  /**
   * Loads the history of ids that a resume needs, so that `first`, `last` and `after` can be called. Always calls back,
   * once, maybe before it returns. Absent: everything is always loaded.
   */
  prepare?(ids: readonly string[], from: ResumeFrom, ready: () => void): void;
  /**
   * Removes messages that are too old, as far as one turn of the loop allows. No reader gets the remaining ones either.
   * @param nowMs a clock that never goes back; the first call sets its start
   */
  tick(nowMs: number): void;
  stats(): HistoryStats;
}
