import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import type { Identity } from '../../../access/identity.js';
import type { ResumeFrom } from '../../../router/history/cursor.js';
import type { History } from '../../../router/history/history.js';
import type { AccessControl } from '../../access-control.js';
import { type Refusal, type RefusalReason, refusals } from '../../close-reason.js';
import type { Config } from '../../config.js';
import { revalidates, unrecovered } from '../../connections.js';
import type { Counters } from '../../counters.js';
import type { WaitingIdentity } from '../../identity-changes.js';
import { type Headers, refuse } from '../answer.js';
import type { HttpAuthentication, IdentifiedHandler } from '../authentication.js';
import type { FrontDoor } from '../front-door.js';
import { bindPath } from '../methods.js';
import { idsFromPath, idsFromQuery, type Parsed } from '../request.js';
import { identityNow, refusalToRead } from './allowed-ids.js';
import type { Cors } from './cors.js';
import { cursorRoomProblem } from './cursor-room.js';
import { answerBytesMax, answerMessagesMax, type Polls } from './polls.js';
import { cursorFrom, lastEventIdOf, type Resume, resumeFrom, whenPrepared } from './resume-from.js';
import type { Streams } from './streams.js';

interface Asked extends Resume {
  readonly waiting: WaitingIdentity;
  readonly timeoutSec: number;
  /** The client gave its cursor as If-None-Match. */
  readonly asksAgain: boolean;
}

export interface PollRoutesParts {
  readonly polls: Polls;
  readonly streams: Streams;
  readonly history: History;
  readonly config: Config;
  readonly counters: Counters;
  readonly cors: Cors;
  readonly authentication: HttpAuthentication;
  readonly access: AccessControl;
}

