import type { HttpRequest } from 'uWebSockets.js';

/** How a request is answered whose end is not where all who read it see it. */
export interface FramingProblem {
  readonly status: string;
  readonly text: string;
}

/**
 * What every request is looked at for, in one walk through its header fields: each call into uWS is 0.2 µs. Above all,
 * where it ends, as RFC 9112 6.3 has it. uWS takes the first of two Content-Length fields, an empty one for none,
 * and whatever stands in Transfer-Encoding for `chunked`. A proxy in front may read the same bytes in another way, and
 * then what it takes for a body would be a request here (request smuggling). So all of it is looked at anew.
 *
 * One instance serves all requests: each is over before the next one comes.
 */
export class RequestHead {
  /** The body comes in chunks. */
  chunked = false;
  host = '';
  origin = '';
  authorization = '';
  idempotencyKey = '';
  /** Of all header lines. */
  headerBytes = 0;
  #hosts = 0;
  #contentLength: string | undefined;
  #transferEncoding: string | undefined;
  #conflict = false;

  /** @returns what is wrong with it; undefined where it is good */
  read(request: HttpRequest): FramingProblem | undefined {
    this.chunked = false;
    this.origin = '';
    this.authorization = '';
    this.idempotencyKey = '';
    this.headerBytes = 0;
    this.#hosts = 0;
    this.#contentLength = undefined;
    this.#transferEncoding = undefined;
    this.#conflict = false;
    request.forEach(this.#visit);
    if (this.#hosts !== 1) return problems.hosts;
    if (this.#conflict) return problems.lengths;
    const length = this.#contentLength;
    if (length !== undefined && !isNumber(length)) return problems.length;
    return this.#transferEncoding === undefined ? undefined : this.#encodingProblem(this.#transferEncoding);
  }

  /** One function for all fields; getHeader would give the first of a name alone. */
  readonly #visit = (name: string, value: string): void => {
    this.headerBytes += name.length + value.length + 4; // ": " and CRLF
    switch (name.length) {
      case 4:
        if (name !== 'host') return;
        this.#hosts++;
        this.host = value;
        return;
      case 6:
        if (name === 'origin' && this.origin === '') this.origin = value;
        return;
      case 13:
        if (name === 'authorization' && this.authorization === '') this.authorization = value;
        return;
      case 14:
        if (name !== 'content-length') return;
        if (this.#contentLength !== undefined && this.#contentLength !== value) this.#conflict = true;
        this.#contentLength = value;
        return;
      case 15:
        if (name === 'idempotency-key') this.idempotencyKey = value;
        return;
      case 17:
        if (name !== 'transfer-encoding') return;
        // Several fields are one list (RFC 9110 5.3).
        this.#transferEncoding =
          this.#transferEncoding === undefined ? value : `${this.#transferEncoding}, ${value}`;
    }
  };

  #encodingProblem(value: string): FramingProblem | undefined {
    if (this.#contentLength !== undefined) return problems.both;
    const codings = value.split(',').map((coding) => coding.trim().toLowerCase());
    if (codings.at(-1) !== 'chunked') return problems.notChunked;
    if (codings.length > 1) return problems.otherCodings;
    this.chunked = true;
    return undefined;
  }
}

/** Digits, and as many as uWS reads. A regular expression takes ten times as long. */
function isNumber(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 48 || code > 57) return false;
  }
  return text.length >= 1 && text.length <= 18;
}

const bad = '400 Bad Request';
const problems = {
  hosts: { status: bad, text: 'A request has one Host field.' },
  lengths: { status: bad, text: 'The Content-Length fields say different things.' },
  length: { status: bad, text: 'Content-Length is a number.' },
  both: { status: bad, text: 'Content-Length and Transfer-Encoding exclude each other.' },
  notChunked: { status: bad, text: 'Transfer-Encoding does not end with "chunked".' }, // RFC 9112 6.3
  otherCodings: { status: '501 Not Implemented', text: 'The only Transfer-Encoding here is "chunked".' }, // RFC 9112 6.1
} as const;
