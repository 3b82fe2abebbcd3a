import type { HttpResponse } from 'uWebSockets.js';
import type { Refusal } from '../close-reason.js';
import { answerBehindChunks, laterIfOpen } from './chunked-body.js';
import { policyHeader } from './content-policy.js';

/**
 * Short answers that end the request. Call inside the route handler or a cork. The response has four properties of ours:
 * `headOnly`, it answers a HEAD; `closes`, the connection ends behind it; `awaitsChunks`, it must not be given before
 * the body has come (see chunked-body.ts); `oneRequest`, see below.
 */

export type Headers = readonly (readonly [name: string, value: string])[];

/** A 503 has this header where its cause is over in a moment. */
export const retryHeader = ['Retry-After', '1'] as const;

/**
 * Headers that are the same in each answer, written in one call, as each call into uWS takes 0.2 µs. uWS writes a value
 * as it is, so the first header's value can contain the lines of the others. Only for constants of this program: in a
 * value that came from elsewhere, a line end would add somebody's own header (response splitting).
 */
class ConstantHeaders {
  readonly #name: string;
  readonly #rest: string;

  constructor(headers: Headers) {
    const lines = headers.map(([name, value]) => `${name}: ${value}`).join('\r\n');
    const colon = lines.indexOf(': ');
    this.#name = lines.slice(0, colon);
    this.#rest = lines.slice(colon + 2);
  }

