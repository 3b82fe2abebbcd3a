import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import type { Tally } from '../../router/engine/engine.js';
import { Message } from '../../router/message.js';
import type { Router } from '../../router/router.js';
import type { Config } from '../config.js';
import type { Counters } from '../counters.js';
import { answerJson, endOrClose, type Headers, writeKeepAlive } from './answer.js';
import type { ApiGuard } from './api-guard.js';
import type { Bodies } from './body.js';
import { writeSecurityHeaders } from './content-policy.js';
import { recipientFromPath } from './request.js';
import { optionsFromQuery } from './send-options.js';

/** `POST /send/<id>`: the body is the message, whatever it is. Step 1 of the way of a message. */
export class SendEndpoint {
  readonly #router: Router;
  readonly #config: Config;
  readonly #counters: Counters;
  readonly #guard: ApiGuard;
  readonly #bodies: Bodies;

  constructor(router: Router, config: Config, counters: Counters, guard: ApiGuard, bodies: Bodies) {
    this.#router = router;
    this.#config = config;
    this.#counters = counters;
    this.#guard = guard;
    this.#bodies = bodies;
  }

  readonly handle = (response: HttpResponse, request: HttpRequest): void => {
    const cors = this.#guard.admit(response, request);
    if (cors === undefined) return;
    const id = recipientFromPath(request, '/send/', this.#config);
    if (!id.ok) return this.#guard.refuse(response, cors, id.problem);
    const options = optionsFromQuery(request);
    if (!options.ok) return this.#guard.refuse(response, cors, options.problem);
    const { qos, retain, wait } = options.value;
    this.#bodies.read(response, cors, this.#config.messageBytesMax, (payload) => {
      const message = new Message(id.value, payload, Date.now(), qos, retain);
      if (wait) this.#sendCounted(response, cors, message);
      else this.#sendUncounted(response, cors, message);
    });
  };

  /** Answers when it is known how many took it: at once, where there is no other node. */
  #sendCounted(response: HttpResponse, cors: Headers, message: Message): void {
    let waiting = false;
    let over = false;
    this.#router.publishCounted(message, (tally) => {
      if (over) return; // nobody hears it
      over = true;
      if (waiting) response.cork(() => this.#answer(response, cors, tally));
      else this.#answer(response, cors, tally);
    });
    if (over) return;
    waiting = true;
    response.onAborted(() => {
      over = true;
    });
  }

  #sendUncounted(response: HttpResponse, cors: Headers, message: Message): void {
    const tally = this.#router.publishUncounted(message);
    if (!tally.carried) return this.#answer(response, cors, tally);
    // Not how many here took it: what has history comes back later, so that would be 0.
    answerJson(response, '202 Accepted', { accepted: true }, cors);
  }

  #answer(response: HttpResponse, cors: Headers, { delivered, unanswered, carried }: Tally): void {
    if (carried && unanswered === 0) return answerDelivered(response, cors, delivered);
    if (carried) return answerJson(response, '200 OK', { delivered, unanswered }, cors);
    this.#counters.countApiError('503');
    answerJson(response, '503 Service Unavailable', { delivered, error: notCarriedText }, cors);
  }
}

/** What is said of a send that reached this node's own subscribers at most, or is not known to have gone further. */
export const notCarriedText =
  'NATS cannot be reached: at most who is connected to this node got it. Send it again later.';

/** The answer of the hot path: no status line is 200, and each call into uWS is 0.1 µs. */
function answerDelivered(response: HttpResponse, cors: Headers, delivered: number): void {
  response.writeHeader('Content-Type', 'application/json');
  writeSecurityHeaders(response);
  writeKeepAlive(response);
  for (const [name, value] of cors) response.writeHeader(name, value);
  const body = `{"delivered":${delivered}}`;
  endOrClose(response, body, body.length);
}
