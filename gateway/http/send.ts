import type { HttpResponse } from 'uWebSockets.js';
import type { Outcome } from '../../router/engine/engine.js';
import { Message } from '../../router/message.js';
import type { Router } from '../../router/router.js';
import type { Config } from '../config.js';
import type { Counters } from '../counters.js';
import { answerJson, answerJsonText, type Headers, retryHeader, whenKnown } from './answer.js';
import type { ApiGuard, ApiHandler } from './api-guard.js';
import type { Bodies } from './body.js';
import { idempotencyKeyOf, optionsFromQuery, recipientFromPath } from './request.js';

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

  readonly handle: ApiHandler = (response, request, head, cors, caller) => {
    const id = recipientFromPath(request, '/send/', this.#config);
    if (!id.ok) return this.#guard.refuse(response, cors, id.problem);
    if (!this.#guard.allows(response, cors, caller, 'publish', id.value)) return;
    const options = optionsFromQuery(request);
    if (!options.ok) return this.#guard.refuse(response, cors, options.problem);
    const key = idempotencyKeyOf(head);
    if (!key.ok) return this.#guard.refuse(response, cors, key.problem);
    const { qos, retain, wait, followers } = options.value;
    const budget = this.#guard.budgetOf(response, cors, caller);
    if (budget === false) return;
    this.#bodies.read(response, cors, this.#config.messageBytesMax, (payload) => {
      budget?.take();
      const message = new Message(id.value, payload, Date.now(), qos, retain);
      this.#send(response, cors, message, wait, key.value, followers);
    });
  };

  /** Answers when it is known how many took it, or that it is carried: at once, where there is no other node. */
  #send(
    response: HttpResponse,
    cors: Headers,
    message: Message,
    count: boolean,
    idempotencyKey: string,
    followers: boolean | undefined,
  ): void {
    whenKnown<Outcome>(
      response,
      (onOutcome) => this.#router.publish(message, { onOutcome, count, idempotencyKey, followers }),
      (outcome) => this.#answer(response, cors, outcome, count),
    );
  }

  #answer(response: HttpResponse, cors: Headers, outcome: Outcome, count: boolean): void {
    const { delivered, unanswered, repeated } = outcome;
    if (outcome.carried !== 'yes') {
      const { status, error } = failureOf(outcome);
      this.#counters.countApiError(status);
      const headers = status === '503' ? [...cors, retryHeader] : cors;
      return answerJson(response, failureStatus[status], { delivered, error }, headers);
    }
    if (repeated) answerJson(response, '200 OK', { delivered, unanswered, repeated }, cors);
    else if (!count) answerJson(response, '202 Accepted', { accepted: true }, cors);
    else if (unanswered === 0) answerJsonText(response, `{"delivered":${delivered}}`, cors);
    else answerJson(response, '200 OK', { delivered, unanswered }, cors);
  }
}

/** Status lines of messages that were not carried to the other nodes, or are not known to have been. */
export const failureStatus = {
  503: '503 Service Unavailable',
  504: '504 Gateway Timeout',
} as const;

const notCarriedText = 'Redis cannot be reached: nobody got it. Send it again later.';
const unknownText =
  'No answer came in time, so it is not known whether the message was sent. Look before you send it again.';

/** The answer to the publisher of such a message. */
export function failureOf({ carried, reason }: Outcome): { status: '503' | '504'; error: string } {
  if (carried === 'no') return { status: '503', error: reason ?? notCarriedText };
  return { status: '504', error: reason ?? unknownText };
}
