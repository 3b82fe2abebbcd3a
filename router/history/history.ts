import type { Message } from '../message.js';
import type { Cursor, ResumeFrom } from './cursor.js';
import type { HistoryRule } from './history-rules.js';
import type { HistoryReader, HistoryStore } from './history-store.js';

export interface Resumed {
  /**
   * True: nothing is missing between the cursor and the messages. False: messages are, or may be, missing. Always true
   * without a cursor.
   */
  recovered: boolean;
  /** Messages of all ids, in the order of publication. Shared: read, never write. */
  messages: Message[];
  /** There are more messages: resume again from `offsets`. */
  more: boolean;
  /** The offset of the last message of each id, in the order of the request. With the epoch, the next cursor. */
  offsets: number[];
}

/**
 * Finds the messages that a client has missed: `router.history`. Knows cursors; the store knows where messages are.
 *
 * No gap and no duplicate: everything here is synchronous. Call `login` and `resume` in one turn of the loop, in any
 * order and without a publish between them. Then `resume` returns the messages up to `Resumed.offsets` (and announces
 * further ones by `more`), and later messages are delivered. Do not call this inside a `deliver`: the current message
 * is already in history.
 *
 * With `more`, messages that are delivered meanwhile come after those still to be resumed. A subscriber that has logged
 * in holds them back, or ignores them and logs in with the last resume.
 */
export class History {
  readonly #store: HistoryStore;

  constructor(store: HistoryStore) {
    this.#store = store;
  }

  /**
   * The epoch of all offsets: the first part of each cursor. It changes after a restart, or when an external source
   * lost offsets.
   */
  get epoch(): string {
    return this.#store.epoch;
  }

  /** Checks other rules. @returns a function that puts them in force; undefined if the rules are settled at the start */
  prepareRules(rules: readonly HistoryRule[]): (() => void) | undefined {
    return this.#store.prepareRules?.(rules);
  }

  /** Whether the id has history. */
  keeps(id: string): boolean {
    return this.#store.keeps(id);
  }

  /**
   * The current offsets: the cursor of a client that has everything up to now. 0 for an id without history. Give a
   * client of a quiet id a new one now and then: an old offset of an id that was forgotten meanwhile may be answered
   * `recovered: false` because of other ids.
   */
  position(ids: readonly string[]): number[] {
    return ids.map((id) => this.#store.last(id));
  }

  /**
   * Call this before `resume`, and before a `login` with `since: 'now'`. Call those in `ready`, in the same turn. It
   * waits where history is outside of this process; otherwise it calls back before it returns.
   */
  prepare(ids: readonly string[], from: ResumeFrom, ready: () => void): void {
    if (this.#store.prepare === undefined) ready();
    else this.#store.prepare(ids, from, ready);
  }

  /**
   * The forgotten offset of an id without kept messages (0 without history), which other ids may raise. Undefined if
   * messages are kept: then the current offset is that of the last message.
   */
  floor(id: string): number | undefined {
    const last = this.#store.last(id);
    return this.#store.first(id) > last ? last : undefined;
  }

  /**
   * The messages of `ids` behind a cursor. The answer is `recovered: false`, with all kept messages of the id, for a
   * cursor of another epoch, an offset that was never given, and an offset whose later messages are no longer complete.
   * So it is for any cursor of an id without history, because nobody knows what was missed.
   * @param ids valid, and each once; a cursor's offsets are in their order
   * @param messagesMax most messages
   * @param bytesMax most bytes of payloads; one message is always allowed, so that a client makes progress
   */
  resume(
    ids: readonly string[],
    from: ResumeFrom,
    messagesMax: number,
    bytesMax = Number.POSITIVE_INFINITY,
  ): Resumed {
    const resumed: Resumed = { recovered: true, messages: [], more: false, offsets: [] };
    const open: Open[] = [];
    for (const [index, id] of ids.entries()) {
      const offset = 'epoch' in from ? this.#behind(from, index, id, resumed) : this.#since(from.since, id);
      resumed.offsets.push(offset);
      const reader = this.#store.after(id, offset);
      if (reader.sequence !== Number.POSITIVE_INFINITY) open.push({ index, reader });
    }
    merge(open, resumed, messagesMax, bytesMax);
    return resumed;
  }

  /**
   * Call four times a second, so that messages leave at their age.
   * @param nowMs a clock that never goes back, such as performance.now()
   */
  tick(nowMs: number): void {
    this.#store.tick(nowMs);
  }

  /** @returns the offset to resume behind */
  #behind({ epoch, offsets }: Cursor, index: number, id: string, resumed: Resumed): number {
    const first = this.#store.first(id);
    const offset = offsets[index];
    if (epoch === this.epoch && offset !== undefined && this.#store.keeps(id)) {
      if (offset >= first - 1 && offset <= this.#store.last(id)) return offset;
    }
    resumed.recovered = false;
    return first - 1;
  }

  #since(since: 'oldest' | 'now' | number, id: string): number {
    if (since === 'now') return this.#store.last(id);
    const oldest = this.#store.first(id) - 1;
    if (since === 'oldest') return oldest;
    return this.#store.behindLast?.(id, since) ?? Math.max(oldest, this.#store.last(id) - since);
  }
}

/** An id with messages that are not returned yet. */
interface Open {
  /** Of the id. */
  readonly index: number;
  readonly reader: HistoryReader;
}

/** Searches all open ids for each message: most resumes have one id, and few have messages in many. */
function merge(open: Open[], resumed: Resumed, messagesMax: number, bytesMax: number): void {
  const { messages, offsets } = resumed;
  let bytes = 0;
  while (open.length > 0) {
    const next = nextOf(open);
    const { index, reader } = open[next]!;
    bytes += reader.bytes;
    if (messages.length >= messagesMax || (bytes > bytesMax && messages.length > 0)) {
      resumed.more = true;
      return;
    }
    const message = reader.take();
    messages.push(message);
    offsets[index] = message.offset;
    if (reader.sequence === Number.POSITIVE_INFINITY) open.splice(next, 1);
  }
}

function nextOf(open: readonly Open[]): number {
  let next = 0;
  for (let i = 1; i < open.length; i++) {
    if (open[i]!.reader.sequence < open[next]!.reader.sequence) next = i;
  }
  return next;
}
