import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import type { Identity } from '../../../access/identity.js';
import type { History } from '../../../router/history/history.js';
import type { AccessControl } from '../../access-control.js';
import { type Refusal, type RefusalReason, refusals } from '../../close-reason.js';
import type { Config } from '../../config.js';
import type { ConnectRates } from '../../connect-rates.js';
import type { Counters } from '../../counters.js';
import type { WaitingIdentity } from '../../identity-changes.js';
import { answer, type Headers, readNoMore, refuse } from '../answer.js';
import type { HttpAuthentication, IdentifiedHandler } from '../authentication.js';
import type { FrontDoor, Handler } from '../front-door.js';
import { bindPath } from '../methods.js';
import { idsFromPath, idsFromQuery, type Parsed } from '../request.js';
import { identityNow, refusalToRead } from './allowed-ids.js';
import { cometPage } from './comet-page.js';
import type { Cors } from './cors.js';
import { cursorRoomProblem } from './cursor-room.js';
import { eventStreamOfJson, eventStreamOfText } from './event-stream.js';
import { ndjson } from './ndjson.js';
import { type Resume, resumeFrom, whenPrepared } from './resume-from.js';
import type { Streams } from './streams.js';
import { cursorsOf, type Transport, writeStreamHead } from './transport.js';

interface Asked extends Resume {
  readonly waiting: WaitingIdentity;
  /** See `refused`. No property of the response, which would be memory of each stream. */
  readonly byEventSource: boolean;
}

export interface StreamRoutesParts {
  readonly streams: Streams;
  readonly connectRates: ConnectRates;
  readonly config: Config;
  readonly counters: Counters;
  readonly cors: Cors;
  readonly history: History;
  readonly authentication: HttpAuthentication;
  readonly access: AccessControl;
}

/** `/test`, `/stream` and `/events`: from request line to open stream, or the refusal. */
export function bindStreams(door: FrontDoor, parts: StreamRoutesParts): void {
  const { streams, connectRates, config, counters, cors, history, authentication, access } = parts;
  const cursorOf = cursorsOf(history);
  const lines = ndjson(cursorOf);
  bind('/test/', '*', cometPage(config.heartbeatSec));
  bind('/stream/', '*', lines);
  bind('/stream', '', lines);
  bind('/events/', '*', eventStreamOfText(cursorOf, config.heartbeatSec));
  bind('/events', '', eventStreamOfJson(cursorOf, config.heartbeatSec));

  /** @param rest `*`: the id is the rest of the path; nothing: ids are in the query */
  function bind(path: string, rest: '*' | '', transport: Transport): void {
    const idsOf = (request: HttpRequest) =>
      rest === '*' ? idsFromPath(request, path, config) : idsFromQuery(request, path, config);
    bindPath(door, path + rest, {
      get: inTime(
        protect((response, request, { headerBytes }, identity) => {
          const headers = cors.headersFor(request);
          const by = { identity, byEventSource: isEventSource(request, path) };
          const asked = admitted(response, request, headerBytes, idsOf(request), headers, by);
          if (asked !== undefined)
            whenPrepared(history, response, asked, () => open(response, transport, asked, headers));
        }),
      ),
      head: protect((response, request, { headerBytes }, identity) => {
        const headers = cors.headersFor(request);
        const by = { identity, byEventSource: false };
        if (admitted(response, request, headerBytes, idsOf(request), headers, by) === undefined) return;
        writeStreamHead(response, transport, headers);
        readNoMore(response);
        response.endWithoutBody();
      }),
      options: (response, request) => cors.preflight(response, request),
    });

    /** Refuses a client that comes too fast, before anybody is asked which user it is. */
    function inTime(handler: Handler): Handler {
      return (response, request, head) => {
        const tooFast = connectRates.refusalOf(response);
        if (tooFast === undefined) return handler(response, request, head);
        const { reason, refusal } = tooFast;
        refused(
          response,
          reason,
          cors.headersFor(request),
          refusal.text,
          isEventSource(request, path),
          refusal,
        );
      };
    }

    function protect(handler: IdentifiedHandler) {
      return authentication.protect(
        handler,
        (response, request, _head, { reason, sentence, refusal, challenge }) => {
          const headers = [...cors.headersFor(request), ...challenge];
          refused(response, reason, headers, sentence, isEventSource(request, path), refusal);
        },
      );
    }
  }

  /** Places may have been taken, and users may have changed, while history was read. */
  function open(response: HttpResponse, transport: Transport, asked: Asked, headers: Headers): void {
    const { ids, from, byEventSource } = asked;
    const identity = identityNow(access, asked.waiting, ids);
    if ('reason' in identity)
      return refused(response, identity.reason, headers, identity.sentence, byEventSource);
    const reason = streams.refusalOf(response, identity);
    if (reason !== undefined) refused(response, reason, headers, undefined, byEventSource);
    else streams.open(response, transport, ids, from, headers, identity);
  }

  function admitted(
    response: HttpResponse,
    request: HttpRequest,
    headerBytes: number,
    ids: Parsed<string[]>,
    headers: Headers,
    { identity, byEventSource }: Pick<Asked, 'byEventSource'> & { readonly identity: Identity },
  ): Asked | undefined {
    if (!ids.ok) return refused(response, 'bad-id', headers, ids.problem);
    // First, as rules are walked for each id.
    if (ids.value.length > config.idsPerConnectionMax) return refused(response, 'too-many-ids', headers);
    const forbidden = refusalToRead(access.authorizer, identity, ids.value);
    if (forbidden !== undefined) return refused(response, 'not-allowed', headers, forbidden);
    const query = new URLSearchParams(request.getQuery() ?? '');
    const from = resumeFrom(request, query, ids.value.length);
    if (!from.ok) return refused(response, 'bad-cursor', headers, from.problem);
    const reason = streams.refusalOf(response, identity);
    if (reason !== undefined) return refused(response, reason, headers, undefined, byEventSource);
    const problem = cursorRoomProblem(request, from.value, headerBytes, ids.value.length, config);
    if (problem !== undefined) return refused(response, 'no-room-for-cursor', headers, problem);
    return { ids: ids.value, from: from.value, waiting: access.changes.waiting(identity), byEventSource };
  }

  function refused(
    response: HttpResponse,
    reason: RefusalReason,
    headers: Headers,
    detail?: string,
    byEventSource = false,
    refusal: Refusal = refusals[reason],
  ): undefined {
    counters.refused[reason]++;
    // An EventSource comes again after a connection that closes, and after 200, but never after another status.
    if (reason === 'stopping') response.close();
    else if (byEventSource && refusal.retryAfterSec !== undefined) tellToRetry(response, refusal, headers);
    else refuse(response, refusal, headers, detail);
  }
}

/** EventSource accepts this type, and nobody else does unless it means the same (HTML 9.2.3). */
function isEventSource(request: HttpRequest, path: string): boolean {
  return path.startsWith('/events') && request.getHeader('accept').includes('text/event-stream');
}

/** A stream that is over at once: the only way to say "come again later" in which an EventSource survives. */
function tellToRetry(response: HttpResponse, { text, retryAfterSec }: Refusal, headers: Headers): void {
  // Spread, so that those that were refused together do not come together; never before its time.
  const retryMs = Math.floor(retryAfterSec! * 1000 * (1 + Math.random() / 4));
  const head: Headers = [
    ['Content-Type', 'text/event-stream; charset=utf-8'],
    ['Cache-Control', 'no-store'],
    ...headers,
  ];
  answer(response, '200 OK', head, `retry: ${retryMs}\n: ${text}\n`, true);
}
