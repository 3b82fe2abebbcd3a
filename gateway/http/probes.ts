import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import type { ClusterStats, StatsOfNodes } from '../cluster/cluster-stats.js';
import type { Counters } from '../counters.js';
import type { Stats } from '../stats.js';
import { answerJson, answerText, type Headers, whenKnown } from './answer.js';
import type { ApiGuard } from './api-guard.js';
import type { FrontDoor } from './front-door.js';
import { bindPath, type Handler } from './methods.js';

export interface ProbesParts {
  readonly counters: Counters;
  readonly guard: ApiGuard;
  readonly stats: Stats;
  /** Where there may be other nodes. */
  readonly clusterStats: ClusterStats | undefined;
  /** Why nothing should be sent here now; undefined = it may. */
  readonly whyNotReady: () => string | undefined;
  /** It is ready, and an operator is to mend something. */
  readonly warning: () => string | undefined;
}

/** The routes of every process, whatever its role: /health, /ready and /stats. */
export function bindProbes(door: FrontDoor, parts: ProbesParts): void {
  const options: Handler = (response, _request, head) => parts.guard.preflight(response, head);
  const get = parts.guard.protectRead((response, request, _head, cors, caller) => {
    if (caller.isSuperuser) answerStats(parts, response, request, cors);
    else
      parts.guard.forbid(response, cors, 'Statistics are for superusers, and for callers with --api-token.');
  });
  bindPath(door, '/stats', { get, options });
  // Probes carry no token: an orchestrator has none, and they tell nothing.
  bindPath(door, '/health', {
    // The landing page asks whether it can send from where it is.
    get: (response, _request, head) => answerText(response, '200 OK', 'alive', parts.guard.corsHeaders(head)),
  });
  bindPath(door, '/ready', { get: (response) => answerReady(response, parts) });
}

function answerReady(response: HttpResponse, { whyNotReady, warning }: ProbesParts): void {
  const whyNot = whyNotReady();
  const said = warning();
  if (whyNot === undefined)
    answerText(response, '200 OK', said === undefined ? 'ready' : `ready, but ${said}`);
  else answerText(response, '503 Service Unavailable', whyNot);
}

/** Of the whole group where this is one of several workers, as nobody can choose which one answers. */
function answerStats(parts: ProbesParts, response: HttpResponse, request: HttpRequest, cors: Headers): void {
  const { guard, stats, clusterStats } = parts;
  const scope = new URLSearchParams(request.getQuery() ?? '').get('scope') ?? 'group';
  if (scope !== 'node' && scope !== 'group') return guard.refuse(response, cors, 'scope is node or group.');
  if (scope === 'node' || clusterStats === undefined || !clusterStats.grouped)
    return answerJson(response, '200 OK', stats.all(), cors);
  whenKnown<StatsOfNodes>(
    response,
    (onKnown) => clusterStats.ofGroup(onKnown),
    ({ sum, nodes, unanswered }) =>
      answerJson(response, '200 OK', { ...sum, workers: nodes.length, unanswered }, cors),
  );
}
