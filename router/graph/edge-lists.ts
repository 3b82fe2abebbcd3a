import { grownFor } from './columns.js';
import { type Block, blockWordsMax, ListBlocks } from './list-blocks.js';
import { NumberSet, numberHash } from './number-set.js';

/** A long list goes back into a block only at this size. */
const listedAgain = blockWordsMax / 2;
/** Stands for the block of a number whose list is a set. */
const inSet = 0xffffffff;
/** So many lists are moved with each change, while blocks are being moved. */
const movedPerChange = 8;

/**
 * Keeps a list of numbers for each number: one direction of the edges of the graph. A list of up to 256 numbers is a block,
 * in no order; a longer one is a set. A list takes 8 bytes, and 4 to 5 for each number in it.
 */
export class EdgeLists {
  #blocks = new Uint32Array(64);
  #counts = new Uint32Array(64);
  readonly #memory = new ListBlocks();
  readonly #sets = new Map<number, NumberSet>();
  #setBytes = 0;
  /** The next number whose block is to be moved; 0 = no blocks are being moved. */
  #moving = 0;

  get bytes(): number {
    return this.#blocks.byteLength + this.#counts.byteLength + this.#memory.bytes + this.#setBytes;
  }

  count(number: number): number {
    return this.#counts[number] ?? 0;
  }

