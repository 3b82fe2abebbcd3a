import type { Config } from '../config.js';
import type { Closing } from './closing.js';

/** The first allocation for an incomplete packet; it doubles as bytes come, so that a length announced costs nothing. */
const firstPartialBytes = 64;

/** `pause`: the packet is handled, and the next ones wait. `wait`: it is not, and is handed on again. */
export type Verdict = Closing | 'pause' | 'wait' | undefined;

export type OnPacket = (typeAndFlags: number, bytes: Buffer, start: number, end: number) => Verdict;

/**
 * Packets out of WebSocket frames. The two are not aligned in either direction [MQTT-6.0.0-2]: a packet may come
 * a byte a frame, or ten in one. What is incomplete is kept, and only while it is:
 *
 *     frame   [PUBLISH……][PINGREQ][SUBSC          and the next one   RIBE……]
 *              handed on, in place  kept by slot ───────────────────^ completed
 */
export class Framing {
  readonly #packetBytesMax: number;
  /** All incomplete packets together: past it the one that grows is cut, so that many slow senders are no way in. */
  readonly #partialBytesMax: number;
  readonly #partials = new Map<number, Partial>();
  #partialBytes = 0;
  #paused = false;
  #waiting: Buffer | undefined;

  constructor(config: Pick<Config, 'mqttMaxPacketSize' | 'mqttPartialPacketsTotalMax'>) {
    this.#packetBytesMax = config.mqttMaxPacketSize;
    this.#partialBytesMax = config.mqttPartialPacketsTotalMax;
  }

  /** Connections with an incomplete packet, now. */
  get partials(): number {
    return this.#partials.size;
  }

  /** The length of the packet whose fixed header was read last. */
  get announcedBytes(): number {
    return bodyLength;
  }

  /** No packet of this connection has begun: what comes next is the first byte of one. */
  isFirst(slot: number): boolean {
    return !this.#partials.has(slot);
  }

  /** A packet that was to wait, and is no longer among the bytes that were fed: to be fed again before the rest of them. */
  takeWaiting(): Buffer | undefined {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    return waiting;
  }

  /**
   * Hands on each packet that is complete. Stops at the first reason to close, and where a packet pauses it.
   * @param bytes valid during the call
   * @returns how many of them are done with, or a reason to close
   */
  feed(slot: number, bytes: Buffer, onPacket: OnPacket): number | Closing {
    let at = 0;
    this.#paused = false;
    if (this.#partials.size > 0) {
      const partial = this.#partials.get(slot);
      if (partial !== undefined) {
        const taken = this.#complete(slot, partial, bytes, onPacket);
        if (typeof taken !== 'number' || this.#paused) return taken;
        at = taken;
      }
    }
    while (at < bytes.length) {
      const body = bodyOf(bytes, at, bytes.length);
      if (body === 'malformed-packet') return body;
      if (body !== undefined && bodyLength > this.#packetBytesMax) return 'packet-too-large';
      const end = body === undefined ? Number.POSITIVE_INFINITY : body + bodyLength;
      if (end > bytes.length) return this.#keep(slot, new Partial(), bytes, at);
      const verdict = onPacket(bytes[at]!, bytes, body!, end);
      if (verdict === 'wait') return at;
      at = end;
      if (verdict === 'pause') return at;
      if (verdict !== undefined) return verdict;
    }
    return at;
  }

  /** Forgets what a connection that is gone has begun. */
  release(slot: number): void {
    const partial = this.#partials.get(slot);
    if (partial === undefined) return;
    this.#partialBytes -= partial.size;
    this.#partials.delete(slot);
  }

  /** @returns how many of the new bytes the incomplete packet has taken, or a reason to close */
  #complete(slot: number, partial: Partial, bytes: Buffer, onPacket: OnPacket): number | Closing {
    let at = 0;
    // Byte by byte until the length is known: that is at most five.
    while (at < bytes.length && partial.bodyStart === 0) {
      partial.push(bytes, at, ++at);
      const body = bodyOf(partial.bytes, 0, partial.length);
      if (body === 'malformed-packet') return body;
      if (body === undefined) continue;
      if (bodyLength > this.#packetBytesMax) return 'packet-too-large';
      partial.bodyStart = body;
      partial.end = body + bodyLength;
    }
    if (partial.bodyStart === 0) return this.#account(partial) ?? at;
    const wanted = Math.min(partial.end - partial.length, bytes.length - at);
    partial.push(bytes, at, at + wanted);
    if (partial.length < partial.end) return this.#account(partial) ?? at + wanted;
    this.release(slot);
    const verdict = onPacket(partial.bytes[0]!, partial.bytes, partial.bodyStart, partial.end);
    if (verdict !== undefined && verdict !== 'pause' && verdict !== 'wait') return verdict;
    this.#paused = verdict !== undefined;
    if (verdict === 'wait') this.#waiting = partial.bytes.subarray(0, partial.end);
    return at + wanted;
  }

  #keep(slot: number, partial: Partial, bytes: Buffer, from: number): number | Closing {
    this.#partials.set(slot, partial);
    const taken = this.#complete(slot, partial, bytes.subarray(from), neverComplete);
    return typeof taken === 'number' ? bytes.length : taken;
  }

  #account(partial: Partial): Closing | undefined {
    this.#partialBytes += partial.bytes.length - partial.size;
    partial.size = partial.bytes.length;
    return this.#partialBytes > this.#partialBytesMax ? 'partial-packets-total' : undefined;
  }
}

/** A packet that has begun. */
class Partial {
  bytes: Buffer = Buffer.allocUnsafeSlow(firstPartialBytes);
  length = 0;
  /** 0 until the fixed header is complete. */
  bodyStart = 0;
  end = 0;
  /** Of `bytes`, as accounted. */
  size = 0;

  push(from: Buffer, start: number, end: number): void {
    const needed = this.length + end - start;
    if (needed > this.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
      this.bytes.copy(grown, 0, 0, this.length);
      this.bytes = grown;
    }
    from.copy(this.bytes, this.length, start, end);
    this.length = needed;
  }
}

/** The remaining length that `bodyOf` has read last. Two results without an object. */
let bodyLength = 0;

/** @returns where the body of the packet at `at` starts; undefined when its fixed header is not all there yet */
function bodyOf(bytes: Buffer, at: number, end: number): number | 'malformed-packet' | undefined {
  let length = 0;
  for (let i = 0; i < 4; i++) {
    if (at + 1 + i >= end) return undefined;
    const byte = bytes[at + 1 + i]!;
    length += (byte & 0x7f) * 128 ** i;
    if (byte < 0x80) {
      bodyLength = length;
      return at + 2 + i;
    }
  }
  return 'malformed-packet'; // a length of more than four bytes
}

function neverComplete(): undefined {
  return undefined;
}
