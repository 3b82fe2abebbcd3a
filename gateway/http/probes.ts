import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import type { Numbers } from '../cluster/stats-sum.js';
import { type ProbedNode, readinessOf, readStats, scopeExpected, scopeIn } from '../probed-node.js';
import { answerJson, answerText, type Headers, whenKnown } from './answer.js';
import type { ApiGuard } from './api-guard.js';
import type { FrontDoor } from './front-door.js';
import { bindPath, type Handler } from './methods.js';

export interface ProbesParts extends ProbedNode {
  readonly guard: ApiGuard;
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

function answerReady(response: HttpResponse, parts: ProbesParts): void {
  const { isReady, text } = readinessOf(parts);
  answerText(response, isReady ? '200 OK' : '503 Service Unavailable', text);
}

function answerStats(parts: ProbesParts, response: HttpResponse, request: HttpRequest, cors: Headers): void {
  const scope = scopeIn(new URLSearchParams(request.getQuery() ?? ''));
  if (scope === undefined) return parts.guard.refuse(response, cors, scopeExpected);
  whenKnown<Numbers>(
    response,
    (onKnown) => readStats(parts, scope, onKnown),
    (numbers) => answerJson(response, '200 OK', numbers, cors),
  );
}
