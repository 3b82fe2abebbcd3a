import { createHash } from 'node:crypto';

/**
 * Which of the Redis servers has an id: the first 32 bits of SHA-1 of its UTF-8, modulo their number.
 * router/engine/redis/functions/send.lua does the same.
 */
export function shardOf(id: string, count: number): number {
  if (count === 1) return 0;
  return createHash('sha1').update(id).digest().readUInt32BE(0) % count;
}
