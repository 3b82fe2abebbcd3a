import type { Message } from '../message.js';
import type { ResumeFrom } from './cursor.js';

/** Why a message is no longer kept: others of its id came after it, its age, or the bytes of the whole process. */
export type HistoryEviction = 'count' | 'age' | 'bytes';

/** Plain numbers. */
export interface HistoryStats {
  /** Ids with a message that is kept, now. */
  ids: number;
  /** Messages, now. One of an id that is still published to may be counted past its age, until the id's next message. */
  messages: number;
  /** Their bytes, with all that is around them, now. */
  bytes: number;
  /** Bytes that are reserved for that, now. */
  reservedBytes: number;
  /** Messages let go since the start, by reason. */
  evicted: Record<HistoryEviction, number>;
}

/**
 * The messages of one id behind an offset, oldest first. Valid until anything is appended or ticked: it is read
 * within one turn of the loop.
 */
export interface HistoryReader {
  /** Of the next message, its place among those of all ids; Infinity = there is no more. */
  readonly sequence: number;
  /** Of the next message's payload. */
  readonly bytes: number;
  /**
   * The next message, which goes by. It owns its bytes and outlives the reader; for a short while two readers may be
   * given the same object, so that it is encoded once.
   */
  take(): Message;
}

/**
 * Where history is kept. What is kept of an id is the end of what was appended to it, without holes: `first` to `last`.
 *
 * Order: offsets of an id are 1 or more, and each is one more than the last while the id is remembered (or just higher,
 * where `behindLast` is there); one that was forgotten goes on above all that it was ever given. No offset is given
 * twice to an id in an epoch.
 * Buffers: `append` copies or shares the payload; it holds on to no memory beyond the payload's own bytes, whatever
 * that is a view of. What a reader gives belongs to whoever takes it, and is not written to.
 * Errors: the constructor of a store may throw; nothing after that does, and nothing waits. A store that writes does
 * so behind.
 */
export interface HistoryStore {
  /**
   * 8 characters or so out of A-Z, a-z, 0-9, - and _: another one whenever offsets may have been lost, so that an old
   * cursor is recognised.
   */
  readonly epoch: string;
  /** Whether the id has history at all, by the rules. */
  keeps(id: string): boolean;
  /** @returns the message's offset; 0 = its id has no history */
  append(message: Message): number;
  /** Of the oldest message that is kept; one more than `last` when there is none. */
  first(id: string): number;
  /**
   * The offset that was given last. Of an id that was forgotten, or never seen, an upper bound of that: the next
   * message gets a higher one.
   */
  last(id: string): number;
  /** The offset behind which the last `count` messages of the id are. Absent: offsets of an id grow by one. */
  behindLast?(id: string, count: number): number;
  /** Reads the messages behind an offset. The id is taken for what it is, checked by no one. */
  after(id: string, offset: number): HistoryReader;
  /**
   * Where not everything is at hand: sees to it that `first`, `last` and `after` know of the ids what a resume from
   * there needs, and calls back, once, maybe before it returns, and in any case. Absent: everything always is.
   */
  prepare?(ids: readonly string[], from: ResumeFrom, ready: () => void): void;
  /**
   * Lets go of what is too old, as far as one turn of the loop allows; what is left over is not given to anybody either.
   * @param nowMs a clock that never goes back; the first call says where it starts
   */
  tick(nowMs: number): void;
  stats(): HistoryStats;
}
