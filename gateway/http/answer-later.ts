import type { HttpResponse } from 'uWebSockets.js';

/**
 * Answers when what is asked for is known: at once, or later in a cork, or never where the client has gone meanwhile.
 * Call in the route handler.
 * @param ask calls back once
 */
export function answerLater<Known>(
  response: HttpResponse,
  ask: (onKnown: (known: Known) => void) => void,
  answer: (known: Known) => void,
): void {
  let waiting = false;
  let over = false;
  ask((known) => {
    if (over) return; // nobody hears it
    over = true;
    if (waiting) response.cork(() => answer(known));
    else answer(known);
  });
  if (over) return;
  waiting = true;
  response.onAborted(() => {
    over = true;
  });
}
