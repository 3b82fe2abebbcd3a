import { HashBuckets } from '../hash-buckets.js';
import { idHash, isWide } from '../id-text.js';
import { type CellHandle, type Cells, cellDataBytes } from './cells.js';
import { idAt, ring, ruleUnit } from './layout.js';

const bucketsPerId = 2;

/** Finds the ring of an id. The ring's own cells contain the id's text, so an id is no object in the heap. */
export class IdTable {
  readonly #cells: Cells;
  readonly #seed: number;
  /** The rings, as entries. */
  readonly #buckets: HashBuckets;

  /** @param seed random, so that nobody can choose ids of one bucket */
  constructor(cells: Cells, seed: number) {
    this.#cells = cells;
    this.#seed = seed;
    const fields = {
      hashOf: (entry: CellHandle) => cells.word(entry, ring.hash),
      nextOf: (entry: CellHandle) => cells.word(entry, ring.nextInBucket),
      setNext: (entry: CellHandle, next: CellHandle) => cells.setWord(entry, ring.nextInBucket, next),
    };
    this.#buckets = new HashBuckets(fields, bucketsPerId);
  }

  get count(): number {
    return this.#buckets.count;
  }

  get bytes(): number {
    return this.#buckets.bytes;
  }

  hashOf(id: string): number {
    return idHash(id, this.#seed);
  }

  /** @returns 0 where there is none */
  find(id: string, hash: number): CellHandle {
    const cells = this.#cells;
    let found = this.#buckets.first(hash);
    while (found !== 0) {
      if (cells.word(found, ring.hash) === hash && this.#isOf(found, id)) return found;
      found = cells.word(found, ring.nextInBucket);
    }
    return 0;
  }

  ruleOf(found: CellHandle): number {
    return Math.floor(this.#cells.word(found, ring.ruleAndLength) / ruleUnit);
  }

  setRule(found: CellHandle, rule: number): void {
    this.#cells.setWord(found, ring.ruleAndLength, rule * ruleUnit + this.#lengthOf(found));
  }

  /** The id of a ring. */
  idOf(found: CellHandle): string {
    const cells = this.#cells;
    const length = this.#lengthOf(found);
    const wide = (length & 1) === 1;
    let id = '';
    let cell = found;
    let at = idAt;
    for (let i = 0; i < length >>> 1; i++, at += wide ? 2 : 1) {
      if (at === cellDataBytes) {
        cell = cells.next(cell);
        at = 0;
      }
      id += String.fromCharCode(this.#unitAt(cell, at, wide));
    }
    return id;
  }

  /** Cells of the ring of an id. */
  cellsOf(id: string): number {
    return Math.ceil((idAt + id.length * unitBytesOf(id)) / cellDataBytes);
  }

  /** @param taken cells, as many as `cellsOf`. This writes id, rule and table fields; the owner writes the others */
  add(taken: CellHandle, id: string, hash: number, rule: number): void {
    this.#cells.setWord(taken, ring.hash, hash);
    this.#writeId(taken, id, rule);
    this.#buckets.add(taken);
  }

  /** Removes a ring. The owner frees its cells. */
  remove(removed: CellHandle): void {
    this.#buckets.remove(removed);
  }

  #writeId(first: CellHandle, id: string, rule: number): void {
    const cells = this.#cells;
    const unitBytes = unitBytesOf(id);
    cells.setWord(first, ring.ruleAndLength, rule * ruleUnit + id.length * 2 + unitBytes - 1);
    let cell = first;
    let at = idAt;
    for (let i = 0; i < id.length; i++, at += unitBytes) {
      if (at === cellDataBytes) {
        cell = cells.next(cell);
        at = 0;
      }
      const unit = id.charCodeAt(i);
      cells.setByte(cell, at, unit & 0xff);
      if (unitBytes === 2) cells.setByte(cell, at + 1, unit >> 8);
    }
  }

  #isOf(first: CellHandle, id: string): boolean {
    const cells = this.#cells;
    const length = this.#lengthOf(first);
    if (length >>> 1 !== id.length) return false;
    const wide = (length & 1) === 1;
    let cell = first;
    let at = idAt;
    for (let i = 0; i < id.length; i++, at += wide ? 2 : 1) {
      if (at === cellDataBytes) {
        cell = cells.next(cell);
        at = 0;
      }
      if (this.#unitAt(cell, at, wide) !== id.charCodeAt(i)) return false;
    }
    return true;
  }

  /** Twice the number of UTF-16 units of the id of a ring, and 1 more if they take two bytes each. */
  #lengthOf(found: CellHandle): number {
    return this.#cells.word(found, ring.ruleAndLength) & (ruleUnit - 1);
  }

  #unitAt(cell: CellHandle, at: number, wide: boolean): number {
    const low = this.#cells.byte(cell, at);
    return wide ? low | (this.#cells.byte(cell, at + 1) << 8) : low;
  }
}

function unitBytesOf(id: string): 1 | 2 {
  return isWide(id) ? 2 : 1;
}