  write(response: HttpResponse): void {
    response.writeHeader(this.#name, this.#rest);
  }
}

/** A browser takes the answer for nothing but what its Content-Type says. */
const nosniff = ['X-Content-Type-Options', 'nosniff'] as const;

/** The policy of answers that are no pages: a browser shows them in no frame and loads nothing for them. */
const answerPolicy = "default-src 'none'; frame-ancestors 'none'";

const securityHeaders = [nosniff, [policyHeader, answerPolicy]] as const;

/**
 * uWS closes a connection on which no request comes for 10 s. It counts in steps of 4 s, so 8 to 12 s may pass; no
 * setting changes that (HTTP_TIMEOUT_S is compiled in). One second less than 8 is for the request's way.
 */
const keepAlive = ['Keep-Alive', 'timeout=7'] as const;

const json = ['Content-Type', 'application/json'] as const;

const security = new ConstantHeaders(securityHeaders);
/** For answers behind which the connection stays open. */
const usual = new ConstantHeaders([...securityHeaders, keepAlive]);
const usualJson = new ConstantHeaders([json, ...securityHeaders, keepAlive]);

const plain: Headers = [['Content-Type', 'text/plain; charset=utf-8']];

/**
 * Behind a proxy that says the address of its client in a PROXY header, uWS takes one at the head of each request, also one
 * that the client has written. So the first request of such a connection is its last: it is pending until its answer is
 * written out, and a request behind it ends the connection; from then on nothing is read. A write that fails would begin to
 * read again: `end` may not be used, as it leaves the rest to uWS and is over.
 */
export function readNoMore(response: HttpResponse): void {
  if (response.oneRequest === true) response.pause();
}

/**
 * Writes the rest of an answer as the socket takes it. uWS reads in the same turn in which a socket takes more, also if
 * reading is paused in it, and hears a request there once it has all of an answer. So a connection with one request is
 * never told the end of the body: it is closed when the kernel has taken that.
 * @param start write offset at which the body begins
 */
export function endWhenWritable(
  response: HttpResponse,
  body: Uint8Array,
  start: number,
  onEnded?: () => void,
): void {
  const oneRequest = response.oneRequest === true;
  const total = oneRequest ? body.length + 1 : body.length; // the Content-Length is written already
  response.onWritable((offset) => {
    readNoMore(response);
    const [taken, ended] = response.tryEnd(body.subarray(offset - start), total);
    if (ended) onEnded?.();
    else if (taken && oneRequest) laterIfOpen(response, () => response.close());
    return taken;
  });
}

/** Call where a head ends, and the rest is written with `tryEnd`. */
export function endHead(response: HttpResponse): void {
  if (response.oneRequest === true) response.writeHeader('Connection', 'close');
  readNoMore(response);
}

/** Whether uWS is to close the connection behind `end`. */
export function endsWithConnection(response: HttpResponse): boolean {
  return response.closes === true && response.oneRequest !== true;
}

export function answerText(
  response: HttpResponse,
  status: string,
  text: string,
  headers: Headers = [],
  close = false,
): void {
  answer(response, status, [...plain, ...headers], `${text}\n`, close);
}

export function answerJson(
  response: HttpResponse,
  status: string,
  value: unknown,
  headers: Headers = [],
): void {
  answer(response, status, [json, ...headers], JSON.stringify(value));
}

/**
 * Answers 200 with JSON, on the hot path: without a status line uWS writes 200, and the constant headers are one call.
 * @param text ASCII
 */
export function answerJsonText(response: HttpResponse, text: string, headers: Headers): void {
  if (response.closes === true) return answer(response, '200 OK', [json, ...headers], text);
  usualJson.write(response);
  for (const [name, value] of headers) response.writeHeader(name, value);
  endOrClose(response, text, text.length);
}

/**
 * Answers 200 with JSON that a socket may not take at once.
 * @param end ends the response, whose head is written
 */
export function answerLargeJson(
  response: HttpResponse,
  value: unknown,
  headers: Headers,
  end: (response: HttpResponse, text: string) => void,
): void {
  if (response.awaitsChunks === true || response.headOnly === true || response.closes === true)
    return answerJson(response, '200 OK', value, headers);
  usualJson.write(response);
  for (const [name, value] of headers) response.writeHeader(name, value);
  end(response, JSON.stringify(value));
}

/**
 * Ends the request. To HEAD, only status and headers go out: a body would be read as the next answer.
 * @param body undefined: neither a body nor a Content-Length, as 204 and 304 want it
 * @param close the connection ends behind the answer
 */
export function answer(
  response: HttpResponse,
  status: string,
  headers: Headers,
  body: string | Uint8Array | undefined,
  close = false,
): void {
  if (close) response.closes = true;
  if (response.awaitsChunks === true) {
    answerBehindChunks(response, () => answer(response, status, headers, body));
    return;
  }
  writeHead(response, status, headers);
  if (body === undefined || response.headOnly === true) endWithoutBody(response);
  else endOrClose(response, body, Buffer.byteLength(body));
}

/**
 * Asks, and calls `proceed` once with the answer, in the route handler or a cork. It may call at once, later, or never
 * where the client has gone meanwhile. Call in the route handler.
 * @param ask calls back, maybe before it returns
 */
export function whenKnown<Known>(
  response: HttpResponse,
  ask: (onKnown: (known: Known) => void) => void,
  proceed: (known: Known) => void,
): void {
  let waiting = false;
  let over = false;
  ask((known) => {
    if (over) return; // nobody hears it
    over = true;
    if (waiting) response.cork(() => proceed(known));
    else proceed(known);
  });
  if (over) return;
  waiting = true;
  response.onAborted(() => {
    over = true;
  });
}

/**
 * Ends an answer whose head is written. uWS closes a connection itself only behind a Content-Length, which 204 may not
 * have and which would be wrong for HEAD. So `Connection: close` asks the client to close it.
 */
export function endWithoutBody(response: HttpResponse): void {
  if (response.closes === true) response.writeHeader('Connection', 'close');
  readNoMore(response);
  response.endWithoutBody();
}

function writeHead(response: HttpResponse, status: string, headers: Headers): void {
  response.writeStatus(status);
  let policy: string | undefined;
  for (const [name, value] of headers) {
    if (name === policyHeader)
      policy = value; // a page's own
    else response.writeHeader(name, value);
  }
  if (policy === undefined && response.closes !== true) return usual.write(response);
  writeSecurityHeaders(response, policy);
  if (response.closes !== true) response.writeHeader(...keepAlive);
}

/** @param policy the page's own; without one the browser is told to load nothing */
export function writeSecurityHeaders(response: HttpResponse, policy: string = answerPolicy): void {
  if (policy === answerPolicy) return security.write(response);
  response.writeHeader(...nosniff);
  response.writeHeader(policyHeader, policy);
}

/**
 * An answer that the socket does not take at once ends the connection: a client that sends requests and reads no
 * answers would otherwise grow the process by as much as it cares to ask for (uWS keeps them all; measured: 423
 * MB for 100,000 pipelined requests). Answers are small, so this never happens to a client that reads.
 */
export function endOrClose(response: HttpResponse, body: string | Uint8Array, bytes: number): void {
  if (endsWithConnection(response)) {
    response.end(body, true);
    return;
  }
  endHead(response);
  const [taken, ended] = response.tryEnd(body, bytes);
  if (!taken && !ended) response.close();
}

/** Marks a response as one to HEAD, for `answer`. */
export function answersHead(response: HttpResponse): void {
  response.headOnly = true;
}

export function refuse(
  response: HttpResponse,
  refusal: Refusal,
  headers: Headers = [],
  detail: string = refusal.text,
): void {
  const retry: Headers =
    refusal.retryAfterSec === undefined ? [] : [['Retry-After', String(refusal.retryAfterSec)]];
  answerText(response, refusal.status, detail, [...retry, ...headers]);
}
