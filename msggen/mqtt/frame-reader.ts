/**
 * Reads the bytes of the server: the answer to the upgrade, then WebSocket frames, and in them MQTT packets that need
 * not be aligned with frames. One reader serves all connections. An idle connection owns one byte here; a copy of
 * received bytes exists only while a frame or a packet is incomplete.
 */
import { whyNotUpgraded } from './upgrade.js';

const AT_HEAD = 0;
const OPEN = 1;
/** Reading has stopped until the connection is forgotten. */
const OVER = 2;

const HEAD_END = Buffer.from('\r\n\r\n');
const HEAD_LIMIT_BYTES = 16 * 1024;
const CARRY_LIMIT_BYTES = 16 * 1024 * 1024;

const CONTINUATION = 0;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** The bytes are only valid during the call. */
export interface ReaderEvents {
  /** The WebSocket is open. */
  upgraded(connection: number): void;
  /** The upgrade was refused; `reason` is short, such as `HTTP 404`. */
  refused(connection: number, reason: string): void;
  /** A complete packet: its first byte, and the bounds of its body (the part behind the remaining length). */
  packet(connection: number, head: number, bytes: Buffer, start: number, end: number): void;
  /** To be answered with a pong of the same payload. */
  pinged(connection: number, payload: Buffer): void;
  /** The server has closed the WebSocket, or broken its rules. */
  ended(connection: number, reason: string): void;
}

export class FrameReader {
  readonly #events: ReaderEvents;
  readonly #accept: string;
  readonly #states: Uint8Array;
  readonly #frames = new Map<number, Buffer>();
  readonly #packets = new Map<number, Buffer>();

  /** @param accept the answer that the server must give to the key of all connections */
  constructor(connections: number, accept: string, events: ReaderEvents) {
    this.#states = new Uint8Array(connections);
    this.#accept = accept;
    this.#events = events;
  }

  receive(connection: number, received: Buffer, receivedEnd: number): void {
    let bytes = received;
    let end = receivedEnd;
    const carry = this.#frames.size > 0 ? this.#frames.get(connection) : undefined;
    if (carry !== undefined) {
      this.#frames.delete(connection);
      bytes = Buffer.concat([carry, received.subarray(0, receivedEnd)]);
      end = bytes.length;
    }
    let at = 0;
    if (this.#states[connection] === AT_HEAD) at = this.#readHead(connection, bytes, end);
    if (this.#states[connection] === OPEN) at = this.#readFrames(connection, bytes, at, end);
    if (this.#states[connection] === OVER || at === end) return;
    if (end - at > CARRY_LIMIT_BYTES) this.#violated(connection, 'a frame over 16 MB');
    else this.#frames.set(connection, Buffer.from(bytes.subarray(at, end)));
  }

  /** Stops reading from a connection. */
  stop(connection: number): void {
    this.#states[connection] = OVER;
    this.#frames.delete(connection);
    this.#packets.delete(connection);
  }

  /** The socket is gone; the connection may open again. */
  forget(connection: number): void {
    this.stop(connection);
    this.#states[connection] = AT_HEAD;
  }

  /** @returns where the first frame begins; 0 while the head is incomplete */
  #readHead(connection: number, bytes: Buffer, end: number): number {
    const headEnd = bytes.subarray(0, end).indexOf(HEAD_END) + HEAD_END.length;
    if (headEnd < HEAD_END.length) {
      if (end > HEAD_LIMIT_BYTES) this.#refused(connection, 'no HTTP');
      return 0;
    }
    const reason = whyNotUpgraded(bytes.toString('latin1', 0, headEnd), this.#accept);
    if (reason !== undefined) {
      this.#refused(connection, reason);
      return end;
    }
    this.#states[connection] = OPEN;
    this.#events.upgraded(connection);
    return headEnd;
  }

  /** Reads all complete frames. @returns where the incomplete rest begins */
  #readFrames(connection: number, bytes: Buffer, from: number, end: number): number {
    let at = from;
    while (end - at >= 2 && this.#states[connection] === OPEN) {
      const head = bytes[at]!;
      let size = bytes[at + 1]!;
      let data = at + 2;
      if (size > 127) return this.#violated(connection, 'a masked frame');
      if (size === 126) {
        if (end - data < 2) return at;
        size = bytes.readUInt16BE(data);
        data += 2;
      } else if (size === 127) {
        if (end - data < 8) return at;
        size = bytes.readUInt32BE(data) * 2 ** 32 + bytes.readUInt32BE(data + 4);
        data += 8;
      }
      if (end - data < size) return at;
      this.#readFrame(connection, head, bytes, data, data + size);
      at = data + size;
    }
    return at;
  }

  #readFrame(connection: number, head: number, bytes: Buffer, start: number, end: number): void {
    const opcode = head & 0x0f;
    if ((head & 0x70) !== 0) {
      this.#violated(connection, 'reserved bits in a frame');
    } else if (opcode === BINARY || opcode === CONTINUATION) {
      this.#readPackets(connection, bytes, start, end);
    } else if (opcode === PING) {
      this.#events.pinged(connection, Buffer.from(bytes.subarray(start, end)));
    } else if (opcode === CLOSE) {
      this.stop(connection);
      this.#events.ended(connection, closeReason(bytes, start, end));
    } else if (opcode !== PONG) {
      this.#violated(connection, opcode === 1 ? 'a text frame' : `opcode ${opcode}`);
    }
  }

  #readPackets(connection: number, frame: Buffer, frameStart: number, frameEnd: number): void {
    let bytes = frame;
    let at = frameStart;
    let end = frameEnd;
    const carry = this.#packets.size > 0 ? this.#packets.get(connection) : undefined;
    if (carry !== undefined) {
      this.#packets.delete(connection);
      bytes = Buffer.concat([carry, frame.subarray(frameStart, frameEnd)]);
      at = 0;
      end = bytes.length;
    }
    while (at < end) {
      let length = 0;
      let body = at + 1;
      let shift = 0;
      for (; body < end && shift < 28 && bytes[body]! > 0x7f; body++, shift += 7) {
        length |= (bytes[body]! & 0x7f) << shift;
      }
      if (shift === 28) {
        this.#violated(connection, 'a remaining length of five bytes');
        return;
      }
      if (body === end) break;
      length |= bytes[body++]! << shift;
      if (end - body < length) break;
      this.#events.packet(connection, bytes[at]!, bytes, body, body + length);
      at = body + length;
      if (this.#states[connection] !== OPEN) return;
    }
    if (end - at > CARRY_LIMIT_BYTES) this.#violated(connection, 'a packet over 16 MB');
    else if (at < end) this.#packets.set(connection, Buffer.from(bytes.subarray(at, end)));
  }

  #refused(connection: number, reason: string): void {
    this.stop(connection);
    this.#events.refused(connection, reason);
  }

  #violated(connection: number, what: string): number {
    this.stop(connection);
    this.#events.ended(connection, `protocol error: ${what}`);
    return 0;
  }
}

/** Such as `WebSocket 1008, slow consumer`. */
function closeReason(bytes: Buffer, start: number, end: number): string {
  if (end - start < 2) return 'WebSocket closed';
  const text = bytes.toString('utf8', start + 2, end);
  return `WebSocket ${bytes.readUInt16BE(start)}${text === '' ? '' : `, ${text}`}`;
}
