import type { Message } from '../message.js';
import type { Cursor, ResumeFrom } from './cursor.js';
import type { HistoryReader, HistoryStore } from './history-store.js';

export interface Resumed {
  /**
   * Whether nothing is missing between the cursor and what is given. False: something is, or may be; what is left is
   * given all the same. Always true without a cursor.
   */
  recovered: boolean;
  /** Of all the ids, in the order in which they were published. Shared: read, never write. */
  messages: Message[];
  /** There are more, up to now: resume again from `offsets`. */
  more: boolean;
  /** Behind the last message given, of each id in the order asked for: with the epoch, the next cursor. */
  offsets: number[];
}

/**
 * Finds the messages that a client has missed: `router.history`. Knows cursors; where messages are kept is the store's.
 *
 * No gap and no double: everything here is synchronous, so `login` and `resume` in one turn of the loop, in either
 * order and with no publish between them, split all messages of an id into those that `resume` gives (the offsets up
 * to `Resumed.offsets`, and those behind that which `more` announces) and those that are delivered from then on. Not
 * to be called from inside a `deliver`: the message that is being delivered is in history already.
 *
 * With `more`, what is delivered meanwhile lies behind what is still to be resumed: whoever has logged in already
 * holds it back, or leaves it out and logs in with the last resume.
 */
export class History {
  readonly #store: HistoryStore;

  constructor(store: HistoryStore) {
    this.#store = store;
  }

  /** Of all offsets that are given: the first part of each cursor. Another one after a restart, or when a source outside lost them. */
  get epoch(): string {
    return this.#store.epoch;
  }

  /** Whether anything that is published to the id is kept. */
  keeps(id: string): boolean {
    return this.#store.keeps(id);
  }

  /**
   * Where the ids stand now: the offsets of a cursor for a client that has everything up to now. 0 for an id without
   * history. A client of a quiet id should be given this anew now and then, as it is always answered right, while an
   * old offset of an id that was forgotten meanwhile may be told `recovered: false` for other ids' sake.
   */
  position(ids: readonly string[]): number[] {
    return ids.map((id) => this.#store.last(id));
  }

  /**
   * To be called before `resume`, and before `login` of who wants what comes from now on (`since: 'now'`); either is then
   * called in `ready`, in the same turn: where history is kept outside of this process, it takes a while. Calls back
   * before it returns where it does not.
   */
  prepare(ids: readonly string[], from: ResumeFrom, ready: () => void): void {
    if (this.#store.prepare === undefined) ready();
    else this.#store.prepare(ids, from, ready);
  }

  /**
   * Where an id stands of which nothing is kept (0 without history): its floor, which other ids may raise. Undefined
   * where something is kept: then who has all of it stands at its last message, and nothing moves that.
   */
  floor(id: string): number | undefined {
    const last = this.#store.last(id);
    return this.#store.first(id) > last ? last : undefined;
  }

  /**
   * The messages published to `ids` since. A cursor of another epoch, or with an offset that was never given or is no
   * longer followed by all that came after it, is answered with `recovered: false` and all that is left of that
   * id; so is any cursor for an id without history, as nobody knows what it missed.
   * @param ids valid, and each once; a cursor's offsets are in their order
   * @param messagesMax at most so many messages
   * @param bytesMax of payloads, but one message there is in any case, so that a client gets on
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

  /** Four times a second, so that messages leave at their age. @param nowMs a clock that never goes back, such as performance.now() */
  tick(nowMs: number): void {
    this.#store.tick(nowMs);
  }

  /** @returns the offset to go on behind */
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

/** An id with messages that are still to be given. */
interface Open {
  /** Of the id. */
  readonly index: number;
  readonly reader: HistoryReader;
}

/** Looks through all open ids for each message: most resumes have one, and few have a message in many. */
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