  has(number: number, other: number): boolean {
    if (number >= this.#blocks.length) return false;
    const block = this.#blocks[number]!;
    if (block === inSet) return this.#sets.get(number)!.has(other);
    return this.#indexIn(block, this.#counts[number]!, other) !== -1;
  }

  /** The caller has checked that it is new. */
  add(number: number, other: number): void {
    this.#growFor(number);
    const count = this.#counts[number]!;
    this.#counts[number] = count + 1;
    if (this.#blocks[number] === inSet) this.#addToSet(number, other);
    else if (count < blockWordsMax) this.#addToBlock(number, count, other);
    else this.#becomeSet(number, other);
    this.tidy(movedPerChange);
  }

  /** The caller has checked that it is there. */
  remove(number: number, other: number): void {
    const count = this.#counts[number]!;
    this.#counts[number] = count - 1;
    if (this.#blocks[number] === inSet) this.#removeFromSet(number, other);
    else this.#removeFromBlock(number, count, other);
    this.tidy(movedPerChange);
  }

  /** Sets the whole list of a number that has none. */
  fill(number: number, others: Uint32Array): void {
    const { length } = others;
    if (length === 0) return;
    this.#growFor(number);
    this.#counts[number] = length;
    if (length <= blockWordsMax) return this.#keepInBlock(number, others);
    const set = new NumberSet(length);
    for (const other of others) set.add(other);
    this.#keepInSet(number, set);
  }

  /**
   * Reads part of a list, in the order of `numberHash`. A number that is in the list from the first to the last part is in
   * exactly one part.
   * @param after the hash of the last number of the part before; -1 at the beginning
   * @param most numbers
   */
  part(number: number, after: number, most: number): number[] {
    const found: number[] = [];
    const block = this.#blocks[number] ?? 0;
    if (block === inSet) this.#sets.get(number)!.collect(after, most, found);
    else {
      const words = block === 0 ? undefined : this.#memory.wordsOf(block);
      const start = ListBlocks.offsetOf(block);
      const count = this.count(number);
      for (let at = start; at < start + count; at++)
        if (numberHash(words![at]!) > after) found.push(words![at]!);
      if (after === -1 && found.length < most) return found;
    }
    found.sort((one, other) => numberHash(one) - numberHash(other));
    if (found.length > most) found.length = most;
    return found;
  }

  /** Calls `each` with all numbers of a list, which must not be changed meanwhile. */
  forEach(number: number, each: (other: number) => void): void {
    const block = this.#blocks[number] ?? 0;
    if (block === 0) return;
    if (block === inSet) return allOf(this.#sets.get(number)!).forEach(each);
    const words = this.#memory.wordsOf(block);
    const start = ListBlocks.offsetOf(block);
    const end = start + this.#counts[number]!;
    for (let at = start; at < end; at++) each(words[at]!);
  }

  /** Moves the blocks of some lists, where blocks are being moved, or begins to where too much of their memory is free. */
  tidy(lists: number): void {
    if (this.#moving === 0) {
      if (!this.#memory.scattered) return;
      this.#memory.beginMoving();
      this.#moving = 1;
    }
    const end = Math.min(this.#moving + lists, this.#blocks.length);
    for (let number = this.#moving; number < end; number++) {
      const block = this.#blocks[number]!;
      if (block !== 0 && block !== inSet)
        this.#blocks[number] = this.#memory.move(block, this.#counts[number]!);
    }
    this.#moving = end === this.#blocks.length ? 0 : end;
  }

  #addToBlock(number: number, count: number, other: number): void {
    let block = this.#blocks[number]!;
    if (count === 0) block = this.#memory.take(1);
    else if (count === ListBlocks.roomFor(count)) block = this.#resized(block, count, count + 1);
    this.#memory.wordsOf(block)[ListBlocks.offsetOf(block) + count] = other;
    this.#blocks[number] = block;
  }

  #removeFromBlock(number: number, count: number, other: number): void {
    let block = this.#blocks[number]!;
    const words = this.#memory.wordsOf(block);
    const start = ListBlocks.offsetOf(block);
    words[start + this.#indexIn(block, count, other)] = words[start + count - 1]!;
    if (count === 1) {
      this.#memory.give(block, 1);
      block = 0;
    } else if (ListBlocks.roomFor(count - 1) !== ListBlocks.roomFor(count)) {
      block = this.#resized(block, count, count - 1);
    }
    this.#blocks[number] = block;
  }

  #resized(block: Block, words: number, wordsWanted: number): Block {
    const resized = this.#memory.take(wordsWanted);
    const from = ListBlocks.offsetOf(block);
    const kept = this.#memory.wordsOf(block).subarray(from, from + Math.min(words, wordsWanted));
    this.#memory.wordsOf(resized).set(kept, ListBlocks.offsetOf(resized));
    this.#memory.give(block, words);
    return resized;
  }

  #addToSet(number: number, other: number): void {
    const set = this.#sets.get(number)!;
    this.#setBytes -= set.bytes;
    set.add(other);
    this.#setBytes += set.bytes;
  }

  #becomeSet(number: number, other: number): void {
    const block = this.#blocks[number]!;
    const words = this.#memory.wordsOf(block);
    const start = ListBlocks.offsetOf(block);
    const set = new NumberSet(blockWordsMax + 1);
    for (let at = start; at < start + blockWordsMax; at++) set.add(words[at]!);
    set.add(other);
    this.#memory.give(block, blockWordsMax);
    this.#keepInSet(number, set);
  }

  #removeFromSet(number: number, other: number): void {
    const set = this.#sets.get(number)!;
    this.#setBytes -= set.bytes;
    set.delete(other);
    if (set.size > listedAgain) {
      this.#setBytes += set.bytes;
      return;
    }
    this.#sets.delete(number);
    this.#keepInBlock(number, allOf(set));
  }

  #growFor(number: number): void {
    this.#blocks = grownFor(this.#blocks, number);
    this.#counts = grownFor(this.#counts, number);
  }

  /** @param others one to `blockWordsMax` numbers */
  #keepInBlock(number: number, others: ArrayLike<number>): void {
    const block = this.#memory.take(others.length);
    this.#memory.wordsOf(block).set(others, ListBlocks.offsetOf(block));
    this.#blocks[number] = block;
  }

  #keepInSet(number: number, set: NumberSet): void {
    this.#blocks[number] = inSet;
    this.#sets.set(number, set);
    this.#setBytes += set.bytes;
  }

  #indexIn(block: Block, count: number, other: number): number {
    if (block === 0) return -1;
    const words = this.#memory.wordsOf(block);
    const start = ListBlocks.offsetOf(block);
    for (let at = start; at < start + count; at++) if (words[at] === other) return at - start;
    return -1;
  }
}

function allOf(set: NumberSet): number[] {
  const all: number[] = [];
  set.collect(-1, Number.POSITIVE_INFINITY, all);
  return all;
}
