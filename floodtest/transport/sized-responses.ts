/**
 * Parses HTTP/1.1 responses that end, one after the other on each connection: with a Content-Length, or in chunks that
 * a proxy has made. Incomplete bytes at the end of a read are copied until the rest arrives. Between two responses
 * nothing is kept.
 */
import { chunkedBodyAt } from './chunked-body.js';
import { HEAD_BYTES_MAX, headerOf, headLength, isInterim, statusOf } from './response-head.js';

const RESPONSE_LIMIT_BYTES = 16 * 1024 * 1024;
const NO_BODY = ['204', '304'];

/** A complete response: status, head and body. The bytes are only valid during the call. */
export type OnResponse = (connection: number, status: string, head: string, body: Buffer) => void;
export type OnViolation = (connection: number, what: string) => void;

export class SizedResponses {
  readonly #onResponse: OnResponse;
  readonly #onViolation: OnViolation;
  readonly #carries = new Map<number, Buffer>();

  constructor(onResponse: OnResponse, onViolation: OnViolation) {
    this.#onResponse = onResponse;
    this.#onViolation = onViolation;
  }

  receive(connection: number, received: Buffer, receivedEnd: number): void {
    let bytes = received.subarray(0, receivedEnd);
    const carry = this.#carries.size > 0 ? this.#carries.get(connection) : undefined;
    if (carry !== undefined) {
      this.#carries.delete(connection);
      bytes = Buffer.concat([carry, bytes]);
    }
    while (bytes.length > 0) {
      const end = this.#readOne(connection, bytes);
      if (end === 0) return this.#keep(connection, bytes);
      bytes = bytes.subarray(end);
    }
  }

  /** Whether a response has begun, and not ended. */
  isWithin(connection: number): boolean {
    return this.#carries.has(connection);
  }

  forget(connection: number): void {
    this.#carries.delete(connection);
  }

  /** @returns where the response ends; 0 while it is incomplete */
  #readOne(connection: number, bytes: Buffer): number {
    const bodyStart = headLength(bytes, 0, bytes.length);
    if (bodyStart === undefined) return this.#violated(connection, bytes, 'no HTTP response');
    if (bodyStart === 0) {
      if (bytes.length <= HEAD_BYTES_MAX) return 0;
      return this.#violated(connection, bytes, `a head of more than ${HEAD_BYTES_MAX / 1024} KB`);
    }
    const head = bytes.toString('latin1', 0, bodyStart);
    const status = statusOf(head);
    if (isInterim(status)) return bodyStart;
    if (!NO_BODY.includes(status) && headerOf(head, 'Transfer-Encoding')?.toLowerCase() === 'chunked') {
      return this.#readChunked(connection, status, head, bytes, bodyStart);
    }
    const length = headerOf(head, 'Content-Length') ?? '';
    const size = NO_BODY.includes(status) ? 0 : /^\d+$/.test(length) ? Number(length) : Number.NaN;
    if (!Number.isSafeInteger(size)) {
      return this.#violated(connection, bytes, `HTTP ${status} without Content-Length`);
    }
    if (size > RESPONSE_LIMIT_BYTES) {
      return this.#violated(connection, bytes, `a response of ${size} bytes`);
    }
    const end = bodyStart + size;
    if (end > bytes.length) return 0;
    this.#onResponse(connection, status, head, bytes.subarray(bodyStart, end));
    return end;
  }

  #readChunked(connection: number, status: string, head: string, bytes: Buffer, bodyStart: number): number {
    const read = chunkedBodyAt(bytes, bodyStart);
    if (typeof read === 'string') return this.#violated(connection, bytes, `broken chunks: ${read}`);
    if (read !== undefined) {
      this.#onResponse(connection, status, head, read.body);
      return read.end;
    }
    if (bytes.length - bodyStart <= RESPONSE_LIMIT_BYTES) return 0;
    return this.#violated(connection, bytes, `a response of more than ${RESPONSE_LIMIT_BYTES} bytes`);
  }

  #violated(connection: number, bytes: Buffer, what: string): number {
    this.#onViolation(connection, what);
    return bytes.length;
  }

  #keep(connection: number, bytes: Buffer): void {
    this.#carries.set(connection, Buffer.from(bytes));
  }
}
