/**
 * Memory for what history keeps, outside of V8's heap: cells of 64 bytes in chunks, chained where 64 are not enough.
 * Owns the bytes, and knows which cells are free. Collecting garbage neither walks nor moves any of it, and what is
 * given back is used again first, so that the process is as large as the count of cells says.
 *
 *     chunk   [cell][cell][cell][cell]…     next   [2][3][0][0]…     cells 1, 2, 3 are one chain
 *
 * A chain is given back in one piece and taken again in that order, so that its cells mostly lie side by side and
 * are copied as one.
 */

/** A cell by its number in all chunks; 0 = none. */
export type CellHandle = number;

export const cellDataBytes = 64;
/** What a cell takes: its data, and its place in `next`. */
export const cellBytes = cellDataBytes + 4;

const cellBits = 6;
const chunkBits = 12;
/** 4,096 cells, 272 KiB: large enough to be rare, small enough to be given back soon. */
const chunkCells = 1 << chunkBits;
const cellInChunk = chunkCells - 1;
/** From here on a call costs less than the loop; and where it needs a view, from there on. */
const bulkBytesMin = 32;
const viewBytesMin = 96;

class Chunk {
  readonly bytes = new Uint8Array(chunkCells << cellBits);
  readonly words = new Uint32Array(this.bytes.buffer);
  readonly doubles = new Float64Array(this.bytes.buffer);
  readonly next = new Uint32Array(chunkCells);
  /** The first of the cells that were given back; they are chained. */
  free: CellHandle = 0;
  /** From here on no cell was ever taken, and no page of memory touched. */
  fresh = 0;
  used = 0;
  /** It is in the list of chunks that have room. */
  listed = false;

  /** The number of its first cell. */
  readonly first: CellHandle;

  constructor(first: CellHandle) {
    this.first = first;
    this.clear();
  }

  get full(): boolean {
    return this.free === 0 && this.fresh === chunkCells;
  }

  /** Nothing is used: what is taken next lies side by side again. */
  clear(): void {
    this.free = 0;
    this.fresh = this.first === 0 ? 1 : 0; // 0 is no cell
  }
}

export class Cells {
  readonly #chunks: (Chunk | undefined)[] = [];
  /** Places in `#chunks` that are empty. */
  readonly #gaps: number[] = [];
  /** Partly used, besides the current one. */
  readonly #roomy: Chunk[] = [];
  /** Not used, and how few of them there were since the last `release`. */
  readonly #spare: Chunk[] = [];
  #spareLeast = 0;
  /** Where cells are taken from: where some were given back last, as those are in the processor's cache. */
  #current: Chunk | undefined = undefined;
  #chunkCount = 0;
  used = 0;
  /** The last cell of the chain that was taken last: a second result without an object. */
  lastTaken: CellHandle = 0;

  /** What the chunks take, used or not. */
  get reservedBytes(): number {
    return this.#chunkCount * chunkCells * cellBytes;
  }

  /** A chain of so many cells; what is in them is what was there before. */
  take(count: number): CellHandle {
    const first = this.#takeOne();
    let last = first;
    for (let left = count - 1; left > 0; left--) {
      const cell = this.#takeOne();
      this.#chunkOf(last).next[last & cellInChunk] = cell;
      last = cell;
    }
    this.lastTaken = last;
    return first;
  }

  /** Gives back the first `most` cells of a chain. @returns the rest of it, 0 = nothing is left */
  give(first: CellHandle, most = Number.POSITIVE_INFINITY): CellHandle {
    let start = first;
    for (let left = most; start !== 0 && left > 0; ) {
      const chunk = this.#chunkOf(start);
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
      this.#countOut(chunk, count);
      left -= count;
      start = next;
    }
    return start;
  }

