import { once } from 'node:events';
import { createWriteStream, openSync } from 'node:fs';
import type { Writable } from 'node:stream';

const pieceBytes = 64 * 1024;

/** Writes lines to a file, or to standard output, at its pace. */
export class LineOutput {
  readonly #stream: Writable;
  readonly #isFile: boolean;
  #piece = '';
  #failure: Error | undefined;

  /** @param file - is standard output @throws Error if the file cannot be opened */
  constructor(file: string) {
    this.#isFile = file !== '-';
    this.#stream = this.#isFile ? createWriteStream(file, { fd: openSync(file, 'w') }) : process.stdout;
    this.#stream.on('error', (error) => {
      this.#failure = error;
    });
  }

  /** @returns a promise where the next line must wait; most lines return undefined */
  line(text: string): Promise<void> | undefined {
    this.#piece += `${text}\n`;
    return this.#piece.length < pieceBytes ? undefined : this.#flush();
  }

  /** @throws Error if something could not be written */
  async end(): Promise<void> {
    await this.#flush();
    if (this.#isFile) {
      this.#stream.end();
      if (this.#failure === undefined) await once(this.#stream, 'close');
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #flush(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const piece = this.#piece;
    this.#piece = '';
    if (!this.#stream.write(piece)) await once(this.#stream, 'drain');
  }
}
