import { isUtf8 } from 'node:buffer';

export interface InputLine {
  /** The number of the line, from 1. */
  readonly number: number;
  /** Undefined where the line cannot be read. */
  readonly text: string | undefined;
  /** The reason why the line cannot be read. */
  readonly problem?: string;
}

/** A longer line is bad. A user with 1,000 rules of 200 bytes has a line of 200 KB. */
const lineBytesMax = 1024 * 1024;
const lineFeed = 0x0a;
const tooLong = `it has more than ${lineBytesMax} bytes.`;

/** Reads the lines of a file of any size in bounded memory. The last line needs no line break. */
export class ImportLines {
  readonly #input: AsyncIterable<Buffer>;
  /** The bytes that were read so far, for the progress bar. */
  bytes = 0;

  constructor(input: AsyncIterable<Buffer>) {
    this.#input = input;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<InputLine> {
    let number = 0;
    let started: Buffer[] = [];
    let startedBytes = 0;
    const finish = (end: Buffer): InputLine => {
      const isTooLong = startedBytes + end.length > lineBytesMax;
      const bytes = isTooLong || startedBytes === 0 ? end : Buffer.concat([...started, end]);
      started = [];
      startedBytes = 0;
      number++;
      return isTooLong ? { number, text: undefined, problem: tooLong } : lineOf(number, bytes);
    };
    for await (const chunk of this.#input) {
      this.bytes += chunk.length;
      let from = 0;
      for (let at = chunk.indexOf(lineFeed); at !== -1; at = chunk.indexOf(lineFeed, from)) {
        yield finish(chunk.subarray(from, at));
        from = at + 1;
      }
      startedBytes += chunk.length - from;
      if (startedBytes > lineBytesMax) started = [];
      else if (from < chunk.length) started.push(chunk.subarray(from));
    }
    if (startedBytes > 0) yield finish(Buffer.alloc(0));
  }
}

function lineOf(number: number, bytes: Buffer): InputLine {
  if (!isUtf8(bytes)) return { number, text: undefined, problem: 'it is not UTF-8.' };
  const text = bytes.toString().replace(/\r$/, '');
  return { number, text: number === 1 ? text.replace(/^\ufeff/, '') : text };
}
