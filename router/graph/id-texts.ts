import { isWide } from '../id-text.js';

const unitBits = 3;
const unitBytes = 2 ** unitBits;
const chunkBits = 20;
const chunkBytes = 2 ** chunkBits;
const byteMask = chunkBytes - 1;

const longMark = 0x80;
const wideMark = 0x01;
const shortMax = 0x7f;
const longHeadBytes = 4;

export type TextPlace = number;

/**
 * Keeps the texts of ids in chunks of 1 MiB, outside of V8's heap. A text is known by its place, in units of 8 bytes.
 *
 *     length (1), or 128 + width and length (3)     the text, one byte a character, or two where one does not do
 */
export class IdTexts {
  readonly #chunks: Buffer[] = [];
  /** Places of freed texts, by their units. */
  readonly #free: number[][] = [];
  /** The first byte that was never used. */
  #fresh = 0;

  get bytes(): number {
    return this.#chunks.length * chunkBytes;
  }

  add(id: string): TextPlace {
    const wide = isWide(id);
    const units = unitsOf(id, wide);
    const place = this.#free[units]?.pop() ?? this.#takeFresh(units);
    const chunk = this.#chunkOf(place);
    let at = (place * unitBytes) & byteMask;
    if (!wide && id.length <= shortMax) chunk[at++] = id.length;
    else {
      chunk[at] = longMark | (wide ? wideMark : 0);
      chunk.writeUIntLE(id.length, at + 1, longHeadBytes - 1);
      at += longHeadBytes;
    }
    chunk.write(id, at, wide ? 'utf16le' : 'latin1');
    return place;
  }

  /** @param id that is there */
  remove(place: TextPlace, id: string): void {
    const units = unitsOf(id, isWide(id));
    this.#free[units] ??= [];
    this.#free[units].push(place);
  }

  /** Each text is a cache miss, 0.1 us. The misses of a loop that only reads the first bytes overlap. */
  textsAt(places: readonly TextPlace[]): string[] {
    const heads = places.map((place) => this.#chunkOf(place)[(place * unitBytes) & byteMask]!);
    return places.map((place, n) => this.textAt(place, heads[n]!));
  }

  textAt(place: TextPlace, headThere?: number): string {
    const chunk = this.#chunkOf(place);
    const at = (place * unitBytes) & byteMask;
    const head = headThere ?? chunk[at]!;
    if (head <= shortMax) return chunk.toString('latin1', at + 1, at + 1 + head);
    const start = at + longHeadBytes;
    const length = chunk.readUIntLE(at + 1, longHeadBytes - 1);
    return (head & wideMark) === 0
      ? chunk.toString('latin1', start, start + length)
      : chunk.toString('utf16le', start, start + 2 * length);
  }

  isAt(place: TextPlace, id: string): boolean {
    const chunk = this.#chunkOf(place);
    const at = (place * unitBytes) & byteMask;
    const head = chunk[at]!;
    if (head > shortMax) return this.textAt(place) === id;
    if (head !== id.length) return false;
    for (let i = 0; i < head; i++) if (chunk[at + 1 + i] !== id.charCodeAt(i)) return false;
    return true;
  }

  #chunkOf(place: TextPlace): Buffer {
    return this.#chunks[Math.floor(place / (chunkBytes / unitBytes))]!;
  }

  #takeFresh(units: number): TextPlace {
    const bytes = units * unitBytes;
    if (this.#chunks.length * chunkBytes - this.#fresh < bytes) {
      this.#fresh = this.#chunks.length * chunkBytes;
      this.#chunks.push(Buffer.alloc(chunkBytes));
    }
    const place = this.#fresh / unitBytes;
    this.#fresh += bytes;
    return place;
  }
}

function unitsOf(id: string, wide: boolean): number {
  const bytes = !wide && id.length <= shortMax ? 1 + id.length : longHeadBytes + id.length * (wide ? 2 : 1);
  return Math.ceil(bytes / unitBytes);
}
