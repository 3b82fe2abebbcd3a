/** Places in the table: a power of two. */
const places = 1 << 18;

/**
 * Pairs of a place and a user that was let in from there: one 1 MB table whose untouched pages take no memory. A pair has
 * one place in it, which another may take over. With 4 bytes that differ between pairs, one in 4 billion strangers is taken
 * for known; it gains the limit of a known one.
 */
export class KnownPairs {
  readonly #tags = new Uint32Array(places);

  /** @param key a hash that nobody can choose, in base64url */
  add(key: string): void {
    const { place, tag } = placeOf(key);
    this.#tags[place] = tag;
  }

  has(key: string): boolean {
    const { place, tag } = placeOf(key);
    return this.#tags[place] === tag;
  }

  delete(key: string): void {
    const { place, tag } = placeOf(key);
    if (this.#tags[place] === tag) this.#tags[place] = 0;
  }
}

function placeOf(key: string): { place: number; tag: number } {
  const bytes = Buffer.from(key, 'base64url');
  return { place: bytes.readUInt32LE(0) % places, tag: Math.max(1, bytes.readUInt32LE(4)) }; // 0 = nobody
}
