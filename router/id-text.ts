/**
 * A hash of an id, of 31 bits: a small integer on every platform.
 * @param seed a random number, so that nobody can choose ids that have one hash
 */
export function idHash(id: string, seed: number): number {
  let hash = seed;
  for (let i = 0; i < id.length; i++) {
    hash = Math.imul(hash ^ id.charCodeAt(i), 0x5bd1e995);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash ^ id.length, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) & 0x7fffffff;
}

/** Whether a unit of UTF-16 of the id does not fit into one byte: then each takes two. */
export function isWide(id: string): boolean {
  for (let i = 0; i < id.length; i++) if (id.charCodeAt(i) > 0xff) return true;
  return false;
}
