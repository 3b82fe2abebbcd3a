import { type Chunk, Chunks, cellBits, cellInChunk, chunkBits, chunkCells } from './chunks.js';

/**
 * Memory of history, outside of V8's heap: cells of 64 bytes in chunks, chained where 64 are not enough. The garbage
 * collector neither walks nor moves them. Freed cells are used again first, so the process is as large as the count of
 * cells says.
 *
 *     chunk   [cell][cell][cell][cell]…     next   [2][3][0][0]…     cells 1, 2, 3 are one chain
 *
 * A chain is freed in one piece and taken again in that order, so its cells are mostly adjacent and copied together.
 */

/** A cell by its number in all chunks; 0 = none. */
export type CellHandle = number;

export const cellDataBytes = 64;
/** Bytes of a cell: its data, and its place in `next`. */
export const cellBytes = cellDataBytes + 4;

/** Lengths from which a call costs less than the loop: without a view, and with one. */
const bulkBytesMin = 32;
const viewBytesMin = 96;

export class Cells {
  readonly #chunks = new Chunks();
  readonly #words = this.#chunks.words;
  readonly #doubles = this.#chunks.doubles;
  readonly #next = this.#chunks.next;
  used = 0;
  /** Last cell of the last taken chain: a second result without an object. */
  lastTaken: CellHandle = 0;

  /** Bytes of the chunks, used or not. */
  get reservedBytes(): number {
    return this.#chunks.count * chunkCells * cellBytes;
  }

  /** A chain of so many cells, with their old content. */
  take(count: number): CellHandle {
    let chunk = this.#chunks.open();
    const first = takeOne(chunk);
    let last = first;
    for (let left = count - 1; left > 0; left--) {
      const { next } = chunk;
      if (chunk.full) chunk = this.#chunks.open();
      const cell = takeOne(chunk);
      next[last & cellInChunk] = cell;
      last = cell;
    }
    this.used += count;
    this.lastTaken = last;
    return first;
  }

  /** Frees the first `most` cells of a chain. @returns the rest; 0 = nothing */
  give(first: CellHandle, most = Number.POSITIVE_INFINITY): CellHandle {
    let start = first;
    for (let left = most; start !== 0 && left > 0; ) {
      const chunk = this.#chunks.of(start);
      let last = start;
      let count = 1;
      let next = chunk.next[last & cellInChunk]!;
      while (count < left && next !== 0 && next >>> chunkBits === start >>> chunkBits) {
        last = next;
        count++;
        next = chunk.next[last & cellInChunk]!;
      }
      chunk.next[last & cellInChunk] = chunk.free;
      chunk.free = start;
      chunk.used -= count;
      this.used -= count;
      this.#chunks.gotRoom(chunk);
      left -= count;
      start = next;
    }
    return start;
  }

  /** Returns memory to the system that was not needed since the last call. */
  release(): void {
    this.#chunks.release();
    if (this.used === 0) this.#chunks.releaseCurrent();
  }

  next(cell: CellHandle): CellHandle {
    return this.#next[cell >>> chunkBits]![cell & cellInChunk]!;
  }

  /** The cell so many places later in a chain. */
  skip(cell: CellHandle, count: number): CellHandle {
    let at = cell;
    for (let left = count; left > 0; left--) at = this.next(at);
    return at;
  }

  /** Makes one chain of two. @param last the last cell of the first one */
  join(last: CellHandle, second: CellHandle): void {
    this.#next[last >>> chunkBits]![last & cellInChunk] = second;
  }

  /** A field of 4 bytes, the `at`-th of the cell. */
  word(cell: CellHandle, at: number): number {
    return this.#words[cell >>> chunkBits]![((cell & cellInChunk) << (cellBits - 2)) + at]!;
  }

  setWord(cell: CellHandle, at: number, value: number): void {
    this.#words[cell >>> chunkBits]![((cell & cellInChunk) << (cellBits - 2)) + at] = value;
  }

  /** A field of 8 bytes, the `at`-th of the cell. */
  double(cell: CellHandle, at: number): number {
    return this.#doubles[cell >>> chunkBits]![((cell & cellInChunk) << (cellBits - 3)) + at]!;
  }

  setDouble(cell: CellHandle, at: number, value: number): void {
    this.#doubles[cell >>> chunkBits]![((cell & cellInChunk) << (cellBits - 3)) + at] = value;
  }

  byte(cell: CellHandle, at: number): number {
    return this.#chunks.of(cell).bytes[((cell & cellInChunk) << cellBits) + at]!;
  }

  setByte(cell: CellHandle, at: number, value: number): void {
    this.#chunks.of(cell).bytes[((cell & cellInChunk) << cellBits) + at] = value;
  }

  /** Copies `bytes` into a chain, from the byte `at` of its first cell on. */
  write(first: CellHandle, at: number, bytes: Uint8Array): void {
    let cell = first;
    let from = at;
    for (let done = 0; done < bytes.length; from = 0) {
      const { bytes: target } = this.#chunks.of(cell);
      const start = ((cell & cellInChunk) << cellBits) + from;
      const count = this.#runBytes(cell, from, bytes.length - done);
      copy(bytes, done, target, start, count);
      done += count;
      cell = this.#afterRun;
    }
  }

  /** Copies `bytes` from a chain. */
  read(first: CellHandle, at: number, bytes: Uint8Array): void {
    let cell = first;
    let from = at;
    for (let done = 0; done < bytes.length; from = 0) {
      const { bytes: source } = this.#chunks.of(cell);
      const start = ((cell & cellInChunk) << cellBits) + from;
      const count = this.#runBytes(cell, from, bytes.length - done);
      copy(source, start, bytes, done, count);
      done += count;
      cell = this.#afterRun;
    }
  }

  /** The cell after the last measured run: a second result without an object. */
  #afterRun: CellHandle = 0;

  /** Number of adjacent bytes from byte `from` of a cell on, at most `wanted`. */
  #runBytes(cell: CellHandle, from: number, wanted: number): number {
    const next = this.#next[cell >>> chunkBits]!;
    let last = cell;
    let bytes = cellDataBytes - from;
    let after = next[last & cellInChunk]!;
    while (bytes < wanted && after === last + 1 && (after & cellInChunk) !== 0) {
      last = after;
      bytes += cellDataBytes;
      after = next[last & cellInChunk]!;
    }
    this.#afterRun = after;
    return Math.min(bytes, wanted);
  }
}

/** A cell of a chunk that is not full. */
function takeOne(chunk: Chunk): CellHandle {
  chunk.used++;
  const cell = chunk.free;
  if (cell === 0) {
    const place = chunk.fresh++;
    chunk.next[place] = 0;
    return chunk.first + place;
  }
  chunk.free = chunk.next[cell & cellInChunk]!;
  chunk.next[cell & cellInChunk] = 0;
  return cell;
}

function copy(source: Uint8Array, from: number, target: Uint8Array, at: number, count: number): void {
  if (count === source.length && count >= bulkBytesMin) {
    target.set(source, at);
  } else if (count >= viewBytesMin) {
    target.set(new Uint8Array(source.buffer, source.byteOffset + from, count), at);
  } else {
    for (let i = 0; i < count; i++) target[at + i] = source[from + i]!;
  }
}
