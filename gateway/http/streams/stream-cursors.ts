import { formatCursor } from '../../../router/history/cursor.js';
import type { History } from '../../../router/history/history.js';
import type { Message } from '../../../router/message.js';
import type { Connections } from '../../connections.js';
import type { Stream } from './stream.js';

/**
 * The cursor that each stream was told last, by slot. Of one id that is the offset of its last message: 32
 * bits of it are in the column that counts messages for the Comet page, so that a stream takes no more for it. A
 * stream of several ids has a place here, as its cursor has an offset for each.
 */
export class StreamCursors {
  readonly #bySlot = new Map<number, StreamCursor>();
  readonly #history: History;
  readonly #connections: Connections;

  constructor(history: History, connections: Connections) {
    this.#history = history;
    this.#connections = connections;
  }

  /** @param offsets of the ids, in their order; they are the stream's own from here on */
  begin({ slot, transport }: Stream, ids: readonly string[], offsets: number[]): void {
    if (ids.length > 1) this.#bySlot.set(slot, new StreamCursor(ids, offsets));
    else if (transport.checkpoint !== undefined && offsets[0]! > 0)
      this.#connections.told[slot] = offsets[0]!;
  }

  /** @returns the stream's cursor once it has this message; undefined where that is the message's own, or there is none */
  behind({ slot, transport }: Stream, message: Message): string | undefined {
    const { offset } = message;
    if (offset === 0) return undefined;
    const cursor = this.#bySlot.size === 0 ? undefined : this.#bySlot.get(slot);
    if (cursor === undefined) {
      if (transport.checkpoint !== undefined) this.#connections.told[slot] = offset;
      return undefined;
    }
    cursor.pass(message);
    return formatCursor(this.#history.epoch, cursor.offsets);
  }

  /**
   * For a stream to which all was written that there is for it, and which may have stood still for long: an id that is
   * forgotten stands where other ids have raised its floor, and an older cursor would be told `recovered: false` for
   * nothing. An id of which something is kept stays where the stream was told, as what was dropped can still be had.
   * @returns the stream's cursor; undefined where it is the one that it was told last
   */
  moved({ slot, logins, transport }: Stream): string | undefined {
    if (transport.checkpoint === undefined || logins === undefined) return undefined;
    const { epoch } = this.#history;
    const cursor = this.#bySlot.get(slot);
    if (cursor !== undefined)
      return cursor.raise(this.#history) ? formatCursor(epoch, cursor.offsets) : undefined;
    if (typeof logins !== 'string') return undefined;
    const floor = this.#history.floor(logins);
    const { told } = this.#connections;
    if (floor === undefined || told[slot] === floor >>> 0) return undefined;
    told[slot] = floor;
    return formatCursor(epoch, [floor]);
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

  /** @returns whether the floor of any id is higher than it was told */
  raise(history: History): boolean {
    let moved = false;
    for (const [index, id] of this.#ids.entries()) {
      const floor = history.floor(id);
      if (floor === undefined || floor <= this.offsets[index]!) continue;
      this.offsets[index] = floor;
      moved = true;
    }
    return moved;
  }
}
