/**
 * Remembers an upper bound of the last offset of each forgotten id, in 2 MB for any number of ids. A forgotten id
 * begins again above its bound, so that no offset is used twice. A cursor below the bound is answered `recovered:
 * false`. Other ids may raise the bound, which gives a false alarm, never a silent loss.
 *
 * Each id has four places in one table (a Bloom filter of numbers). Its bound is the least of them, so only ids at all
 * four places raise it. With 1,000 forgotten ids, the bound of another id is raised with a probability of 5e-8 (with
 * one place 4e-3); with 10,000, of 4e-4.
 */
export class ForgottenOffsets {
  /** Zero pages until they are written. Offsets exceed 2^32. */
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

/** Double hashing: the second hash is odd, so the four places differ. */
function placeOf(hash: number, probe: number): number {
  const step = Math.imul(hash, 0x85ebca6b) >>> 13;
  return (hash + probe * (step | 1)) & (2 ** 18 - 1);
}
