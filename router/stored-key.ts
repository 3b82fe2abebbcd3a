import { createHash } from 'node:crypto';

const textKeyBytes = 16;

/** A key of a fixed length for an id or a filter, which may have 65,535 bytes: no two have the same (2^-64 for 2^32). */
export function keyOfText(text: string): Buffer {
  return createHash('sha256').update(text).digest().subarray(0, textKeyBytes);
}