  /** Gives unused memory back to the system: as much as has not been needed since the last call. */
  release(): void {
    for (; this.#spareLeast > 0; this.#spareLeast--) this.#drop(this.#spare.pop()!);
    this.#spareLeast = this.#spare.length;
    if (this.used > 0 || this.#current === undefined) return;
    this.#drop(this.#current);
    this.#current = undefined;
  }

  next(cell: CellHandle): CellHandle {
    return this.#chunkOf(cell).next[cell & cellInChunk]!;
  }

  /** The cell so many places behind one in its chain. */
  skip(cell: CellHandle, count: number): CellHandle {
    let at = cell;
    for (let left = count; left > 0; left--) at = this.next(at);
    return at;
  }

  /** Makes one chain of two. @param last the last cell of the first one */
  join(last: CellHandle, second: CellHandle): void {
    this.#chunkOf(last).next[last & cellInChunk] = second;
  }

  /** A field of 4 bytes, the `at`-th of the cell. */
  word(cell: CellHandle, at: number): number {
    return this.#chunkOf(cell).words[((cell & cellInChunk) << (cellBits - 2)) + at]!;
  }

  setWord(cell: CellHandle, at: number, value: number): void {
    this.#chunkOf(cell).words[((cell & cellInChunk) << (cellBits - 2)) + at] = value;
  }

  /** A field of 8 bytes, the `at`-th of the cell. */
  double(cell: CellHandle, at: number): number {
    return this.#chunkOf(cell).doubles[((cell & cellInChunk) << (cellBits - 3)) + at]!;
  }

  setDouble(cell: CellHandle, at: number, value: number): void {
    this.#chunkOf(cell).doubles[((cell & cellInChunk) << (cellBits - 3)) + at] = value;
  }

  byte(cell: CellHandle, at: number): number {
    return this.#chunkOf(cell).bytes[((cell & cellInChunk) << cellBits) + at]!;
  }

  setByte(cell: CellHandle, at: number, value: number): void {
    this.#chunkOf(cell).bytes[((cell & cellInChunk) << cellBits) + at] = value;
  }

  /** Copies `bytes` into a chain, from the byte `at` of its first cell on. */
  write(first: CellHandle, at: number, bytes: Uint8Array): void {
    let cell = first;
    let from = at;
    for (let done = 0; done < bytes.length; from = 0) {
      const { bytes: target } = this.#chunkOf(cell);
      const start = ((cell & cellInChunk) << cellBits) + from;
      const count = this.#runBytes(cell, from, bytes.length - done);
      copy(bytes, done, target, start, count);
      done += count;
      cell = this.#afterRun;
    }
  }

  /** Fills `bytes` out of a chain. */
  read(first: CellHandle, at: number, bytes: Uint8Array): void {
    let cell = first;
    let from = at;
    for (let done = 0; done < bytes.length; from = 0) {
      const { bytes: source } = this.#chunkOf(cell);
      const start = ((cell & cellInChunk) << cellBits) + from;
      const count = this.#runBytes(cell, from, bytes.length - done);
      copy(source, start, bytes, done, count);
      done += count;
      cell = this.#afterRun;
    }
  }

  /** The cell behind the run that was measured last: a second result without an object. */
  #afterRun: CellHandle = 0;

  /** How many bytes from the byte `from` of a cell on lie side by side, at most `wanted`. */
  #runBytes(cell: CellHandle, from: number, wanted: number): number {
    const { next } = this.#chunkOf(cell);
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

  #chunkOf(cell: CellHandle): Chunk {
    return this.#chunks[cell >>> chunkBits]!;
  }

  #countOut(chunk: Chunk, count: number): void {
    chunk.used -= count;
    this.used -= count;
    if (chunk.used === 0) this.#retire(chunk);
    else if (chunk !== this.#current) this.#makeCurrent(chunk);
  }

  #takeOne(): CellHandle {
    let chunk = this.#current;
    if (chunk === undefined || chunk.full) chunk = this.#openChunk();
    chunk.used++;
    this.used++;
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

  /** One with room before an unused one, and that before a new one. */
  #openChunk(): Chunk {
    const chunk = this.#roomy.pop() ?? this.#takeSpare() ?? this.#addChunk();
    chunk.listed = false;
    this.#current = chunk;
    return chunk;
  }

  #takeSpare(): Chunk | undefined {
    const chunk = this.#spare.pop();
    this.#spareLeast = Math.min(this.#spareLeast, this.#spare.length);
    return chunk;
  }

  #addChunk(): Chunk {
    const place = this.#gaps.pop() ?? this.#chunks.length;
    const chunk = new Chunk(place << chunkBits);
    this.#chunks[place] = chunk;
    this.#chunkCount++;
    return chunk;
  }

  #makeCurrent(chunk: Chunk): void {
    const last = this.#current;
    if (last?.used === 0) this.#spare.push(last);
    else if (last !== undefined && !last.full) {
      last.listed = true;
      this.#roomy.push(last);
    }
    this.#unlist(chunk);
    this.#current = chunk;
  }

  #unlist(chunk: Chunk): void {
    if (!chunk.listed) return;
    chunk.listed = false;
    const last = this.#roomy.pop()!;
    if (last !== chunk) this.#roomy[this.#roomy.indexOf(chunk)] = last;
  }

  #retire(chunk: Chunk): void {
    chunk.clear();
    if (chunk === this.#current) return;
    this.#unlist(chunk);
    this.#spare.push(chunk);
  }

  /** Its memory goes with it, as nothing else refers to it. */
  #drop(chunk: Chunk): void {
    this.#chunks[chunk.first >>> chunkBits] = undefined;
    this.#gaps.push(chunk.first >>> chunkBits);
    this.#chunkCount--;
  }
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
