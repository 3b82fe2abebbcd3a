/**
 * A complete body in chunks (RFC 9112 7.1). A proxy may turn a body with a Content-Length into one. It is parsed again
 * from its start when more arrives: answers to polls are small.
 */

const LF = 0x0a;
const CR = 0x0d;
const SIZE_LINE = /^([0-9a-f]{1,8})[ \t]*(?:;.*)?$/i;

export interface ChunkedBody {
  readonly body: Buffer;
  /** Where it ends, trailers included. */
  readonly end: number;
}

/** @returns undefined while it is incomplete, or what is wrong with it */
export function chunkedBodyAt(bytes: Buffer, start: number): ChunkedBody | string | undefined {
  const pieces: Buffer[] = [];
  let at = start;
  for (;;) {
    const line = lineAt(bytes, at);
    if (line === undefined) return undefined;
    const digits = SIZE_LINE.exec(line.text)?.[1];
    if (digits === undefined) return 'no size where a chunk begins';
    const size = Number.parseInt(digits, 16);
    at = line.end;
    if (size === 0) break;
    const dataEnd = at + size;
    if (dataEnd + 2 > bytes.length) return undefined;
    if (bytes[dataEnd] !== CR || bytes[dataEnd + 1] !== LF)
      return 'the data of a chunk goes on behind its size';
    pieces.push(bytes.subarray(at, dataEnd));
    at = dataEnd + 2;
  }
  for (;;) {
    const trailer = lineAt(bytes, at);
    if (trailer === undefined) return undefined;
    at = trailer.end;
    if (trailer.text === '') return { body: Buffer.concat(pieces), end: at };
  }
}

function lineAt(bytes: Buffer, at: number): { text: string; end: number } | undefined {
  const lf = bytes.indexOf(LF, at);
  if (lf < 0) return undefined;
  return { text: bytes.toString('latin1', at, bytes[lf - 1] === CR ? lf - 1 : lf), end: lf + 1 };
}
