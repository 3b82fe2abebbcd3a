import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import type { OnOutcome, Outcome } from '../../router/engine/engine.js';
import { Message } from '../../router/message.js';
import type { Router } from '../../router/router.js';
import type { Config } from '../config.js';
import type { Counters } from '../counters.js';
import { answerJson, endOrClose, type Headers, usualHeaders } from './answer.js';
import type { ApiGuard } from './api-guard.js';
import type { Bodies } from './body.js';
import { ConstantHeaders } from './constant-headers.js';
import { recipientFromPath } from './request.js';
import type { RequestHead } from './request-head.js';
import { failureOf, statusLines } from './send-failure.js';
import { idempotencyKeyOf, optionsFromQuery } from './send-options.js';

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

  readonly handle = (response: HttpResponse, request: HttpRequest, head: RequestHead): void => {
    const cors = this.#guard.admit(response, head);
    if (cors === undefined) return;
    const id = recipientFromPath(request, '/send/', this.#config);
    if (!id.ok) return this.#guard.refuse(response, cors, id.problem);
    const options = optionsFromQuery(request);
    if (!options.ok) return this.#guard.refuse(response, cors, options.problem);
    const key = idempotencyKeyOf(head);
    if (!key.ok) return this.#guard.refuse(response, cors, key.problem);
    const { qos, retain, wait } = options.value;
    this.#bodies.read(response, cors, this.#config.messageBytesMax, (payload) => {
      const message = new Message(id.value, payload, Date.now(), qos, retain);
      this.#send(response, cors, message, wait, key.value);
    });
  };

  /** Answers when it is known how many took it, or that it is carried: at once, where there is no other node. */
  #send(response: HttpResponse, cors: Headers, message: Message, counted: boolean, key: string): void {
    let waiting = false;
    let over = false;
    const answer: OnOutcome = (outcome) => {
      if (over) return; // nobody hears it
      over = true;
      if (waiting) response.cork(() => this.#answer(response, cors, outcome, counted));
      else this.#answer(response, cors, outcome, counted);
    };
    this.#router.publish(message, counted ? 'count' : 'carried', answer, key);
    if (over) return;
    waiting = true;
    response.onAborted(() => {
      over = true;
    });
  }

  #answer(response: HttpResponse, cors: Headers, outcome: Outcome, counted: boolean): void {
    const { delivered, unanswered, repeated } = outcome;
    if (outcome.carried !== 'yes') {
      const { status, error } = failureOf(outcome);
      this.#counters.countApiError(status);
      return answerJson(response, statusLines[status], { delivered, error }, cors);
    }
    if (repeated) answerJson(response, '200 OK', { delivered, unanswered, repeated }, cors);
    else if (!counted) answerJson(response, '202 Accepted', { accepted: true }, cors);
    else if (unanswered === 0) answerDelivered(response, cors, delivered);
    else answerJson(response, '200 OK', { delivered, unanswered }, cors);
  }
}

const deliveredHeaders = new ConstantHeaders([['Content-Type', 'application/json'], ...usualHeaders]);

/** The answer of the hot path: no status line is 200, and each call into uWS is 0.2 µs. */
function answerDelivered(response: HttpResponse, cors: Headers, delivered: number): void {
  if (response.closes === true) return answerJson(response, '200 OK', { delivered }, cors);
  deliveredHeaders.write(response);
  for (const [name, value] of cors) response.writeHeader(name, value);
  const body = `{"delivered":${delivered}}`;
  endOrClose(response, body, body.length);
}
