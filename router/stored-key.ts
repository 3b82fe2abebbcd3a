import { createHash } from 'node:crypto';

const textKeyBytes = 16;

/**
 * Makes a key of a fixed length from an id or a filter, which may have 65,535 bytes. No two of them have the same key: the
 * probability is 2^-64 among 2^32 texts.
 */
export function keyOfText(text: string): Buffer {
  return createHash('sha256').update(text).digest().subarray(0, textKeyBytes);
}
