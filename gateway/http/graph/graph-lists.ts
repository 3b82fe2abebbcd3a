import type { HttpRequest } from 'uWebSockets.js';
import { type Graph, idPageMax } from '../../../router/graph/graph.js';
import type { Config } from '../../config.js';
import { answerLargeJson } from '../answer.js';
import type { ApiGuard, ApiHandler } from '../api-guard.js';
import { checkId, type Parsed, percentDecode } from '../request.js';
import type { UnsentAnswers } from '../streams/unsent-answers.js';

const limitDefault = 1000;
/** Highest cursor of a list: 32 bits. */
const afterMax = 0xffffffff;

const listOfPath = /^\/graph\/(.+)\/(subscribers|subscriptions)$/s;

interface ListsParts {
  readonly graph: Graph;
  readonly config: Config;
  readonly guard: ApiGuard;
  /** Sends the answers: pages of long ids are large. */
  readonly unsent: UnsentAnswers;
}

/** Answers `GET /graph/<id>/subscribers` and `/subscriptions`, in pages. */
export function listHandler({ graph, config, guard, unsent }: ListsParts): ApiHandler {
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
    const page = pageOf(request);
    if (!page.ok) return guard.refuse(response, cors, page.problem);
    const { limit, after } = page.value;
    const found =
      which === 'subscribers'
        ? graph.subscribersOf(id.value, limit, after)
        : graph.subscriptionsOf(id.value, limit, after);
    const { count, ids, next } = found;
    const list = { id: id.value, count, [which!]: ids, ...nextText(next) };
    answerLargeJson(response, list, cors, (...answer) => unsent.end(...answer));
  };
}

/** Answers `GET /graph`: all edges, by subscriber, in pages. */
export function edgesHandler({ graph, guard, unsent }: ListsParts): ApiHandler {
  return (response, request, _head, cors, caller) => {
    const page = pageOf(request);
    if (!page.ok) return guard.refuse(response, cors, page.problem);
    const { edges, next } = graph.edgesAfter(page.value.after, page.value.limit, (subscriber) =>
      guard.mayDo(caller, 'subscribe', subscriber),
    );
    const list = { count: graph.edges, edges, ...nextText(next) };
    answerLargeJson(response, list, cors, (...answer) => unsent.end(...answer));
  };
}

function nextText(next: number | undefined): { next?: string } {
  return next === undefined ? {} : { next: next.toString(36) };
}

/** Reads `?limit=1..10000&after=<next of the page before>`. */
function pageOf(request: HttpRequest): Parsed<{ limit: number; after: number }> {
  const parameters = new URLSearchParams(request.getQuery() ?? '');
  const limit = parameters.get('limit') ?? String(limitDefault);
  if (!/^\d{1,5}$/.test(limit) || Number(limit) < 1 || Number(limit) > idPageMax)
    return { ok: false, problem: `limit is a whole number from 1 to ${idPageMax}.` };
  const text = parameters.get('after');
  if (text === null) return { ok: true, value: { limit: Number(limit), after: -1 } };
  const after = /^[0-9a-z]{1,7}$/.test(text) ? Number.parseInt(text, 36) : afterMax + 1;
  if (after > afterMax) return { ok: false, problem: 'after is "next" of the page before.' };
  return { ok: true, value: { limit: Number(limit), after } };
}