/** `GET /poll/<id>` and `/poll?id=…`: answered at once with what was missed, or with what comes next. */
export function bindPolls(door: FrontDoor, parts: PollRoutesParts): void {
  const { polls, streams, history, config, counters, cors, authentication, access } = parts;
  bind('/poll/', '*', (request) => idsFromPath(request, '/poll/', config));
  bind('/poll', '', (request) => idsFromQuery(request, '/poll', config));

  function bind(path: string, rest: '*' | '', idsOf: (request: HttpRequest) => Parsed<string[]>): void {
    const answeredBy = (answer: typeof poll) =>
      protect((response, request, { headerBytes }, identity) => {
        const headers = cors.headersFor(request);
        const asked = read(request, headerBytes, idsOf(request), identity);
        if (!asked.ok) return refused(response, asked.reason, headers, asked.problem);
        whenPrepared(history, response, asked.value, () => {
          const now = identityNow(access, asked.value.waiting, asked.value.ids);
          if ('reason' in now) refused(response, now.reason, headers, now.sentence);
          else answer(response, asked.value, headers, now);
        });
      });
    bindPath(door, path + rest, {
      get: answeredBy(poll),
      head: answeredBy(describe),
      options: (response, request) => cors.preflight(response, request),
    });
  }

  function protect(handler: IdentifiedHandler) {
    return authentication.protect(
      handler,
      (response, request, _head, { reason, sentence, refusal, challenge }) =>
        refused(response, reason, [...cors.headersFor(request), ...challenge], sentence, refusal),
    );
  }

  function poll(response: HttpResponse, asked: Asked, headers: Headers, identity: Identity): void {
    const { ids, from, timeoutSec, asksAgain } = asked;
    let recovered = true;
    if (from !== undefined) {
      const resumed = history.resume(ids, from, answerMessagesMax, answerBytesMax);
      recovered = resumed.recovered;
      // Of an id without history nobody knows what was missed: at once, that would be the answer to each poll.
      if (resumed.messages.length > 0 || (!recovered && !isAt(from, resumed.offsets)))
        return polls.answerNow(response, ids, resumed, headers);
    }
    const flags = (asksAgain ? revalidates : 0) | (recovered ? 0 : unrecovered);
    if (timeoutSec === 0) return polls.answerNothing(response, ids, flags, headers);
    const reason = streams.refusalOf(response, identity);
    if (reason !== undefined) return refused(response, reason, headers);
    polls.open(response, ids, timeoutSec, flags, headers, identity);
  }

  /** HEAD: where the ids stand, and whether the client's cursor still leads there. */
  function describe(response: HttpResponse, { ids, from, asksAgain }: Asked, headers: Headers): void {
    const recovered = from === undefined || history.resume(ids, from, 0).recovered;
    const flags = (asksAgain ? revalidates : 0) | (recovered ? 0 : unrecovered);
    polls.answerNothing(response, ids, flags, headers);
  }

  function read(
    request: HttpRequest,
    headerBytes: number,
    ids: Parsed<string[]>,
    identity: Identity,
  ): { ok: true; value: Asked } | { ok: false; reason: RefusalReason; problem: string } {
    if (!ids.ok) return { ok: false, reason: 'bad-id', problem: ids.problem };
    if (ids.value.length > config.idsPerConnectionMax)
      return { ok: false, reason: 'too-many-ids', problem: refusals['too-many-ids'].text };
    const forbidden = refusalToRead(access.authorizer, identity, ids.value);
    if (forbidden !== undefined) return { ok: false, reason: 'not-allowed', problem: forbidden };
    const query = new URLSearchParams(request.getQuery() ?? '');
    const validator = validatorOf(request, query, ids.value.length);
    const from =
      validator === undefined
        ? resumeFrom(request, query, ids.value.length)
        : { ok: true as const, value: validator };
    if (!from.ok) return { ok: false, reason: 'bad-cursor', problem: from.problem };
    const timeoutSec = timeoutFrom(query.get('timeout'));
    if (!timeoutSec.ok) return { ok: false, reason: 'bad-timeout', problem: timeoutSec.problem };
    const problem = cursorRoomProblem(request, from.value, headerBytes, ids.value.length, config);
    if (problem !== undefined) return { ok: false, reason: 'no-room-for-cursor', problem };
    return {
      ok: true,
      value: {
        ids: ids.value,
        waiting: access.changes.waiting(identity),
        from: from.value,
        timeoutSec: timeoutSec.value,
        asksAgain: validator !== undefined,
      },
    };
  }

  function timeoutFrom(text: string | null): Parsed<number> {
    if (text === null) return { ok: true, value: Math.min(config.pollTimeoutSec, config.pollTimeoutSecMax) };
    if (!/^\d{1,6}$/.test(text) || Number(text) > config.pollTimeoutSecMax)
      return {
        ok: false,
        problem: `timeout is a whole number of seconds, at most ${config.pollTimeoutSecMax}.`,
      };
    return { ok: true, value: Number(text) };
  }

  /** The cursor is the one that the client gave before: an answer would tell it nothing new. */
  function isAt(from: ResumeFrom, offsets: readonly number[]): boolean {
    if (!('epoch' in from) || from.epoch !== history.epoch) return false;
    return offsets.every((offset, index) => offset === from.offsets[index]);
  }

  function refused(
    response: HttpResponse,
    reason: RefusalReason,
    headers: Headers,
    detail?: string,
    refusal: Refusal = refusals[reason],
  ): void {
    counters.refused[reason]++;
    if (reason === 'stopping') response.close();
    else refuse(response, refusal, headers, detail);
  }
}

/**
 * If-None-Match, or nothing where the client gives a cursor besides: a browser adds the ETag of what it keeps by
 * itself, which another tab may have fetched, and what lies between the two would never be seen. Nothing, too, where it
 * is none of ours (`*`, a list, an ETag that a proxy has changed): then nothing of ours can match it (RFC 9110 13.1.2).
 */
function validatorOf(request: HttpRequest, query: URLSearchParams, idCount: number): ResumeFrom | undefined {
  if (query.has('cursor') || lastEventIdOf(request, query) !== '') return undefined;
  const validator = request.getHeader('if-none-match');
  if (validator === '') return undefined;
  const parsed = cursorFrom(validator.replace(/^(?:W\/)?"(.*)"$/, '$1'), idCount);
  return parsed.ok ? parsed.value : undefined;
}
