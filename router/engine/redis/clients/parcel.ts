import { insist } from '../calls.js';
import type { Shard } from '../shard.js';

/** More goes by way of keys in Redis: what is published waits in Redis for all of its receivers. */
const inlineBytesMax = 32 * 1024;
const ageMs = 60_000;
const inline = 0x69; // i
const kept = 0x6b; // k
const headBytes = 1 + 4;

/**
 * Chunks for another node, of any length together: few bytes go with the word, others are kept in Redis, one chunk after the
 * other.
 *
 *     i  length (4)  bytes            k  number of chunks (4)
 */
export async function pack(shard: Shard, key: string, chunks: Iterable<Buffer>): Promise<Buffer> {
  const put = (chunk: Buffer) => {
    const index = count++;
    return insist(() => shard.call('put', [key, index, ageMs, chunk]));
  };
  let first: Buffer | undefined;
  let count = 0;
  for (const chunk of chunks) {
    if (first === undefined && count === 0 && chunk.length <= inlineBytesMax) {
      first = chunk;
      continue;
    }
    if (first !== undefined) await put(first);
    first = undefined;
    await put(chunk);
  }
  if (count > 0) return headOf(kept, count);
  const bytes = first ?? Buffer.alloc(0);
  return Buffer.concat([headOf(inline, bytes.length), bytes]);
}

/** How many bytes of a word are the parcel. @throws RangeError for what no node has written */
export function parcelBytes(word: Buffer): number {
  return headBytes + (word[0] === inline ? word.readUInt32BE(1) : 0);
}

/** Chunk by chunk. @throws ShardError, RangeError where one is gone */
export async function* unpack(shard: Shard, key: string, word: Buffer): AsyncGenerator<Buffer> {
  const count = word.readUInt32BE(1);
  if (word[0] === inline) {
    if (count > 0) yield word.subarray(headBytes, headBytes + count);
    return;
  }
  const keys: string[] = [];
  // Key by key: the number may be anything in a word that no node has written, and the first key that is not there ends it.
  while (keys.length < count) {
    const next = `${shard.parts.library.name}:o:${key}:${keys.length}`;
    const chunk = await insist(() => shard.useReads((redis) => redis.getBuffer(next)));
    if (chunk === null) throw new RangeError('A part of it is gone.');
    keys.push(next);
    yield chunk;
  }
  await shard.use((redis) => redis.del(...keys)).catch(() => {});
}

function headOf(kind: number, value: number): Buffer {
  const head = Buffer.allocUnsafe(headBytes);
  head[0] = kind;
  head.writeUInt32BE(value, 1);
  return head;
}
