import type { HttpResponse } from 'uWebSockets.js';
import type { History, ResumeFrom } from '../../router/history/history.js';

interface Asked {
  readonly ids: readonly string[];
  readonly from: ResumeFrom | undefined;
}

const fromNow: ResumeFrom = { since: 'now' };

/**
 * Goes on when history has at hand what the client asks for, and no node sends past this one: at once, where it is kept in this process. In a route
 * handler only; `proceed` finds the response as the handler does, corked and with nothing written.
 */
export function whenPrepared(
  history: History,
  response: HttpResponse,
  { ids, from }: Asked,
  proceed: () => void,
): void {
  let later = false;
  let over = false;
  history.prepare(ids, from ?? fromNow, () => {
    if (over) return; // its client has gone
    over = true;
    if (later) response.cork(proceed);
    else proceed();
  });
  if (over) return;
  later = true;
  response.onAborted(() => {
    over = true;
  });
}
