import type { HttpResponse } from 'uWebSockets.js';

/**
 * Requests whose body comes in chunks. uWS finds the last chunk and reads on at once: what stands behind it, which may be
 * a trailer or a smuggled request, would come to a route before the answer is out. So the answer waits until the read is
 * over. Meanwhile the request is pending, and a request behind it ends the connection; and so does the answer.
 */

/** Bytes of a body that is refused already and goes on; who sends more than this is cut without an answer. */
export const discardedBytesMax = 64 * 1024 * 1024;

/** A body that is refused and does not end is answered after so long: later it would look like no answer at all. */
const lingerMs = 1_000;

/** In a front door, before any route: reads the body and forgets it, unless a route wants it. */
export function awaitChunks(response: HttpResponse): void {
  response.closes = true;
  response.awaitsChunks = true;
  let bytes = 0;
  response.onData((data, last) => {
    bytes += data.byteLength;
    if (last) chunksEnded(response);
    else if (bytes > discardedBytesMax) cutAfterThisRead(response);
  });
}

/** Its last chunk has come. What has been answered until now is answered then. */
export function chunksEnded(response: HttpResponse, act?: () => void): void {
  afterThisRead(response, () => {
    response.awaitsChunks = false;
    const answer = act ?? (response.answerThen as (() => void) | undefined);
    answer?.();
  });
}

/** Behind the body, so that a client which sends on does not lose the answer with the connection (RFC 9112 9.6). */
export function answerBehindChunks(response: HttpResponse, answer: () => void): void {
  response.answerThen = answer;
  setTimeout(() => {
    if (response.awaitsChunks !== true || !isOpen(response)) return;
    response.awaitsChunks = false;
    response.cork(answer);
  }, lingerMs);
}

/** In a cork, when uWS has read all that it has got of this connection; not at all where it has ended meanwhile. */
export function afterThisRead(response: HttpResponse, act: () => void): void {
  setImmediate(() => {
    if (isOpen(response)) response.cork(act);
  });
}

export function cutAfterThisRead(response: HttpResponse): void {
  setImmediate(() => {
    if (isOpen(response)) response.close();
  });
}

/** uWS throws at whoever touches a response that is over. */
function isOpen(response: HttpResponse): boolean {
  try {
    response.getWriteOffset();
    return true;
  } catch {
    return false;
  }
}
