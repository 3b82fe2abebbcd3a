import type { HttpResponse } from 'uWebSockets.js';

/**
 * Requests with a body in chunks. uWS finds the last chunk and reads on at once. The bytes behind it, perhaps a trailer
 * or a smuggled request, would reach a route before the answer is sent. So the answer waits until the read is over.
 * Meanwhile the request is pending, and a request behind it ends the connection. So does the answer.
 */

/** Most bytes of a refused body. Past this the connection is cut without an answer. */
const discardedBytesMax = 64 * 1024 * 1024;

/** Longest wait for the end of a refused body before its answer. Later would look like no answer at all. */
const lingerMs = 1_000;

/** Called in a front door, before any route: reads and ignores the body, unless a route wants it. */
export function awaitChunks(response: HttpResponse): void {
  response.closes = true;
  response.awaitsChunks = true;
  let bytes = 0;
  response.onData((data, isLast) => {
    bytes += data.byteLength;
    chunkDiscarded(response, bytes, isLast);
  });
}

/** A piece of a body that is thrown away has arrived. @param bytes thrown away of this body so far, with this piece */
export function chunkDiscarded(response: HttpResponse, bytes: number, isLast: boolean): void {
  if (response.awaitsChunks !== true) return;
  if (isLast) chunksEnded(response);
  else if (bytes > discardedBytesMax) cutAfterThisRead(response);
}

/** The last chunk has arrived. Sends an answer that was given before. */
export function chunksEnded(response: HttpResponse, act?: () => void): void {
  afterThisRead(response, () => {
    response.awaitsChunks = false;
    const answer = act ?? (response.answerThen as (() => void) | undefined);
    answer?.();
  });
}

/**
 * Waits for the body, so that a client that still sends does not lose the answer with the connection (RFC 9112 9.6).
 */
export function answerBehindChunks(response: HttpResponse, answer: () => void): void {
  response.answerThen = answer;
  setTimeout(() => {
    if (response.awaitsChunks !== true || !isOpen(response)) return;
    response.awaitsChunks = false;
    response.cork(answer);
  }, lingerMs);
}

/** Calls back in a cork when uWS has read all bytes of this connection; never if the connection has ended meanwhile. */
export function afterThisRead(response: HttpResponse, act: () => void): void {
  laterIfOpen(response, () => response.cork(act));
}

function cutAfterThisRead(response: HttpResponse): void {
  laterIfOpen(response, () => response.close());
}

/** Calls back when uWS is done with this connection for this turn; never if the connection has ended meanwhile. */
export function laterIfOpen(response: HttpResponse, act: () => void): void {
  setImmediate(() => {
    if (isOpen(response)) act();
  });
}

/** uWS throws when an ended response is used. */
function isOpen(response: HttpResponse): boolean {
  try {
    response.getWriteOffset();
    return true;
  } catch {
    return false;
  }
}
