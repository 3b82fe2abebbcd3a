import { isUtf8 } from 'node:buffer';

/** Reads a body line by line. Its lines are not split beforehand: empty ones would weigh ten times the body. */
export class BodyLines {
  readonly #body: Buffer;
  #offset = 0;
  /** Number of the line taken last, from 1. */
  line = 0;

  constructor(body: Buffer) {
    this.#body = body;
  }

  get bytes(): number {
    return this.#body.length;
  }

  get done(): boolean {
    return this.#offset > this.#body.length;
  }

  /** @returns the next line, undefined when it is not UTF-8 */
  take(): string | undefined {
    const newline = this.#body.indexOf(0x0a, this.#offset);
    const end = newline === -1 ? this.#body.length : newline;
    const line = this.#body.subarray(this.#offset, end);
    this.#offset = end + 1;
    this.line++;
    return isUtf8(line) ? line.toString('utf8') : undefined;
  }
}
