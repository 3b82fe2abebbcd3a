import type { Message } from '../message.js';
import type { CellHandle, Cells } from './cells.js';
import { cellsOf, entry, extrasShift, payloadAt, ring } from './layout.js';

/**
 * The entries of each ring: one chain of cells, from the oldest to the newest. Owns the ring's fields about entries.
 */
export class EntryChain {
  readonly #cells: Cells;
  /** Of all rings. */
  count = 0;

  constructor(cells: Cells) {
    this.#cells = cells;
  }

  /** A ring begins without entries. */
  begin(owner: CellHandle): void {
    this.#cells.setWord(owner, ring.oldest, 0);
    this.#cells.setWord(owner, ring.newest, 0);
    this.#cells.setWord(owner, ring.count, 0);
  }

  /** @param content extras and payload @param cellCount `cellsOf` that */
  add(
    owner: CellHandle,
    cellCount: number,
    { payload, timeMs, qos, retain }: Message,
    content: Uint8Array,
    sequence: number,
    stamp: number,
  ): void {
    const cells = this.#cells;
    const added = cells.take(cellCount);
    const { lastTaken } = cells;
    const newest = cells.word(owner, ring.newest);
    cells.setDouble(added, entry.sequence, sequence);
    cells.setDouble(added, entry.timeMs, timeMs);
    cells.setWord(added, entry.stamp, stamp);
    cells.setWord(added, entry.length, content.length);
    cells.setWord(added, entry.older, newest);
    const extrasBytes = content.length - payload.length;
    cells.setWord(added, entry.flags, qos | (retain ? 4 : 0) | (extrasBytes << extrasShift));
    cells.write(added, payloadAt, content);
    if (newest === 0) {
      cells.setWord(owner, ring.oldest, added);
      cells.setWord(owner, ring.oldestStamp, stamp);
    } else {
      cells.join(cells.word(owner, ring.lastCell), added);
    }
    cells.setWord(owner, ring.newest, added);
    cells.setWord(owner, ring.lastCell, lastTaken);
    cells.setWord(owner, ring.count, cells.word(owner, ring.count) + 1);
    this.count++;
  }

  dropOldest(owner: CellHandle): void {
    const cells = this.#cells;
    const dropped = cells.word(owner, ring.oldest);
    const newer = cells.give(dropped, cellsOf(cells.word(dropped, entry.length)));
    cells.setWord(owner, ring.oldest, newer);
    if (newer === 0) cells.setWord(owner, ring.newest, 0);
    cells.setWord(owner, ring.count, cells.word(owner, ring.count) - 1);
    this.count--;
  }

  /** Frees all entries, before the ring is freed. @returns their number */
  dropAll(owner: CellHandle): number {
    const count = this.#cells.word(owner, ring.count);
    this.#cells.give(this.#cells.word(owner, ring.oldest));
    this.count -= count;
    return count;
  }

  /** The entry after the oldest `skipped`, found from the nearer end. @param count entries of the ring */
  at(owner: CellHandle, skipped: number, count: number): CellHandle {
    const fromOldest = skipped < count / 2;
    let at = this.#cells.word(owner, fromOldest ? ring.oldest : ring.newest);
    const steps = fromOldest ? skipped : count - 1 - skipped;
    for (let i = 0; i < steps; i++) at = fromOldest ? this.#newerThan(at) : this.#cells.word(at, entry.older);
    return at;
  }

  #newerThan(at: CellHandle): CellHandle {
    return this.#cells.skip(at, cellsOf(this.#cells.word(at, entry.length)));
  }
}
