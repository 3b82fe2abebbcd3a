import { createReadStream } from 'node:fs';

/** The edges of some lines of a file, as NDJSON for the router API. */
export interface EdgeBatch {
  readonly body: string;
  /** The number that each line of the body has in the file. */
  readonly lineNumbers: readonly number[];
  /** The lines that are no edges, by their numbers. */
  readonly bad: readonly number[];
  /** The bytes and lines of the file up to here. */
  readonly bytes: number;
  readonly lines: number;
  /** The file does not end with the end of a line: this is its last one. */
  readonly cutLine?: string;
}

const batchEdges = 20_000;
const batchBytes = 2 * 1024 * 1024;
/** A longer line is no edge: two ids of 64 KB each, in JSON. */
const lineBytesMax = 1024 * 1024;

/**
 * Reads lines `A B`, as igraph writes them, and lines of JSON, from a place in a file. Empty lines and comments (`#`) are
 * skipped.
 */
export async function* edgeBatches(file: string, bytes = 0, lines = 0): AsyncGenerator<EdgeBatch> {
  let batch = new BatchUnderWay();
  let at = bytes;
  let line = lines;
  let rest = '';
  const stream = createReadStream(file, { start: bytes, highWaterMark: 256 * 1024 });
  stream.setEncoding('utf8');
  for await (const piece of stream) {
    const texts = (rest + piece).split('\n');
    rest = texts.pop()!;
    for (const text of texts) {
      at += Buffer.byteLength(text) + 1;
      batch.add(text, ++line);
      if (!batch.full) continue;
      yield batch.end(at, line);
      batch = new BatchUnderWay();
    }
    if (rest.length > lineBytesMax)
      throw new RangeError(`line ${line + 1} is longer than ${lineBytesMax} bytes`);
  }
  if (rest !== '') {
    at += Buffer.byteLength(rest);
    batch.add(rest, ++line);
  }
  yield { ...batch.end(at, line), ...(rest === '' ? {} : { cutLine: rest }) };
}

class BatchUnderWay {
  #body = '';
  readonly #lineNumbers: number[] = [];
  readonly #bad: number[] = [];

  get full(): boolean {
    return this.#lineNumbers.length >= batchEdges || this.#body.length >= batchBytes;
  }

  add(text: string, line: number): void {
    const trimmed = text.trim();
    if (trimmed === '' || trimmed.startsWith('#')) return;
    const json = trimmed.startsWith('{') ? trimmed : jsonOf(trimmed);
    if (json === undefined) {
      this.#bad.push(line);
      return;
    }
    this.#body += `${json}\n`;
    this.#lineNumbers.push(line);
  }

  end(bytes: number, lines: number): EdgeBatch {
    return { body: this.#body, lineNumbers: this.#lineNumbers, bad: this.#bad, bytes, lines };
  }
}

function jsonOf(line: string): string | undefined {
  const ids = line.split(/\s+/);
  if (ids.length !== 2) return undefined;
  return JSON.stringify({ subscriber: ids[0], subscribee: ids[1] });
}
