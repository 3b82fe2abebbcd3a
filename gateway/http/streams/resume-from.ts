import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { cursorProblemText, parseCursor, type ResumeFrom } from '../../../router/history/cursor.js';
import type { History } from '../../../router/history/history.js';
import { whenKnown } from '../answer.js';
import type { Parsed } from '../request.js';

/**
 * Reads from a request where a client resumes:
 *
 *     Last-Event-ID: <cursor>   sent by an EventSource that reconnects, and so the newest
 *     ?lastEventId=<cursor>     sent by polyfills that can set no header; also ?last-event-id=
 *     ?cursor=<cursor>
 *     ?since=oldest|<n>|now
 */

/**
 * Used for an unreadable Last-Event-ID: an EventSource would never reconnect after a 400, so it gets `recovered:
 * false`.
 */
const unknownCursor: ResumeFrom = { epoch: '', offsets: [] };

/** @returns undefined if the client wants new messages only */
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

/** @returns '' if the client gives none */
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

/** The ids of a request, and where it resumes. */
export interface Resume {
  readonly ids: readonly string[];
  readonly from: ResumeFrom | undefined;
}

const fromNow: ResumeFrom = { since: 'now' };

/**
 * Calls `proceed` when history has loaded the requested messages, and this node receives new ones: at once if history
 * is in this process. Call in a route handler only. `proceed` gets the response corked and unwritten.
 */
export function whenPrepared(
  history: History,
  response: HttpResponse,
  { ids, from }: Resume,
  proceed: () => void,
): void {
  whenKnown<void>(response, (ready) => history.prepare(ids, from ?? fromNow, ready), proceed);
}
