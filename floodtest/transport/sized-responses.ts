/**
 * HTTP/1.1 responses with a Content-Length, one after the other on each connection, read from raw bytes. What is
 * incomplete at the end of a read is copied aside until the rest comes; between two responses nothing is kept.
 */
const RESPONSE_LIMIT_BYTES = 16 * 1024 * 1024;
const HEAD_END = Buffer.from('\r\n\r\n');
const NO_BODY = ['204', '304'];

/** A whole response: its status, its head, and the body. The bytes are only valid during the call. */
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

  forget(connection: number): void {
    this.#carries.delete(connection);
  }

  /** @returns where the response ends; 0 while it is incomplete */
  #readOne(connection: number, bytes: Buffer): number {
    const bodyStart = bytes.indexOf(HEAD_END) + HEAD_END.length;
    if (bodyStart < HEAD_END.length) return 0;
    const head = bytes.toString('latin1', 0, bodyStart);
    const status = head.slice(9, 12);
    const size = NO_BODY.includes(status) ? 0 : Number(headerOf(head, 'Content-Length') ?? Number.NaN);
    if (!Number.isSafeInteger(size)) {
      this.#onViolation(connection, `HTTP ${status} without Content-Length`);
      return bytes.length;
    }
    const end = bodyStart + size;
    if (end > bytes.length) return 0;
    this.#onResponse(connection, status, head, bytes.subarray(bodyStart, end));
    return end;
  }

  #keep(connection: number, bytes: Buffer): void {
    if (bytes.length > RESPONSE_LIMIT_BYTES) this.#onViolation(connection, 'a response without end');
    else this.#carries.set(connection, Buffer.from(bytes));
  }
}

export function headerOf(head: string, name: string): string | undefined {
  return new RegExp(`\r\n${name}: *([^\r]*)\r\n`, 'i').exec(head)?.[1];
}
