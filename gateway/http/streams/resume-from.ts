import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { cursorProblemText, parseCursor, type ResumeFrom } from '../../../router/history/cursor.js';
import type { History } from '../../../router/history/history.js';
import { whenKnown } from '../answer.js';
import type { Parsed } from '../request.js';

/**
 * Where a client wants to go on, from its request:
 *
 *     Last-Event-ID: <cursor>   what EventSource sends when it comes back, and so the newest
 *     ?lastEventId=<cursor>     what polyfills send that may set no header; also ?last-event-id=
 *     ?cursor=<cursor>
 *     ?since=oldest|<n>|now
 */

/** Of an unreadable Last-Event-ID: EventSource would never come back after a 400, so it is told `recovered: false`. */
const unknownCursor: ResumeFrom = { epoch: '', offsets: [] };

/** @returns undefined: the client asks for nothing but what comes from now on */
export function resumeFrom(
  request: HttpRequest,
  query: URLSearchParams,
  idCount: number,
): Parsed<ResumeFrom | undefined> {
  const lastEventId = lastEventIdOf(request, query);
  if (lastEventId !== '') {
    const parsed = parseCursor(lastEventId, idCount);
    return { ok: true, value: parsed.ok ? parsed.value : unknownCursor };
  }
  const cursor = query.get('cursor') ?? '';
  if (cursor !== '') return cursorFrom(cursor, idCount);
  return sinceFrom(query.get('since'));
}

/** @returns nothing where the client gives none */
export function lastEventIdOf(request: HttpRequest, query: URLSearchParams): string {
  return request.getHeader('last-event-id') || query.get('lastEventId') || query.get('last-event-id') || '';
}

export function cursorFrom(text: string, idCount: number): Parsed<ResumeFrom> {
  const parsed = parseCursor(text, idCount);
  return parsed.ok ? parsed : { ok: false, problem: cursorProblemText[parsed.problem] };
}

function sinceFrom(since: string | null): Parsed<ResumeFrom | undefined> {
  if (since === null) return { ok: true, value: undefined };
  if (since === 'oldest' || since === 'now') return { ok: true, value: { since } };
  if (/^[1-9]\d{0,5}$/.test(since)) return { ok: true, value: { since: Number(since) } };
  return { ok: false, problem: 'since is oldest, now, or how many of the last messages: ?since=10' };
}

/** The request of a client: its ids, and where it wants to go on. */
export interface Resume {
  readonly ids: readonly string[];
  readonly from: ResumeFrom | undefined;
}

const fromNow: ResumeFrom = { since: 'now' };

/**
 * Goes on when history has at hand what the client asks for, and no node sends past this one: at once, where it is kept
 * in this process. In a route handler only; `proceed` finds the response as the handler does, corked and with nothing
 * written.
 */
export function whenPrepared(
  history: History,
  response: HttpResponse,
  { ids, from }: Resume,
  proceed: () => void,
): void {
  whenKnown<void>(response, (ready) => history.prepare(ids, from ?? fromNow, ready), proceed);
}
