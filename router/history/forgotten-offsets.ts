/**
 * Remembers, of ids that were forgotten, an upper bound of the last offset that each of them was given, in
 * 2 MB for any number of ids. An id begins again above it, so that no offset is used twice; and a cursor below it is
 * told that something was lost. Where other ids have raised it, that is a false alarm, never silence.
 *
 * Each id has four places in one table (a Bloom filter of numbers): what it was given is at most the least of them,
 * and only others at all four raise that. While 1,000 ids are forgotten, a given one of the others is raised with a
 * probability of 5e-8 (with one place 4e-3); while 10,000 are, of 4e-4.
 */
export class ForgottenOffsets {
  /** As zero pages until they are written to. Offsets pass 2^32. */
  readonly #floors = new Float64Array(2 ** 18);

  /** @param hash of the id, 31 bits */
  get(hash: number): number {
    let least = Number.POSITIVE_INFINITY;
    for (let probe = 0; probe < 4; probe++) least = Math.min(least, this.#floors[placeOf(hash, probe)]!);
    return least;
  }

  raise(hash: number, offset: number): void {
    for (let probe = 0; probe < 4; probe++) {
      const place = placeOf(hash, probe);
      if (this.#floors[place]! < offset) this.#floors[place] = offset;
    }
  }
}

/** Double hashing: the second hash is odd, and so the four are four. */
function placeOf(hash: number, probe: number): number {
  const step = Math.imul(hash, 0x85ebca6b) >>> 13;
  return (hash + probe * (step | 1)) & (2 ** 18 - 1);
}
