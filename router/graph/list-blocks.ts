/**
 * Blocks of 1 to 256 words in chunks of 1 MiB, outside of V8's heap. A block is a number: its chunk and its place there.
 * Freed blocks wait for lists of their size. Lists that grow leave more and more small ones behind, so the owner of the
 * blocks then moves them all to new chunks, a few at a time, and each old chunk goes when it is empty.
 */

const chunkBits = 18;
const chunkWords = 2 ** chunkBits;
const wordMask = chunkWords - 1;

/** Words of a block, by class. */
const sizes = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256];

export const blockWordsMax = 256;

/** The class of the smallest block for so many words. */
const classes = new Uint8Array(blockWordsMax + 1);
for (let words = 1, found = 0; words <= blockWordsMax; words++) {
  if (words > sizes[found]!) found++;
  classes[words] = found;
}

/** Blocks are not moved while fewer words are free. */
const freeWordsMin = chunkWords;
/** Free words to used ones at which moving begins. */
const freeShare = 0.5;

/** 0 is no block. */
export type Block = number;

export class ListBlocks {
  readonly #chunks: (Uint32Array | undefined)[] = [];
  /** Used words of each chunk. */
  readonly #usedWords: number[] = [];
  /** Free places in the list of chunks. */
  readonly #gaps: number[] = [];
  /** The first free block of each class; its first word is the next one. */
  readonly #free = new Uint32Array(sizes.length);
  /** Chunks that are being emptied. */
  readonly #old = new Set<number>();
  #current = -1;
  /** The first word of the current chunk that was never used. */
  #fresh = 0;
  #used = 0;
  #freeWords = 0;

  get bytes(): number {
    return (this.#chunks.length - this.#gaps.length) * chunkWords * 4;
  }

  /** Words that a block for so many has: no other block is needed while their number stays in the class. */
  static roomFor(words: number): number {
    return sizes[classes[words]!]!;
  }

  /** The chunk of a block; its words begin at `offsetOf`. A view of the block alone would make edges a third slower to add. */
  wordsOf(block: Block): Uint32Array {
    return this.#chunks[block >>> chunkBits]!;
  }

  static offsetOf(block: Block): number {
    return block & wordMask;
  }

  take(words: number): Block {
    const found = classes[words]!;
    const size = sizes[found]!;
    this.#used += size;
    const freed = this.#free[found]!;
    if (freed !== 0) {
      this.#free[found] = this.wordsOf(freed)[freed & wordMask]!;
      this.#freeWords -= size;
      this.#usedWords[freed >>> chunkBits]! += size;
      return freed;
    }
    if (this.#current === -1 || this.#fresh + size > chunkWords) this.#openChunk();
    const block = this.#current * chunkWords + this.#fresh;
    this.#fresh += size;
    this.#usedWords[this.#current]! += size;
    return block;
  }

  /** @param words that it was taken for */
  give(block: Block, words: number): void {
    const found = classes[words]!;
    const size = sizes[found]!;
    const chunk = block >>> chunkBits;
    this.#used -= size;
    this.#usedWords[chunk]! -= size;
    if (this.#old.has(chunk)) {
      if (this.#usedWords[chunk] === 0) this.#drop(chunk);
      return;
    }
    this.wordsOf(block)[block & wordMask] = this.#free[found]!;
    this.#free[found] = block;
    this.#freeWords += size;
  }

  /** Whether so much is free that all blocks should move. */
  get scattered(): boolean {
    return this.#old.size === 0 && this.#freeWords > freeWordsMin && this.#freeWords > this.#used * freeShare;
  }

  /** From now on the owner calls `move` for each of its blocks. */
  beginMoving(): void {
    for (const [chunk, words] of this.#chunks.entries()) if (words !== undefined) this.#old.add(chunk);
    this.#free.fill(0);
    this.#freeWords = 0;
    this.#current = -1;
    for (const chunk of [...this.#old]) if (this.#usedWords[chunk] === 0) this.#drop(chunk);
  }

  /** @returns the block with the same words in a new chunk; the same block if it is in one */
  move(block: Block, words: number): Block {
    if (!this.#old.has(block >>> chunkBits)) return block;
    const moved = this.take(words);
    const from = block & wordMask;
    this.wordsOf(moved).set(this.wordsOf(block).subarray(from, from + words), moved & wordMask);
    this.give(block, words);
    return moved;
  }

  #openChunk(): void {
    const chunk = this.#gaps.pop() ?? this.#chunks.length;
    this.#chunks[chunk] = new Uint32Array(chunkWords);
    this.#usedWords[chunk] = 0;
    this.#current = chunk;
    this.#fresh = chunk === 0 ? 1 : 0; // 0 is no block
  }

  #drop(chunk: number): void {
    this.#old.delete(chunk);
    this.#chunks[chunk] = undefined;
    this.#gaps.push(chunk);
  }
}
