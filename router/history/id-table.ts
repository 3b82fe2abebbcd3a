import { type CellHandle, type Cells, cellDataBytes } from './cells.js';
import { idAt, ring, ruleUnit } from './layout.js';

const bucketsMin = 64;
/** Rings a bucket, on average. Each further ring in a chain is a cache miss; a bucket takes 4 bytes. */
const bucketsPerId = 2;

/**
 * Finds the ring of an id. The ring's own cells contain the id's text, so an id is no object in the heap.
 *
 * Linear hashing: with each id that is added or removed, two buckets are split or merged. So no table is ever rebuilt
 * at once (a Map of 1,000,000 ids stops the process for 100 ms when it grows).
 */
export class IdTable {
  readonly #cells: Cells;
  readonly #seed: number;
  /** The first ring of each bucket; from there on they are chained. */
  #buckets = new Uint32Array(bucketsMin);
  #size = bucketsMin;
  /** The smallest 2^k - 1 that covers all buckets. */
  #mask = bucketsMin - 1;
  count = 0;

  /** @param seed random, so that nobody can choose ids of one bucket */
  constructor(cells: Cells, seed: number) {
    this.#cells = cells;
    this.#seed = seed;
  }

  get bytes(): number {
    return this.#buckets.byteLength;
  }

  /** 31 bits: a small integer on every platform. */
  hashOf(id: string): number {
    let hash = this.#seed;
    for (let i = 0; i < id.length; i++) {
      hash = Math.imul(hash ^ id.charCodeAt(i), 0x5bd1e995);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash ^ id.length, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) & 0x7fffffff;
  }

  /** @returns 0 where there is none */
  find(id: string, hash: number): CellHandle {
    const cells = this.#cells;
    let found = this.#buckets[this.#bucketOf(hash)]!;
    while (found !== 0) {
      if (cells.word(found, ring.hash) === hash && this.#isOf(found, id)) return found;
      found = cells.word(found, ring.nextInBucket);
    }
    return 0;
  }

  ruleOf(found: CellHandle): number {
    return Math.floor(this.#cells.word(found, ring.ruleAndLength) / ruleUnit);
  }

  /** Cells of the ring of an id. */
  cellsOf(id: string): number {
    return Math.ceil((idAt + id.length * unitBytesOf(id)) / cellDataBytes);
  }

  /** @param taken cells, as many as `cellsOf`. This writes id, rule and table fields; the owner writes the others */
  add(taken: CellHandle, id: string, hash: number, rule: number): void {
    this.#cells.setWord(taken, ring.hash, hash);
    this.#writeId(taken, id, rule);
    this.#push(this.#bucketOf(hash), taken);
    this.count++;
    while (this.count * bucketsPerId > this.#size) this.#split();
  }

  /** Removes a ring. The owner frees its cells. */
  remove(removed: CellHandle): void {
    const cells = this.#cells;
    const after = cells.word(removed, ring.nextInBucket);
    const bucket = this.#bucketOf(cells.word(removed, ring.hash));
    let at = this.#buckets[bucket]!;
    if (at === removed) this.#buckets[bucket] = after;
    else {
      while (cells.word(at, ring.nextInBucket) !== removed) at = cells.word(at, ring.nextInBucket);
      cells.setWord(at, ring.nextInBucket, after);
    }
    this.count--;
    // Merged later than split, so that one id that comes and goes does not do both each time.
    while (this.count * 2 * bucketsPerId < this.#size && this.#size > bucketsMin) this.#merge();
  }

  #bucketOf(hash: number): number {
    const bucket = hash & this.#mask;
    return bucket < this.#size ? bucket : bucket & (this.#mask >>> 1);
  }

  #push(bucket: number, pushed: CellHandle): void {
    this.#cells.setWord(pushed, ring.nextInBucket, this.#buckets[bucket]!);
    this.#buckets[bucket] = pushed;
  }

  #split(): void {
    if (this.#size > this.#mask) this.#mask = this.#mask * 2 + 1;
    if (this.#size === this.#buckets.length) this.#resize(this.#size * 2);
    const source = this.#size & (this.#mask >>> 1);
    this.#size++;
    let moved = this.#buckets[source]!;
    this.#buckets[source] = 0;
    while (moved !== 0) {
      const next = this.#cells.word(moved, ring.nextInBucket);
      this.#push(this.#bucketOf(this.#cells.word(moved, ring.hash)), moved);
      moved = next;
    }
  }

  #merge(): void {
    this.#size--;
    const target = this.#size & (this.#mask >>> 1);
    if (this.#size === (this.#mask >>> 1) + 1) this.#mask >>>= 1;
    let moved = this.#buckets[this.#size]!;
    this.#buckets[this.#size] = 0;
    while (moved !== 0) {
      const next = this.#cells.word(moved, ring.nextInBucket);
      this.#push(target, moved);
      moved = next;
    }
    if (this.#size <= this.#buckets.length >>> 2) this.#resize(this.#buckets.length >>> 1);
  }

  #resize(length: number): void {
    const buckets = new Uint32Array(length);
    buckets.set(this.#buckets.subarray(0, Math.min(length, this.#size)));
    this.#buckets = buckets;
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
    const length = cells.word(first, ring.ruleAndLength) & (ruleUnit - 1);
    if (length >>> 1 !== id.length) return false;
    const wide = (length & 1) === 1;
    let cell = first;
    let at = idAt;
    for (let i = 0; i < id.length; i++, at += wide ? 2 : 1) {
      if (at === cellDataBytes) {
        cell = cells.next(cell);
        at = 0;
      }
      const unit = wide ? cells.byte(cell, at) | (cells.byte(cell, at + 1) << 8) : cells.byte(cell, at);
      if (unit !== id.charCodeAt(i)) return false;
    }
    return true;
  }
}

/** Units of UTF-16 take one byte each if all fit into one. */
function unitBytesOf(id: string): 1 | 2 {
  for (let i = 0; i < id.length; i++) if (id.charCodeAt(i) > 0xff) return 2;
  return 1;
}
