/**
 * A chunked HTTP/1.1 response that never ends, read from raw bytes: owns where each connection is in it. What is
 * incomplete at the end of a read is copied aside until the rest comes; at rest a connection owns one byte here.
 */
const AT_HEAD = 0;
const AT_SIZE = 1;
/** Behind the data of a chunk. uWebSockets.js sends the CRLF that closes a chunk together with the next one. */
const AT_CLOSING_CRLF = 2;

const CR = 0x0d;
const LF = 0x0a;
const SEMICOLON = 0x3b;
const CARRY_LIMIT_BYTES = 16 * 1024 * 1024;
const HEAD_END = Buffer.from('\r\n\r\n');

export interface ResponseEvents {
  loggedIn(connection: number): void;
  refused(connection: number, reason: string): void;
  ended(connection: number): void;
}

/** One whole chunk of the body, from `start` up to `end`. */
export type OnPiece = (connection: number, bytes: Buffer, start: number, end: number) => void;

export class ChunkedResponse {
  readonly #events: ResponseEvents;
  readonly #onPiece: OnPiece;
  readonly #phases: Uint8Array;
  readonly #carries = new Map<number, Buffer>();

  constructor(connections: number, events: ResponseEvents, onPiece: OnPiece) {
    this.#phases = new Uint8Array(connections);
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
    const to = this.#readChunks(connection, bytes, from, end);
    if (to < end) this.#keep(connection, bytes, to, end);
  }

  forget(connection: number): void {
    this.#carries.delete(connection);
    this.#phases[connection] = AT_HEAD;
  }

  /** Where the body begins: 0 while the head is incomplete, `end` when the connection was refused. */
  #readHead(connection: number, bytes: Buffer, end: number): number {
    const headEnd = bytes.indexOf(HEAD_END) + HEAD_END.length;
    if (headEnd < HEAD_END.length || headEnd > end) return 0;
    const head = bytes.toString('latin1', 0, headEnd);
    const status = head.slice(9, 12);
    if (status !== '200') {
      this.#events.refused(connection, `HTTP ${status}`);
      return end;
    }
    if (!/\r\ntransfer-encoding: *chunked\r\n/i.test(head)) {
      this.#events.refused(connection, 'HTTP 200 without chunks');
      return end;
    }
    this.#phases[connection] = AT_SIZE;
    this.#events.loggedIn(connection);
    return headEnd;
  }

  /** Hands on every chunk that is complete; gives back where the incomplete rest begins. */
  #readChunks(connection: number, bytes: Buffer, from: number, end: number): number {
    let at = from;
    while (at < end && this.#phases[connection] !== AT_HEAD) {
      if (this.#phases[connection] === AT_CLOSING_CRLF) {
        if (end - at < 2) return at;
        at += 2;
        this.#phases[connection] = AT_SIZE;
        continue;
      }
      let size = 0;
      let data = at;
      for (; data < end && bytes[data] !== CR && bytes[data] !== SEMICOLON; data++) {
        size = size * 16 + hexValue(bytes[data]!);
      }
      while (data < end && bytes[data] !== LF) data++;
      data++;
      if (data > end) return at;
      if (size === 0 || Number.isNaN(size)) {
        this.#events.ended(connection);
        return end;
      }
      if (data + size > end) return at;
      this.#onPiece(connection, bytes, data, data + size);
      at = data + size;
      this.#phases[connection] = AT_CLOSING_CRLF;
    }
    return at;
  }

  #keep(connection: number, bytes: Buffer, from: number, to: number): void {
    if (to - from > CARRY_LIMIT_BYTES) this.#events.ended(connection);
    else this.#carries.set(connection, Buffer.from(bytes.subarray(from, to)));
  }
}

function hexValue(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : Number.NaN;
}
