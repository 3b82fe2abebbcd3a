import type { SeededRandom } from '../seeded-random.js';
import { frame, opcodes } from './frames.js';

/** Ways to cut the bytes of packets into WebSocket frames, and frames into writes to the socket. All of them are allowed. */

type Cut = (random: SeededRandom, bytes: Buffer) => Buffer[];

/** Where a frame may end: never, after each byte, at places that have nothing to do with packets. */
const cuts: Cut[] = [
  (_random, bytes) => [bytes],
  (_random, bytes) => [bytes],
  (random, bytes) => pieces(random, bytes, 2),
  (random, bytes) => pieces(random, bytes, 2 + random.below(8)),
  (random, bytes) =>
    bytes.length > 300 ? pieces(random, bytes, 20) : Array.from(bytes, (byte) => Buffer.of(byte)),
];

export function inFrames(random: SeededRandom, packets: readonly Buffer[]): Buffer[] {
  const parts = random.chance(0.2) ? packets : random.pick(cuts)(random, Buffer.concat(packets));
  const frames: Buffer[] = [];
  for (const part of parts) {
    if (random.chance(0.03)) frames.push(frame(random, Buffer.alloc(0), { opcode: opcodes.binary }));
    if (random.chance(0.15)) frames.push(...fragments(random, part));
    else frames.push(frame(random, part, { opcode: opcodes.binary }));
  }
  return frames;
}

/** One message in several frames, control frames between them, some without a byte. */
function fragments(random: SeededRandom, message: Buffer): Buffer[] {
  const parts = pieces(random, message, 2 + random.below(4));
  return parts.flatMap((part, index) => {
    const shape = {
      opcode: index === 0 ? opcodes.binary : opcodes.continuation,
      final: index === parts.length - 1,
    };
    const one = frame(random, part, shape);
    return random.chance(0.2) ? [interjection(random), one] : [one];
  });
}

/** A pong is for nobody, and needs no answer that the caller would have to count. */
function interjection(random: SeededRandom): Buffer {
  return frame(random, randomBytes(random, random.below(126)), { opcode: opcodes.pong });
}

/** Frames, put together and cut into what goes to the socket at once. */
export function inWrites(random: SeededRandom, frames: readonly Buffer[]): Buffer[] {
  const bytes = frames.length === 1 ? frames[0]! : Buffer.concat(frames);
  if (!random.chance(0.12)) return [bytes];
  return pieces(random, bytes, 2 + random.below(3));
}

/** Pieces of any size, none included: the cuts may fall on each other. */
export function pieces(random: SeededRandom, bytes: Buffer, count: number): Buffer[] {
  const at = Array.from({ length: count - 1 }, () => random.below(bytes.length + 1)).sort((a, b) => a - b);
  return [0, ...at].map((start, index) => bytes.subarray(start, at[index] ?? bytes.length));
}

export function randomBytes(random: SeededRandom, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) bytes[i] = random.below(256);
  return bytes;
}
