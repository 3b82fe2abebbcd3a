/**
 * The chunks of cells: those with room, the empty ones, and the one that cells are taken from. Owns their memory, and
 * returns unneeded memory to the system.
 *
 *     current    cells are taken from it
 *     roomy      partly used
 *     spare      empty; chunks that were not needed between two `release` go back to the system
 *     (full)     in no list, until a cell of it is freed
 */

export const cellBits = 6;
export const chunkBits = 14;
/** 16,384 cells, 1.1 MiB: so few chunks that their objects stay in the CPU's cache, and small enough to be returned. */
export const chunkCells = 1 << chunkBits;
export const cellInChunk = chunkCells - 1;

/** Cells of 64 bytes: their content in three views, and the next cell of each. */
export class Chunk {
  readonly bytes = new Uint8Array(chunkCells << cellBits);
  readonly words = new Uint32Array(this.bytes.buffer);
  readonly doubles = new Float64Array(this.bytes.buffer);
  readonly next = new Uint32Array(chunkCells);
  /** The first freed cell; freed cells are chained. */
  free = 0;
  /** From here on no cell was ever used, and no page was touched. */
  fresh = 0;
  used = 0;
  /** Whether it is in the list of chunks with room. */
  listed = false;

  /** The number of its first cell. */
  readonly first: number;

  constructor(first: number) {
    this.first = first;
    this.clear();
  }

  get full(): boolean {
    return this.free === 0 && this.fresh === chunkCells;
  }

  /** No cell is used: new cells are adjacent again. */
  clear(): void {
    this.free = 0;
    this.fresh = this.first === 0 ? 1 : 0; // 0 is no cell
  }
}

const none = new Uint32Array(0);
const noDoubles = new Float64Array(0);

export class Chunks {
  readonly #all: (Chunk | undefined)[] = [];
  /** Arrays of all chunks, so that a field takes two dependent reads, not three. */
  readonly words: Uint32Array[] = [];
  readonly doubles: Float64Array[] = [];
  readonly next: Uint32Array[] = [];
  /** Free indexes of `#all`. */
  readonly #gaps: number[] = [];
  readonly #roomy: Chunk[] = [];
  readonly #spare: Chunk[] = [];
  /** Lowest number of spare chunks since the last `release`. */
  #spareLeast = 0;
  /** Chunks with room, the last freed one first, because it is in the CPU's cache. */
  #current: Chunk | undefined = undefined;
  count = 0;

  of(cell: number): Chunk {
    return this.#all[cell >>> chunkBits]!;
  }

  /** A chunk that is not full: one with room, otherwise an empty one, otherwise a new one. */
  open(): Chunk {
    const current = this.#current;
    if (current !== undefined && !current.full) return current;
    const chunk = this.#roomy.pop() ?? this.#takeSpare() ?? this.#add();
    chunk.listed = false;
    this.#current = chunk;
    return chunk;
  }

  /** Some of its cells were freed. */
  gotRoom(chunk: Chunk): void {
    if (chunk.used === 0) this.#retire(chunk);
    else if (chunk !== this.#current) this.#makeCurrent(chunk);
  }

  /** Returns empty chunks to the system: as many as were not needed since the last call. */
  release(): void {
    for (; this.#spareLeast > 0; this.#spareLeast--) this.#drop(this.#spare.pop()!);
    this.#spareLeast = this.#spare.length;
  }

  /** No cell is used, so the current chunk is not needed either. */
  releaseCurrent(): void {
    if (this.#current === undefined) return;
    this.#drop(this.#current);
    this.#current = undefined;
  }

  #takeSpare(): Chunk | undefined {
    const chunk = this.#spare.pop();
    this.#spareLeast = Math.min(this.#spareLeast, this.#spare.length);
    return chunk;
  }

  #add(): Chunk {
    const place = this.#gaps.pop() ?? this.#all.length;
    const chunk = new Chunk(place << chunkBits);
    this.#all[place] = chunk;
    this.words[place] = chunk.words;
    this.doubles[place] = chunk.doubles;
    this.next[place] = chunk.next;
    this.count++;
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

  /** Its memory is freed, because nothing else refers to it. */
  #drop(chunk: Chunk): void {
    const place = chunk.first >>> chunkBits;
    this.#all[place] = undefined;
    this.words[place] = none;
    this.doubles[place] = noDoubles;
    this.next[place] = none;
    this.#gaps.push(place);
    this.count--;
  }
}
