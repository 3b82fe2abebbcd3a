/**
 * The chunks that cells are in: which have room, which are empty, and which one cells are taken from. Owns their
 * memory, and gives back to the system what is not needed.
 *
 *     current    cells are taken from it
 *     roomy      partly used
 *     spare      empty; what was not needed from one `release` to the next goes back
 *     (full)     in no list, until something of it is given back
 */

export const cellBits = 6;
export const chunkBits = 14;
/** 16,384 cells, 1.1 MiB: few enough chunks that their objects stay in the processor's cache, small enough to be given back. */
export const chunkCells = 1 << chunkBits;
export const cellInChunk = chunkCells - 1;

/** Of cells of 64 bytes: what is in them, seen in three ways, and the cell that follows each in its chain. */
export class Chunk {
  readonly bytes = new Uint8Array(chunkCells << cellBits);
  readonly words = new Uint32Array(this.bytes.buffer);
  readonly doubles = new Float64Array(this.bytes.buffer);
  readonly next = new Uint32Array(chunkCells);
  /** The first of the cells that were given back; they are chained. */
  free = 0;
  /** From here on no cell was ever taken, and no page of memory touched. */
  fresh = 0;
  used = 0;
  /** It is in the list of chunks that have room. */
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

  /** Nothing is used: what is taken next lies side by side again. */
  clear(): void {
    this.free = 0;
    this.fresh = this.first === 0 ? 1 : 0; // 0 is no cell
  }
}

const none = new Uint32Array(0);
const noDoubles = new Float64Array(0);

export class Chunks {
  readonly #all: (Chunk | undefined)[] = [];
  /** Of each chunk, so that a field is two dependent reads away, and not three. */
  readonly words: Uint32Array[] = [];
  readonly doubles: Float64Array[] = [];
  readonly next: Uint32Array[] = [];
  /** Places in `#all` that are empty. */
  readonly #gaps: number[] = [];
  readonly #roomy: Chunk[] = [];
  readonly #spare: Chunk[] = [];
  /** How few of them there were since the last `release`. */
  #spareLeast = 0;
  /** Where some were given back last, as those are in the processor's cache. */
  #current: Chunk | undefined = undefined;
  count = 0;

  of(cell: number): Chunk {
    return this.#all[cell >>> chunkBits]!;
  }

  /** One that is not full. One with room comes before an empty one, and that before a new one. */
  open(): Chunk {
    const current = this.#current;
    if (current !== undefined && !current.full) return current;
    const chunk = this.#roomy.pop() ?? this.#takeSpare() ?? this.#add();
    chunk.listed = false;
    this.#current = chunk;
    return chunk;
  }

  /** Some of its cells were given back. */
  gotRoom(chunk: Chunk): void {
    if (chunk.used === 0) this.#retire(chunk);
    else if (chunk !== this.#current) this.#makeCurrent(chunk);
  }

  /** Gives empty ones back to the system: as many as were not needed since the last call. */
  release(): void {
    for (; this.#spareLeast > 0; this.#spareLeast--) this.#drop(this.#spare.pop()!);
    this.#spareLeast = this.#spare.length;
  }

  /** No cell is used: not even the current one is needed. */
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

  /** Its memory goes with it, as nothing else refers to it. */
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
