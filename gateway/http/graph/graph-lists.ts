import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { idPageMax } from '../../../router/graph/graph.js';
import type { FriendsGraph, ListOfId } from '../../../router/graph/shared-graph.js';
import type { Config } from '../../config.js';
import type { Counters } from '../../counters.js';
import { answerJson, answerLargeJson, type Headers, retryHeader, whenKnown } from '../answer.js';
import type { ApiGuard, ApiHandler } from '../api-guard.js';
import { checkId, type Parsed, percentDecode } from '../request.js';
import type { UnsentAnswers } from '../streams/unsent-answers.js';

const limitDefault = 1000;
/** Most characters of a cursor, besides those of the id in it, which is base64url. */
const afterRestMax = 20;

const listOfPath = /^\/graph\/(.+)\/(subscribers|subscriptions)$/s;

interface ListsParts {
  readonly friends: FriendsGraph;
  readonly config: Config;
  readonly counters: Counters;
  readonly guard: ApiGuard;
  /** Sends the answers: pages of long ids are large. */
  readonly unsent: UnsentAnswers;
}

/** Answers `GET /graph/<id>/subscribers` and `/subscriptions`, in pages. */
export function listHandler(parts: ListsParts): ApiHandler {
  const { friends, config, guard } = parts;
  return (response, request, _head, cors, caller) => {
    const [, idText, which] = listOfPath.exec(request.getUrl()) ?? [];
    if (idText === undefined)
      return guard.refuse(
        response,
        cors,
        'Say which list: /graph/<id>/subscribers or /graph/<id>/subscriptions.',
      );
    const id = checkId(percentDecode(idText, 0), config);
    if (!id.ok) return guard.refuse(response, cors, id.problem);
    if (!guard.allows(response, cors, caller, 'subscribe', id.value)) return;
    const page = pageOf(request, config);
    if (!page.ok) return guard.refuse(response, cors, page.problem);
    const { limit, after } = page.value;
    answerPage(parts, response, cors, friends.list(which as ListOfId, id.value, limit, after), (found) => ({
      id: id.value,
      count: found.count,
      [which!]: found.ids,
      next: found.next,
    }));
  };
}

/** Answers `GET /graph`: all edges, by subscriber, in pages. */
export function edgesHandler(parts: ListsParts): ApiHandler {
  const { friends, config, guard } = parts;
  return (response, request, _head, cors, caller) => {
    const page = pageOf(request, config);
    if (!page.ok) return guard.refuse(response, cors, page.problem);
    const { limit, after } = page.value;
    const wants = (subscriber: string) => guard.mayDo(caller, 'subscribe', subscriber);
    answerPage(parts, response, cors, friends.edges(limit, after, wants), (found) => found);
  };
}

/** @param found undefined for an `after` that no page has given */
function answerPage<Page>(
  { guard, unsent, counters }: ListsParts,
  response: HttpResponse,
  cors: Headers,
  found: Promise<Page | undefined>,
  bodyOf: (page: Page) => object,
): void {
  whenKnown<Page | undefined | Error>(
    response,
    (onKnown) => {
      found.then(onKnown, onKnown);
    },
    (page) => {
      if (page === undefined) return guard.refuse(response, cors, 'after is "next" of the page before.');
      if (!(page instanceof Error))
        return answerLargeJson(response, bodyOf(page), cors, (...answer) => unsent.end(...answer));
      counters.countApiError('503');
      answerJson(response, '503 Service Unavailable', { error: page.message }, [...cors, retryHeader]);
    },
  );
}

/** Reads `?limit=1..10000&after=<next of the page before>`. */
function pageOf(request: HttpRequest, { idBytesMax }: Config): Parsed<{ limit: number; after: string }> {
  const parameters = new URLSearchParams(request.getQuery() ?? '');
  const limit = parameters.get('limit') ?? String(limitDefault);
  if (!/^\d{1,5}$/.test(limit) || Number(limit) < 1 || Number(limit) > idPageMax)
    return { ok: false, problem: `limit is a whole number from 1 to ${idPageMax}.` };
  const after = parameters.get('after') ?? '';
  if (
    after.length > Math.ceil((idBytesMax * 4) / 3) + afterRestMax ||
    (after === '' && parameters.has('after'))
  )
    return { ok: false, problem: 'after is "next" of the page before.' };
  return { ok: true, value: { limit: Number(limit), after } };
}
