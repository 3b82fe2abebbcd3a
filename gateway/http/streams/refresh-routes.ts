import type { HttpResponse } from 'uWebSockets.js';
import type { Identity } from '../../../access/identity.js';
import { type Refusal, type RefusalReason, refusals } from '../../close-reason.js';
import type { Counters } from '../../counters.js';
import { answerJson, answerText, type Headers, refuse, retryHeader, whenKnown } from '../answer.js';
import type { HttpAuthentication } from '../authentication.js';
import type { FrontDoor } from '../front-door.js';
import { bindPath } from '../methods.js';
import type { Cors } from './cors.js';
import type { Refreshed, StreamRefreshes } from './stream-refreshes.js';

export interface RefreshRouteParts {
  readonly refreshes: StreamRefreshes;
  readonly counters: Counters;
  readonly cors: Cors;
  readonly authentication: HttpAuthentication;
}

/** `POST /refresh?stream=<handle>` with other credentials: an open stream goes on with them. */
export function bindRefresh(door: FrontDoor, parts: RefreshRouteParts): void {
  const { refreshes, counters, cors, authentication } = parts;
  bindPath(door, '/refresh', {
    post: authentication.protect(
      (response, request, _head, identity) => {
        const headers = cors.headersFor(request);
        const handle = new URLSearchParams(request.getQuery() ?? '').get('stream') ?? '';
        whenKnown<Refreshed>(
          response,
          (onRefreshed) => refreshes.refresh(handle, identity, onRefreshed),
          (refreshed) => answerRefresh(response, refreshed, identity, headers),
        );
      },
      (response, request, _head, { reason, sentence, refusal, challenge }) =>
        refused(response, reason, [...cors.headersFor(request), ...challenge], sentence, refusal),
    ),
    options: (response, request) => cors.preflight(response, request, 'POST'),
  });

  function answerRefresh(
    response: HttpResponse,
    refreshed: Refreshed,
    { expiresAtMs }: Identity,
    headers: Headers,
  ): void {
    if (refreshed.outcome === 'refreshed')
      return answerJson(response, '200 OK', { expires: expiresAtMs ?? null }, headers);
    if (refreshed.outcome === 'not-allowed')
      return refused(response, 'not-allowed', headers, refreshed.sentence);
    if (refreshed.outcome === 'no-stream')
      return answerText(response, '404 Not Found', noStreamText, headers);
    answerText(response, '503 Service Unavailable', unansweredText, [...headers, retryHeader]);
  }

  function refused(
    response: HttpResponse,
    reason: RefusalReason,
    headers: Headers,
    sentence: string,
    refusal: Refusal = refusals[reason],
  ): void {
    counters.refused[reason]++;
    refuse(response, refusal, headers, sentence);
  }
}

const noStreamText =
  'No open stream has this handle: it has ended, or is refreshed already. Open a new one with its cursor.';
const unansweredText =
  'The node that has this stream has not answered in time: try again, or open a new stream with its cursor.';
