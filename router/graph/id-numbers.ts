import { randomInt } from 'node:crypto';
import { grownFor } from './columns.js';
import { IdTexts } from './id-texts.js';

const bucketsMin = 64;
/** Ids of a chain, on average. */
const idsPerBucket = 1;

/**
 * A number from 1 for each id of the graph, in both directions: 16 bytes and the id's own text for each, outside of V8's
 * heap. Numbers of removed ids are used again.
 *
 * Linear hashing: each new id splits one bucket, so no table is ever rebuilt at once (a Map of 1,000,000 ids stops the
 * process for 100 ms when it grows).
 */
export class IdNumbers {
  readonly #texts = new IdTexts();
  /** Seeded at random, so that nobody can choose ids of one bucket. */
  readonly #seed = randomInt(2 ** 31);
  /** Columns by number. 0 in `#hashes` says nothing: `#places` counts from 1, and 0 is no id. */
  #places = new Uint32Array(64);
  #hashes = new Uint32Array(64);
  #next = new Uint32Array(64);
  /** The first number of each bucket; from there on they are chained. */
  #buckets = new Uint32Array(bucketsMin);
  #size = bucketsMin;
  /** The smallest 2^k - 1 that covers all buckets. */
  #mask = bucketsMin - 1;
  /** Numbers that are free, below `#end`. */
  #free: number[] = [];
  #end = 1;
  count = 0;

  get bytes(): number {
    return (
      this.#texts.bytes + this.#places.byteLength * 3 + this.#buckets.byteLength + 8 * this.#free.length // as V8 keeps small integers in an array
    );
  }

  /** Every number is smaller. */
  get end(): number {
    return this.#end;
  }

  /** @returns 0 if the id has no number */
  numberOf(id: string): number {
    const hash = this.#hashOf(id);
    let found = this.#buckets[this.#bucketOf(hash)]!;
    while (found !== 0) {
      if (this.#hashes[found] === hash && this.#texts.isAt(this.#places[found]! - 1, id)) return found;
      found = this.#next[found]!;
    }
    return 0;
  }

  has(number: number): boolean {
    return number < this.#end && this.#places[number] !== 0;
  }

  idOf(number: number): string {
    return this.#texts.textAt(this.#places[number]! - 1);
  }

  /** The caller has checked that it has none. @returns its number */
  add(id: string): number {
    const number = this.#free.pop() ?? this.#end;
    this.#set(number, id);
    return number;
  }

  /** An id with the number that it had before; such ids first, then `settle`. @returns false if the number is taken */
  restore(number: number, id: string): boolean {
    if (this.has(number)) return false;
    this.#set(number, id);
    return true;
  }

  /** All ids have been restored: numbers that none of them has are free. */
  settle(): void {
    this.#free = [];
    for (let number = this.#end - 1; number > 0; number--)
      if (this.#places[number] === 0) this.#free.push(number);
  }

  remove(number: number): void {
    const id = this.idOf(number);
    const bucket = this.#bucketOf(this.#hashes[number]!);
    const after = this.#next[number]!;
    let at = this.#buckets[bucket]!;
    if (at === number) this.#buckets[bucket] = after;
    else {
      while (this.#next[at] !== number) at = this.#next[at]!;
      this.#next[at] = after;
    }
    this.#texts.remove(this.#places[number]! - 1, id);
    this.#places[number] = 0;
    this.#free.push(number);
    this.count--;
  }

  #set(number: number, id: string): void {
    this.#places = grownFor(this.#places, number);
    this.#hashes = grownFor(this.#hashes, number);
    this.#next = grownFor(this.#next, number);
    if (number >= this.#end) this.#end = number + 1;
    const hash = this.#hashOf(id);
    this.#places[number] = this.#texts.add(id) + 1;
    this.#hashes[number] = hash;
    this.#push(this.#bucketOf(hash), number);
    this.count++;
    while (this.count > this.#size * idsPerBucket) this.#split();
  }

  #bucketOf(hash: number): number {
    const bucket = hash & this.#mask;
    return bucket < this.#size ? bucket : bucket & (this.#mask >>> 1);
  }

  #push(bucket: number, number: number): void {
    this.#next[number] = this.#buckets[bucket]!;
    this.#buckets[bucket] = number;
  }

  #split(): void {
    if (this.#size > this.#mask) this.#mask = this.#mask * 2 + 1;
    this.#buckets = grownFor(this.#buckets, this.#size);
    const source = this.#size & (this.#mask >>> 1);
    this.#size++;
    let moved = this.#buckets[source]!;
    this.#buckets[source] = 0;
    while (moved !== 0) {
      const next = this.#next[moved]!;
      this.#push(this.#bucketOf(this.#hashes[moved]!), moved);
      moved = next;
    }
  }

  #hashOf(id: string): number {
    let hash = this.#seed;
    for (let i = 0; i < id.length; i++) {
      hash = Math.imul(hash ^ id.charCodeAt(i), 0x5bd1e995);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash ^ id.length, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) & 0x7fffffff;
  }
}
