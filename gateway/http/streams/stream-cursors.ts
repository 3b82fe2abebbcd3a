import { formatCursor } from '../../../router/history/cursor.js';
import type { History } from '../../../router/history/history.js';
import type { Message } from '../../../router/message.js';
import type { Connections } from '../../connections.js';
import type { Stream } from './stream.js';

/**
 * The last cursor of each stream, by slot. For one id it is the offset of its last message: 32 bits of it are in the
 * column that counts messages for the Comet page, so it takes no memory of its own. A stream of several ids has an
 * entry here, with an offset for each id.
 */
export class StreamCursors {
  readonly #bySlot = new Map<number, StreamCursor>();
  readonly #history: History;
  readonly #connections: Connections;

  constructor(history: History, connections: Connections) {
    this.#history = history;
    this.#connections = connections;
  }

  /** @param offsets of the ids, in order; the stream owns them from now on */
  begin({ slot, transport }: Stream, ids: readonly string[], offsets: number[]): void {
    if (ids.length > 1) this.#bySlot.set(slot, new StreamCursor(ids, offsets));
    else if (transport.checkpoint !== undefined && offsets[0]! > 0)
      this.#connections.told[slot] = offsets[0]!;
  }

  /** @returns the stream's cursor behind this message; undefined if it is the message's own, or there is none */
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
   * For a quiet stream without pending messages. Other ids may have raised the forgotten offset of its id, and its old
   * cursor would then be answered `recovered: false` for nothing. An id with kept messages keeps its cursor, because
   * dropped messages are still in history.
   * @returns the stream's cursor; undefined if it has not changed
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

  /** @returns whether the forgotten offset of any id is above the stream's cursor */
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
