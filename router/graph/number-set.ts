/**
 * A set of numbers from 1 to 2^32 - 1, for the long lists of the graph: open addressing in one typed array, 5 to 11 bytes
 * a number. Slots are in the order of the hash. So a walk can stop after any hash and go on behind it later, whatever was
 * added or removed meanwhile, and growing is one sequential copy (1,000,000 numbers: 5 ms).
 */

const slotsMin = 512;
const loadMax = 0.75;
/** Shrinks later than it has grown, so that a number that comes and goes does not copy each time. */
const loadMin = 0.2;

/** A different hash for each number (the finalizer of MurmurHash3, which is a bijection), 0 to 2^32 - 1. */
export function numberHash(number: number): number {
  let hash = Math.imul(number ^ (number >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

export class NumberSet {
  /** 0 is a free slot. Behind the last home slot is some room, so that no probe has to begin again at the front. */
  #slots: Uint32Array;
  /** Slots that a hash can lead to, a power of two. */
  #homes: number;
  #shift: number;
  size = 0;

  /** @param size numbers that it is to have room for */
  constructor(size: number) {
    let homes = slotsMin;
    while (homes * loadMax < size) homes *= 2;
    this.#homes = homes;
    this.#shift = shiftOf(homes);
    this.#slots = new Uint32Array(lengthOf(homes));
  }

  get bytes(): number {
    return this.#slots.byteLength;
  }

  has(number: number): boolean {
    const slots = this.#slots;
    let at = numberHash(number) >>> this.#shift;
    for (; slots[at] !== 0 && at < slots.length; at++) if (slots[at] === number) return true;
    return false;
  }

  /** The caller has checked that it is new. */
  add(number: number): void {
    if (this.size + 1 > this.#homes * loadMax) this.#resize(this.#homes * 2);
    this.size++;
    while (!this.#put(number)) this.#resize(this.#homes * 2);
  }

  /** The caller has checked that the number is there. */
  delete(number: number): void {
    const slots = this.#slots;
    let at = numberHash(number) >>> this.#shift;
    while (slots[at] !== number) at++;
    for (let next = at + 1; next < slots.length && slots[next] !== 0; next++) {
      if (numberHash(slots[next]!) >>> this.#shift > at) continue;
      slots[at] = slots[next]!;
      at = next;
    }
    slots[at] = 0;
    this.size--;
    if (this.#homes > slotsMin && this.size < this.#homes * loadMin) this.#resize(this.#homes / 2);
  }

  /**
   * Adds to `found` numbers whose hash is greater than `after`: all up to some hash, and `most` or a few more, where there
   * are so many.
   */
  collect(after: number, most: number, found: number[]): void {
    const slots = this.#slots;
    let at = after < 0 ? 0 : after >>> this.#shift;
    for (; at < slots.length; at++) {
      const number = slots[at]!;
      // Numbers behind a free slot have their homes behind it, too.
      if (number === 0) {
        if (found.length >= most) return;
      } else if (numberHash(number) > after) found.push(number);
    }
  }

  #put(number: number): boolean {
    const slots = this.#slots;
    let at = numberHash(number) >>> this.#shift;
    while (at < slots.length && slots[at] !== 0) at++;
    if (at === slots.length) return false;
    slots[at] = number;
    return true;
  }

  #resize(homes: number): void {
    const former = this.#slots;
    this.#homes = homes;
    this.#shift = shiftOf(homes);
    this.#slots = new Uint32Array(lengthOf(homes));
    for (let at = 0; at < former.length; at++) {
      const number = former[at]!;
      if (number === 0 || this.#put(number)) continue;
      this.#slots = former;
      return this.#resize(homes * 2);
    }
  }
}

function shiftOf(homes: number): number {
  return Math.clz32(homes) + 1;
}

function lengthOf(homes: number): number {
  return homes + Math.min(512, homes / 8);
}
