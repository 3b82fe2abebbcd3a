import type { HttpRequest, HttpResponse, TemplatedApp } from 'uWebSockets.js';
import type { Router } from '../../router/router.js';
import type { Config } from '../config.js';
import type { Counters } from '../counters.js';
import type { Stats } from '../stats.js';
import { answerJson, answerText, type Headers } from './answer.js';
import type { ApiGuard } from './api-guard.js';
import { Bodies } from './body.js';
import { bindPath, bindRest, type Handler } from './methods.js';
import { idFromPath } from './request.js';
import { SendEndpoint } from './send.js';
import { SendBatchEndpoint } from './send-batch.js';

export interface ApiParts {
  readonly router: Router;
  readonly config: Config;
  readonly counters: Counters;
  readonly guard: ApiGuard;
  readonly stats: Stats;
  /** False from the moment a stop is asked for. */
  readonly ready: () => boolean;
}

/** The router API: a listener of its own, on loopback unless there is a token. @returns the bodies, for the sweeper */
export function bindApi(app: TemplatedApp, parts: ApiParts): Bodies {
  const { router, config, counters, guard } = parts;
  const bodies = new Bodies(config.bodyTimeoutSec, (status) => counters.countApiError(status));
  const send = new SendEndpoint(router, config, counters, guard, bodies);
  const sendBatch = new SendBatchEndpoint(router, config, counters, guard, bodies);
  const options: Handler = (response, request) => guard.preflight(response, request);
  bindPath(app, '/send/*', { post: send.handle, options });
  bindPath(app, '/send', { post: sendBatch.handle, options });
  bindPath(app, '/ids/*', { get: guarded(parts, answerIds), options });
  bindPath(app, '/stats', { get: guarded(parts, answerStats), options });
  // Probes carry no token: an orchestrator has none, and they tell nothing.
  bindPath(app, '/health', { get: (response) => answerText(response, '200 OK', 'alive') });
  bindPath(app, '/ready', { get: answerReady });
  bindRest(app, 'Not here. POST /send/<id>, POST /send, GET /ids/<id>, /stats, /health, /ready.');
  return bodies;

  function answerReady(response: HttpResponse): void {
    if (parts.ready()) answerText(response, '200 OK', 'ready');
    else answerText(response, '503 Service Unavailable', 'stopping');
  }

  function answerStats(response: HttpResponse, _request: HttpRequest, cors: Headers): void {
    answerJson(response, '200 OK', parts.stats.all(), cors);
  }

  function answerIds(response: HttpResponse, request: HttpRequest, cors: Headers): void {
    const id = idFromPath(request, '/ids/', config);
    if (!id.ok) {
      counters.countApiError('400');
      return answerText(response, '400 Bad Request', id.problem, cors);
    }
    answerJson(response, '200 OK', { id: id.value, subscribers: router.count(id.value) }, cors);
  }
}

type GuardedHandler = (response: HttpResponse, request: HttpRequest, cors: Headers) => void;

function guarded(parts: ApiParts, handler: GuardedHandler): Handler {
  return (response, request) => {
    const cors = parts.guard.admitRead(response, request);
    if (cors !== undefined) handler(response, request, cors);
  };
}
