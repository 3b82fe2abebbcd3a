/**
 * Parses a chunked HTTP/1.1 response that never ends. Owns the state of each connection. Passes the body on as it
 * arrives, because chunks have no meaning: a proxy may cut them anew (RFC 9112 7.1). An incomplete head or size line is
 * copied until the rest arrives. An idle connection owns five bytes here.
 */
import { HEAD_BYTES_MAX, headerOf, headLength, isInterim, statusOf } from './response-head.js';

const AT_HEAD = 0;
const AT_SIZE = 1;
const IN_DATA = 2;
/** Behind the data of a chunk. uWebSockets.js sends the CRLF that closes a chunk together with the next one. */
const AT_CLOSING_CRLF = 3;
/** After a violation or the last chunk: later bytes are ignored. */
const OVER = 4;

const CR = 0x0d;
const LF = 0x0a;
const SEMICOLON = 0x3b;
const SPACE = 0x20;
const TAB = 0x09;
/** Most digits of a size: the column has 32 bits, and no real chunk has 4 GB. */
const SIZE_DIGITS_MAX = 8;
/** Longest size line with extensions (RFC 9112 7.1.1), which floodtest ignores. */
const SIZE_LINE_BYTES_MAX = 16 * 1024;

export interface ResponseEvents {
  loggedIn(connection: number): void;
  refused(connection: number, reason: string): void;
  ended(connection: number, reason?: string): void;
}

/** A piece of the body, from `start` up to `end`. `beginsChunk`: a chunk begins with it. */
export type OnPiece = (
  connection: number,
  bytes: Buffer,
  start: number,
  end: number,
  beginsChunk: boolean,
) => void;

export class ChunkedResponse {
  readonly #events: ResponseEvents;
  readonly #onPiece: OnPiece;
  readonly #phases: Uint8Array;
  /** Bytes of a chunk's data that are still to come. */
  readonly #remaining: Uint32Array;
  readonly #carries = new Map<number, Buffer>();

  constructor(connections: number, events: ResponseEvents, onPiece: OnPiece) {
    this.#phases = new Uint8Array(connections);
    this.#remaining = new Uint32Array(connections);
    this.#events = events;
    this.#onPiece = onPiece;
  }

  receive(connection: number, received: Buffer, receivedEnd: number): void {
    let bytes = received;
    let end = receivedEnd;
    const carry = this.#carries.size > 0 ? this.#carries.get(connection) : undefined;
    if (carry !== undefined) {
      this.#carries.delete(connection);
      bytes = Buffer.concat([carry, received.subarray(0, receivedEnd)]);
      end = bytes.length;
    }
    const from = this.#phases[connection] === AT_HEAD ? this.#readHead(connection, bytes, end) : 0;
    if (this.#phases[connection] === AT_HEAD) {
      if (from < end) this.#carries.set(connection, Buffer.from(bytes.subarray(from, end)));
      return;
    }
    const to = this.#readChunks(connection, bytes, from, end);
    if (to < end) this.#carries.set(connection, Buffer.from(bytes.subarray(to, end)));
  }

  /** Whether the body has begun, and its last chunk has not arrived (RFC 9112 7.1 and 8). */
  isWithin(connection: number): boolean {
    const phase = this.#phases[connection];
    return phase !== AT_HEAD && phase !== OVER;
  }

  forget(connection: number): void {
    this.#carries.delete(connection);
    this.#phases[connection] = AT_HEAD;
  }

