import type { SeededRandom } from '../seeded-random.js';

/** WebSocket frames (RFC 6455, section 5) as a client writes them, right or wrong, and as it must get them. */

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface FrameShape {
  opcode: number;
  final?: boolean;
  /** The three bits that nobody has given a meaning. */
  reserved?: number;
  masked?: boolean;
  /** Bytes of the length field; default: as few as possible. */
  lengthBytes?: 1 | 2 | 8;
  /** The value of the length field, which may be wrong. */
  announced?: number | bigint;
}

const final = 0x80;
const masked = 0x80;

export function frame(random: SeededRandom, payload: Uint8Array, shape: FrameShape): Buffer {
  const announced = shape.announced ?? payload.length;
  const lengthBytes = shape.lengthBytes ?? shortest(announced);
  const isMasked = shape.masked ?? true;
  const headBytes = 2 + (lengthBytes === 1 ? 0 : lengthBytes);
  const bytes = Buffer.allocUnsafe(headBytes + (isMasked ? 4 : 0) + payload.length);
  bytes[0] = ((shape.final ?? true) ? final : 0) | ((shape.reserved ?? 0) << 4) | shape.opcode;
  writeLength(bytes, announced, lengthBytes);
  bytes[1]! |= isMasked ? masked : 0;
  if (!isMasked) {
    bytes.set(payload, headBytes);
    return bytes;
  }
  const start = headBytes + 4;
  for (let i = headBytes; i < start; i++) bytes[i] = random.below(256);
  for (let i = 0; i < payload.length; i++) bytes[start + i] = payload[i]! ^ bytes[headBytes + (i & 3)]!;
  return bytes;
}

function shortest(length: number | bigint): 1 | 2 | 8 {
  if (length < 126) return 1;
  return length <= 0xffff ? 2 : 8;
}

function writeLength(bytes: Buffer, length: number | bigint, lengthBytes: 1 | 2 | 8): void {
  if (lengthBytes === 1) {
    bytes[1] = Number(length) & 0x7f;
  } else if (lengthBytes === 2) {
    bytes[1] = 126;
    bytes.writeUInt16BE(Number(length) & 0xffff, 2);
  } else {
    bytes[1] = 127;
    bytes.writeBigUInt64BE(BigInt.asUintN(64, BigInt(length)), 2);
  }
}

export type OnFrame = (opcode: number, payload: Buffer) => void;

/** Parses frames of a server strictly: complete messages, unmasked, in the shortest form. Throws otherwise. */
export class ServerFrames {
  #rest: Buffer | undefined;

  /** @param bytes valid during the call; so are the payloads handed on */
  push(bytes: Buffer, onFrame: OnFrame): void {
    const all = this.#rest === undefined ? bytes : Buffer.concat([this.#rest, bytes]);
    let at = 0;
    for (;;) {
      const start = payloadStart(all, at);
      if (start === undefined || start + payloadLength > all.length) break;
      onFrame(all[at]! & 0x0f, all.subarray(start, start + payloadLength));
      at = start + payloadLength;
    }
    this.#rest = at === all.length ? undefined : Buffer.from(all.subarray(at));
  }
}

const served: ReadonlySet<number> = new Set([opcodes.binary, opcodes.close, opcodes.ping, opcodes.pong]);

/** Result of the last `payloadStart`. */
let payloadLength = 0;

function payloadStart(bytes: Buffer, at: number): number | undefined {
  if (bytes.length < at + 2) return undefined;
  const first = bytes[at]!;
  const second = bytes[at + 1]!;
  if ((first & 0xf0) !== final || !served.has(first & 0x0f) || (second & masked) !== 0)
    throw new Error(`no frame a server sends here: ${bytes.toString('hex', at, at + 16)}`);
  payloadLength = second;
  if (second === 126) {
    if (bytes.length < at + 4) return undefined;
    payloadLength = bytes.readUInt16BE(at + 2);
    return at + 4;
  }
  if (second === 127) {
    if (bytes.length < at + 10) return undefined;
    payloadLength = Number(bytes.readBigUInt64BE(at + 2));
    return at + 10;
  }
  return at + 2;
}
