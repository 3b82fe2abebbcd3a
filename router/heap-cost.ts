/**
 * Sizes of objects in V8's heap, bytes: upper bounds, so that a limit in bytes holds. From measurements and V8's
 * source, for 64-bit Node without pointer compression. test/router/logins-bytes.test.ts compares them with the heap.
 */

/** Header of an object: map, properties and elements. Each field takes 8 more. */
export function objectBytes(fields: number): number {
  return 24 + 8 * fields;
}

/**
 * A Map's table has 28 bytes for each place. It doubles when it is full, and halves when less than a quarter is in use.
 * So an entry takes at most four places.
 */
export const mapEntryBytes = 4 * 28;
/** The object and the header of its table. */
export const mapBytes = 72;

/** Like a Map's, with 20 bytes. */
export const setEntryBytes = 4 * 20;
export const setBytes = 72;

/** An array that grows by `push` gets half of its length and 16 more places. */
export function arrayBytes(length: number): number {
  return 32 + 16 + 8 * (length + (length >> 1) + 17);
}

const beyondLatin1 = /[^\0-\xff]/;

/** A separate string: one byte a character, or two if it has any beyond Latin-1. */
export function textBytes(text: string): number {
  const bytes = beyondLatin1.test(text) ? text.length * 2 : text.length;
  return 16 + ((bytes + 7) & ~7);
}