  /** @returns where the body, or an incomplete head, begins */
  #readHead(connection: number, bytes: Buffer, end: number): number {
    let from = 0;
    while (from < end) {
      const length = headLength(bytes, from, end);
      if (length === undefined) return this.#refuse(connection, end, 'no HTTP response');
      if (length === 0) {
        if (end - from <= HEAD_BYTES_MAX) return from;
        return this.#refuse(connection, end, `a head of more than ${HEAD_BYTES_MAX / 1024} KB`);
      }
      const head = bytes.toString('latin1', from, from + length);
      const status = statusOf(head);
      from += length;
      if (isInterim(status)) continue;
      if (status !== '200') return this.#refuse(connection, end, `HTTP ${status}`);
      if (headerOf(head, 'Transfer-Encoding')?.toLowerCase() !== 'chunked') {
        return this.#refuse(connection, end, 'HTTP 200 without chunks');
      }
      this.#phases[connection] = AT_SIZE;
      this.#events.loggedIn(connection);
      return from;
    }
    return from;
  }

  #refuse(connection: number, end: number, reason: string): number {
    this.#phases[connection] = OVER;
    this.#events.refused(connection, reason);
    return end;
  }

  /** Passes the body on. @returns where an incomplete size line begins */
  #readChunks(connection: number, bytes: Buffer, from: number, end: number): number {
    let at = from;
    // An event handler may forget the connection, which is then AT_HEAD.
    while (at < end && this.#phases[connection] !== AT_HEAD && this.#phases[connection] !== OVER) {
      const phase = this.#phases[connection];
      if (phase === IN_DATA) {
        at = this.#readData(connection, bytes, at, end, false);
      } else if (phase === AT_CLOSING_CRLF) {
        const closed = bytes[at] === CR && (end - at < 2 || bytes[at + 1] === LF);
        if (!closed) return this.#violated(connection, end, 'the data of a chunk goes on behind its size');
        if (end - at < 2) return at;
        at += 2;
        this.#phases[connection] = AT_SIZE;
      } else {
        const data = this.#readSize(connection, bytes, at, end);
        if (data === at) return at;
        at = this.#phases[connection] === IN_DATA ? this.#readData(connection, bytes, data, end, true) : data;
      }
    }
    return this.#phases[connection] === OVER ? end : at;
  }

  #readData(connection: number, bytes: Buffer, at: number, end: number, beginsChunk: boolean): number {
    const pieceEnd = Math.min(end, at + this.#remaining[connection]!);
    const remaining = this.#remaining[connection]! - (pieceEnd - at);
    this.#remaining[connection] = remaining;
    if (remaining === 0) this.#phases[connection] = AT_CLOSING_CRLF;
    if (pieceEnd > at || beginsChunk) this.#onPiece(connection, bytes, at, pieceEnd, beginsChunk);
    return pieceEnd;
  }

  /** @returns where the data begins; `from` while the line is incomplete */
  #readSize(connection: number, bytes: Buffer, from: number, end: number): number {
    let size = 0;
    let at = from;
    for (; at < end; at++) {
      const digit = hexValue(bytes[at]!);
      if (digit < 0) break;
      size = size * 16 + digit;
      if (at - from >= SIZE_DIGITS_MAX && size > 0xffff_ffff) {
        return this.#violated(connection, end, 'a chunk of 4 GB or more');
      }
    }
    if (at < end && (at === from || !mayFollowSize(bytes[at]!))) {
      return this.#violated(connection, end, 'no size where a chunk begins');
    }
    const lf = bytes.indexOf(LF, at);
    const isWhole = lf >= 0 && lf < end;
    if ((isWhole ? lf : end) - from > SIZE_LINE_BYTES_MAX) {
      const limit = `${SIZE_LINE_BYTES_MAX / 1024} KB`;
      return this.#violated(connection, end, `a chunk's size line of more than ${limit}`);
    }
    if (!isWhole) return from;
    if (bytes[lf - 1] !== CR) return this.#violated(connection, end, "a chunk's size line ends without CR");
    if (size === 0) {
      this.#phases[connection] = OVER;
      this.#events.ended(connection);
      return end;
    }
    this.#phases[connection] = IN_DATA;
    this.#remaining[connection] = size;
    return lf + 1;
  }

  #violated(connection: number, end: number, what: string): number {
    this.#phases[connection] = OVER;
    this.#events.ended(connection, `broken chunks: ${what}`);
    return end;
  }
}

function mayFollowSize(byte: number): boolean {
  return byte === CR || byte === SEMICOLON || byte === SPACE || byte === TAB;
}

/** -1 for what is no digit. */
function hexValue(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
