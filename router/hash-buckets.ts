const sizeMin = 64;

/** Access to the two fields that the owner of the entries keeps for each: its hash, and the next entry of its bucket. */
export interface EntryFields {
  hashOf(entry: number): number;
  nextOf(entry: number): number;
  setNext(entry: number, next: number): void;
}

/**
 * The buckets of a hash table. An entry is a number from 1; the entries of a bucket are chained, and 0 ends the chain.
 *
 * Linear hashing: each entry that is added or removed splits or merges one or two buckets. So no table is ever rebuilt at
 * once (a Map of 1,000,000 ids stops the process for 100 ms when it grows).
 */
export class HashBuckets {
  readonly #fields: EntryFields;
  readonly #bucketsPerEntry: number;
  /** The first entry of each bucket. */
  #firsts = new Uint32Array(sizeMin);
  #size = sizeMin;
  /** The smallest 2^k - 1 that covers all buckets. */
  #mask = sizeMin - 1;
  #count = 0;

  /** @param bucketsPerEntry the average: each further entry in a chain is a cache miss, and a bucket takes 4 bytes */
  constructor(fields: EntryFields, bucketsPerEntry: number) {
    this.#fields = fields;
    this.#bucketsPerEntry = bucketsPerEntry;
  }

  /** Entries, now. */
  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#firsts.byteLength;
  }

  /** @returns the first entry of the bucket of this hash, or 0 */
  first(hash: number): number {
    return this.#firsts[this.#bucketOf(hash)]!;
  }

  /** @param added its hash can be read already */
  add(added: number): void {
    this.#push(this.#bucketOf(this.#fields.hashOf(added)), added);
    this.#count++;
    while (this.#count * this.#bucketsPerEntry > this.#size) this.#split();
  }

  /** @param removed an entry that was added */
  remove(removed: number): void {
    const fields = this.#fields;
    const after = fields.nextOf(removed);
    const bucket = this.#bucketOf(fields.hashOf(removed));
    let at = this.#firsts[bucket]!;
    if (at === removed) this.#firsts[bucket] = after;
    else {
      while (fields.nextOf(at) !== removed) at = fields.nextOf(at);
      fields.setNext(at, after);
    }
    this.#count--;
    // Merged later than split, so that one entry that comes and goes does not do both each time.
    while (this.#count * 2 * this.#bucketsPerEntry < this.#size && this.#size > sizeMin) this.#merge();
  }

  #bucketOf(hash: number): number {
    const bucket = hash & this.#mask;
    return bucket < this.#size ? bucket : bucket & (this.#mask >>> 1);
  }

  #push(bucket: number, pushed: number): void {
    this.#fields.setNext(pushed, this.#firsts[bucket]!);
    this.#firsts[bucket] = pushed;
  }

  #split(): void {
    if (this.#size > this.#mask) this.#mask = this.#mask * 2 + 1;
    if (this.#size === this.#firsts.length) this.#resize(this.#size * 2);
    const source = this.#size & (this.#mask >>> 1);
    this.#size++;
    this.#spread(source);
  }

  #merge(): void {
    this.#size--;
    if (this.#size === (this.#mask >>> 1) + 1) this.#mask >>>= 1;
    this.#spread(this.#size);
    if (this.#size <= this.#firsts.length >>> 2) this.#resize(this.#firsts.length >>> 1);
  }

  /** Empties a bucket: each of its entries goes where its hash belongs by now. */
  #spread(bucket: number): void {
    let moved = this.#firsts[bucket]!;
    this.#firsts[bucket] = 0;
    while (moved !== 0) {
      const next = this.#fields.nextOf(moved);
      this.#push(this.#bucketOf(this.#fields.hashOf(moved)), moved);
      moved = next;
    }
  }

  #resize(length: number): void {
    const firsts = new Uint32Array(length);
    firsts.set(this.#firsts.subarray(0, Math.min(length, this.#size)));
    this.#firsts = firsts;
  }
}
