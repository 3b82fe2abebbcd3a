import { randomInt } from 'node:crypto';
import { HashBuckets } from '../hash-buckets.js';
import { idHash } from '../id-text.js';
import { grownFor } from './columns.js';
import { IdTexts } from './id-texts.js';

const bucketsPerId = 1;

/**
 * Gives each id of the graph a number from 1, and finds the one by the other. An id takes 16 bytes and its own text,
 * outside of V8's heap. Numbers of removed ids are used again.
 */
export class IdNumbers {
  readonly #texts = new IdTexts();
  /** Seeded at random, so that nobody can choose ids of one bucket. */
  readonly #seed = randomInt(2 ** 31);
  /** Columns by number. 0 in `#hashes` says nothing: `#places` counts from 1, and 0 is no id. */
  #places = new Uint32Array(64);
  #hashes = new Uint32Array(64);
  #next = new Uint32Array(64);
  /** The numbers, as entries. */
  readonly #buckets = new HashBuckets(
    {
      hashOf: (number) => this.#hashes[number]!,
      nextOf: (number) => this.#next[number]!,
      setNext: (number, next) => {
        this.#next[number] = next;
      },
    },
    bucketsPerId,
  );
  /** Numbers that are free, below `#end`. */
  #free: number[] = [];
  #end = 1;

  /** Ids, now. */
  get count(): number {
    return this.#buckets.count;
  }

  get bytes(): number {
    const freeBytes = 8 * this.#free.length; // V8 keeps small integers of an array in 8 bytes each
    return this.#texts.bytes + this.#places.byteLength * 3 + this.#buckets.bytes + freeBytes;
  }

  /** Every number is smaller. */
  get end(): number {
    return this.#end;
  }

  /** @returns 0 if the id has no number */
  numberOf(id: string): number {
    const hash = idHash(id, this.#seed);
    let found = this.#buckets.first(hash);
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

  /** `idOf` of each, in a third less time. */
  idsOf(numbers: readonly number[]): string[] {
    return this.#texts.textsAt(numbers.map((number) => this.#places[number]! - 1));
  }

  /** The caller has checked that it has none. @returns its number */
  add(id: string): number {
    const number = this.#free.pop() ?? this.#end;
    this.#set(number, id);
    return number;
  }

  /** Adds an id with the number that it had before. `settle` follows the last one. @returns false if the number is taken */
  restore(number: number, id: string): boolean {
    if (this.has(number)) return false;
    this.#set(number, id);
    return true;
  }

  /** All ids have been restored: numbers that no id has are free. */
  settle(): void {
    this.#free = [];
    for (let number = this.#end - 1; number > 0; number--)
      if (this.#places[number] === 0) this.#free.push(number);
  }

  remove(number: number): void {
    const id = this.idOf(number);
    this.#buckets.remove(number);
    this.#texts.remove(this.#places[number]! - 1, id);
    this.#places[number] = 0;
    this.#free.push(number);
  }

  #set(number: number, id: string): void {
    this.#places = grownFor(this.#places, number);
    this.#hashes = grownFor(this.#hashes, number);
    this.#next = grownFor(this.#next, number);
    if (number >= this.#end) this.#end = number + 1;
    this.#places[number] = this.#texts.add(id) + 1;
    this.#hashes[number] = idHash(id, this.#seed);
    this.#buckets.add(number);
  }
}
