import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import type { Identity } from '../../access/identity.js';
import type { Router } from '../../router/router.js';
import type { Kicks } from '../cluster/kicks.js';
import type { Found, SubscriberLocations } from '../cluster/subscriber-locations.js';
import type { Config } from '../config.js';
import type { Counters } from '../counters.js';
import type { FairTurns } from '../fair-turns.js';
import { answerJson, type Headers, whenKnown } from './answer.js';
import { Bodies } from './body.js';
import type { FrontDoor } from './front-door.js';
import { GraphChanges } from './graph/graph-changes.js';
import { edgesHandler, listHandler } from './graph/graph-lists.js';
import { KickEndpoint } from './kick.js';
import { bindPath, type Handler } from './methods.js';
import type { ProbesParts } from './probes.js';
import { idFromPath } from './request.js';
import { SendEndpoint } from './send.js';
import { SendBatchEndpoint } from './send-batch.js';
import type { UnsentAnswers } from './streams/unsent-answers.js';

export interface ApiParts extends ProbesParts {
  readonly router: Router;
  readonly config: Config;
  readonly counters: Counters;
  readonly subscriberLocations: SubscriberLocations;
  readonly turns: FairTurns;
  readonly unsent: UnsentAnswers;
  readonly kicks: Kicks;
}

/** The router API: a listener of its own, on loopback unless there is a token. @returns the bodies, for the sweeper */
export function bindApi(door: FrontDoor, parts: ApiParts): Bodies {
  const { router, config, counters, guard, turns } = parts;
  const bodies = new Bodies(config.bodyTimeoutSec, config.bodiesBytesTotalMax, (status) =>
    counters.countApiError(status),
  );
  const send = new SendEndpoint(router, config, counters, guard, bodies);
  const sendBatch = new SendBatchEndpoint(router, config, counters, guard, bodies, turns);
  const options: Handler = (response, _request, head) => guard.preflight(response, head);
  bindPath(door, '/send/*', { post: guard.protect(send.handle), options });
  bindPath(door, '/send', { post: guard.protect(sendBatch.handle), options });
  bindPath(door, '/kick', {
    post: guard.protect(new KickEndpoint(parts.kicks, config, guard).handle),
    options,
  });
  const get = guard.protectRead((response, request, _head, cors, caller) =>
    answerIds(parts, response, request, cors, caller),
  );
  bindPath(door, '/ids/*', { get, options });
  const graph = { ...parts, graph: router.graph, friends: router.friends, bodies };
  const changes = guard.protect(new GraphChanges(graph).handle);
  bindPath(door, '/graph', { get: guard.protectRead(edgesHandler(graph)), post: changes, options });
  bindPath(door, '/graph/*', { get: guard.protectRead(listHandler(graph)), options });
  return bodies;
}

function answerIds(
  parts: ApiParts,
  response: HttpResponse,
  request: HttpRequest,
  cors: Headers,
  caller: Identity,
): void {
  const { config, guard, subscriberLocations } = parts;
  const id = idFromPath(request, '/ids/', config);
  if (!id.ok) return guard.refuse(response, cors, id.problem);
  if (!guard.allows(response, cors, caller, 'subscribe', id.value)) return;
  whenKnown<Found>(
    response,
    (onFound) => subscriberLocations.find(id.value, onFound),
    (found) => answerJson(response, '200 OK', found, cors),
  );
}
