/**
 * Sizes of objects in V8's heap, bytes: upper bounds, so that a limit in bytes holds. Measured and read in V8's source
 * for 64-bit Node, which has no pointer compression; test/router/logins-bytes.test.ts holds them against the heap.
 */

/** Map, properties and elements; and 8 for each field. */
export function objectBytes(fields: number): number {
  return 24 + 8 * fields;
}

/**
 * A Map's table has 28 bytes for each of its places. It doubles when it is full, and halves when less than a quarter is
 * in use: so an entry has at most four of them.
 */
export const mapEntryBytes = 4 * 28;
/** The object and the head of its table. */
export const mapBytes = 72;

/** As a Map's, of 20. */
export const setEntryBytes = 4 * 20;
export const setBytes = 72;

/** An array that grows by `push` gets half of its length and 16 places on top. */
export function arrayBytes(length: number): number {
  return 32 + 16 + 8 * (length + (length >> 1) + 17);
}

const beyondLatin1 = /[^\0-\xff]/;

/** A string of its own: one byte a character, or two where it has any beyond Latin-1. */
export function textBytes(text: string): number {
  const bytes = beyondLatin1.test(text) ? text.length * 2 : text.length;
  return 16 + ((bytes + 7) & ~7);
}
