import { formatCursor } from '../../router/history/cursor.js';
import type { History } from '../../router/history/history.js';
import type { Message } from '../../router/message.js';

/**
 * Where each stream of several ids stands, by slot: its cursor has an offset for each of them. A stream of one id has
 * no place here, as the message's own offset is all of its cursor.
 */
export class StreamCursors {
  readonly #bySlot = new Map<number, StreamCursor>();
  readonly #history: Pick<History, 'epoch'>;

  constructor(history: Pick<History, 'epoch'>) {
    this.#history = history;
  }

  /** @param offsets of the ids, in their order; they are the stream's own from here on */
  begin(slot: number, ids: readonly string[], offsets: number[]): void {
    if (ids.length > 1) this.#bySlot.set(slot, new StreamCursor(ids, offsets));
  }

  /** @returns the stream's cursor once it has this message; undefined where that is the message's own, or there is none */
  behind(slot: number, message: Message): string | undefined {
    if (this.#bySlot.size === 0 || message.offset === 0) return undefined;
    const cursor = this.#bySlot.get(slot);
    if (cursor === undefined) return undefined;
    cursor.pass(message);
    return formatCursor(this.#history.epoch, cursor.offsets);
  }

  release(slot: number): void {
    this.#bySlot.delete(slot);
  }
}

class StreamCursor {
  readonly offsets: number[];
  readonly #ids: readonly string[];

  constructor(ids: readonly string[], offsets: number[]) {
    this.#ids = ids;
    this.offsets = offsets;
  }

  pass({ id, offset }: Message): void {
    this.offsets[this.#ids.indexOf(id)] = offset;
  }
}
