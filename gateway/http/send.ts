import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { Message } from '../../router/message.js';
import type { Router } from '../../router/router.js';
import type { Config } from '../config.js';
import type { Counters } from '../counters.js';
import { answerText, endOrClose, type Headers } from './answer.js';
import type { ApiGuard } from './api-guard.js';
import type { Bodies } from './body.js';
import { idFromPath } from './request.js';
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
    const id = idFromPath(request, '/send/', this.#config);
    if (!id.ok) return this.#refuse(response, cors, id.problem);
    const options = optionsFromQuery(request);
    if (!options.ok) return this.#refuse(response, cors, options.problem);
    const { qos, retain } = options.value;
    this.#bodies.read(response, cors, this.#config.messageBytesMax, (payload) => {
      const delivered = this.#router.publish(new Message(id.value, payload, Date.now(), qos, retain));
      answerDelivered(response, cors, delivered);
    });
  };

  #refuse(response: HttpResponse, cors: Headers, problem: string): void {
    this.#counters.countApiError('400');
    answerText(response, '400 Bad Request', problem, cors);
  }
}

/** The answer of the hot path: no status line is 200, and each call into uWS is 0.1 µs. */
function answerDelivered(response: HttpResponse, cors: Headers, delivered: number): void {
  response.writeHeader('Content-Type', 'application/json');
  for (const [name, value] of cors) response.writeHeader(name, value);
  const body = `{"delivered":${delivered}}`;
  endOrClose(response, body, body.length);
}
