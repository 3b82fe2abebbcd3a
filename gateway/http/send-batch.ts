import type { HttpResponse } from 'uWebSockets.js';
import type { Identity } from '../../access/identity.js';
import { isCarried, type Outcome, type Wants } from '../../router/engine/engine.js';
import type { Router } from '../../router/router.js';
import type { Config } from '../config.js';
import type { Counters } from '../counters.js';
import type { FairTurns } from '../fair-turns.js';
import type { PublishBudget } from '../publish-rates.js';
import { answerJson, type Headers, retryHeader } from './answer.js';
import type { ApiGuard, ApiHandler } from './api-guard.js';
import type { Bodies } from './body.js';
import { type BadLines, BodyLines } from './body-lines.js';
import { messageFromJson } from './message-object.js';
import { idempotencyKeyOf, waitFromQuery } from './request.js';
import { failureOf, failureStatus } from './send.js';

/** Messages of one batch of which it is not known what has become of them; then its next lines wait. */
const undecidedMax = 4096;

/** Bodies of batches that take more than one turn, together. */
const bytesUnderWayMax = 64 * 1024 * 1024;

export interface BatchTotals extends BadLines {
  /** Good lines, each one message. */
  messages: number;
  /** Absent where nobody waits for it. */
  delivered?: number;
  /** Other nodes that did not say in time how many they delivered to, where there were any. */
  unanswered?: number;
  /** Messages that were not carried to the other nodes, and never will be, where there were any. */
  uncarried?: number;
  /** Messages that were sent before, under the same Idempotency-Key, where there were any. */
  repeated?: number;
  /** Messages of which it is not known whether they were carried, where there were any. */
  unknown?: number;
}

/**
 * `POST /send` with NDJSON lines `{"id","data"}`, for throughput: bad lines are named by number while the good
 * ones are delivered, in order. Empty lines are skipped.
 */
export class SendBatchEndpoint {
  readonly #router: Router;
  readonly #config: Config;
  readonly #counters: Counters;
  readonly #guard: ApiGuard;
  readonly #bodies: Bodies;
  readonly #turns: FairTurns;
  #bytesUnderWay = 0;

  constructor(
    router: Router,
    config: Config,
    counters: Counters,
    guard: ApiGuard,
    bodies: Bodies,
    turns: FairTurns,
  ) {
    this.#router = router;
    this.#config = config;
    this.#counters = counters;
    this.#guard = guard;
    this.#bodies = bodies;
    this.#turns = turns;
  }

  readonly handle: ApiHandler = (response, request, head, cors, caller) => {
    const wait = waitFromQuery(request);
    if (!wait.ok) return this.#guard.refuse(response, cors, wait.problem);
    const key = idempotencyKeyOf(head);
    if (!key.ok) return this.#guard.refuse(response, cors, key.problem);
    const budget = this.#guard.budgetOf(response, cors, caller);
    if (budget === false) return;
    this.#bodies.read(response, cors, this.#config.batchBytesMax, (body) => {
      this.#work(new Batch(body, wait.value, key.value, caller, budget), response, cors);
    });
  };

  /** A batch that does not fit into one turn goes on in the next ones, and lets the others have theirs. */
  #work(batch: Batch, response: HttpResponse, cors: Headers): void {
    if (this.#publishSome(batch) && batch.undecided === 0) return this.#answer(response, cors, batch);
    if (!this.#hold(batch, response, cors)) return;
    let aborted = false;
    // Accepted messages are sent even if the publisher has gone; nobody hears the totals then.
    response.onAborted(() => {
      aborted = true;
    });
    const end = () => {
      this.#bytesUnderWay -= batch.bytes;
      if (!aborted) response.cork(() => this.#answer(response, cors, batch));
    };
    const endOnceDecided = () => {
      if (batch.undecided === 0) end();
      else batch.onDecided = end;
    };
    const goOn = () => {
      if (this.#publishSome(batch)) endOnceDecided();
      else if (batch.undecided < undecidedMax) return true;
      else batch.onDecided = proceed;
      return false;
    };
    const proceed = () => {
      batch.onDecided = undefined;
      this.#turns.add({ overdue: false, goOn });
    };
    if (batch.done) endOnceDecided();
    else proceed();
  }

  /** A batch goes on though its publisher has gone, so those under way have a limit. @returns false when it is refused */
  #hold(batch: Batch, response: HttpResponse, cors: Headers): boolean {
    if (this.#bytesUnderWay + batch.bytes > bytesUnderWayMax) {
      const totals = { ...batch.totals, error: 'Too many batches are under way: the rest was not sent.' };
      this.#counters.countApiError('503');
      answerJson(response, '503 Service Unavailable', totals, [...cors, retryHeader]);
      return false;
    }
    this.#bytesUnderWay += batch.bytes;
    return true;
  }

  /** @returns true when all lines are done */
  #publishSome(batch: Batch): boolean {
    while (!batch.done && batch.undecided < undecidedMax) {
      const line = batch.take();
      if (line !== undefined) this.#publishLine(batch, line);
      if (this.#turns.over) break;
    }
    return batch.done;
  }

  #publishLine(batch: Batch, line: string): void {
    const sent = messageFromJson(line, this.#config);
    if (!sent.ok) return batch.addError(sent.problem);
    if (!this.#guard.mayDo(batch.caller, 'publish', sent.value.message.id))
      return batch.addForbidden('You may not send to this id.');
    batch.budget?.take();
    batch.totals.messages++;
    batch.undecided++;
    batch.followers = sent.value.followers;
    this.#router.publish(sent.value.message, batch);
  }

  #answer(response: HttpResponse, cors: Headers, { totals, worst, forbidden }: Batch): void {
    this.#counters.refused['not-allowed'] += forbidden;
    if (totals.messages === 0 && forbidden > 0 && forbidden === totals.bad) {
      this.#counters.countApiError('403');
      const error = 'You may not send to any of these ids: nothing was sent.';
      return answerJson(response, '403 Forbidden', { ...totals, error }, cors);
    }
    if (totals.messages === 0 && totals.bad > 0) {
      this.#counters.countApiError('400');
      const error =
        'No line of this batch is a message: nothing was sent. "errors" names what is wrong with each.';
      return answerJson(response, '400 Bad Request', { ...totals, error }, cors);
    }
    const status = totals.delivered === undefined ? '202 Accepted' : '200 OK';
    if (worst.carried === 'yes') return answerJson(response, status, totals, cors);
    const failure = failureOf(worst);
    this.#counters.countApiError(failure.status);
    answerJson(response, failureStatus[failure.status], { ...totals, error: failure.error }, cors);
  }
}

/** A batch, and what has become of its messages so far. */
class Batch extends BodyLines implements Wants {
  readonly #key: string;
  /** Whether the publisher waits for the number of subscribers that took its messages. */
  readonly count: boolean;
  /** The rights of this user hold for each line. */
  readonly caller: Identity;
  /** A batch is sent whole: what is more than its sender may send at once is paid back before the next one. */
  readonly budget: PublishBudget | undefined;
  /** Whether the line taken last goes to followers, too. */
  followers: boolean | undefined;
  readonly totals: BatchTotals;
  /** Messages of which it is not known yet what has become of them. */
  undecided = 0;
  /** Called once that is known of all, when the last line is done. */
  onDecided: (() => void) | undefined;
  /** The worst outcome of its messages: one that may have been carried is to be asked for before it is sent again. */
  worst: Outcome = isCarried;

  /** @param key an Idempotency-Key, or '' */
  constructor(
    body: Buffer,
    count: boolean,
    key: string,
    caller: Identity,
    budget: PublishBudget | undefined,
  ) {
    super(body);
    this.budget = budget;
    this.#key = key;
    this.count = count;
    this.caller = caller;
    this.totals = { messages: 0, ...(count ? { delivered: 0 } : {}), bad: 0, errors: [] };
  }

  /** The key of the line taken last: a batch that is sent again has the same lines. */
  get idempotencyKey(): string {
    return this.#key === '' ? '' : `${this.#key}:${this.line}`;
  }

  readonly onOutcome = (outcome: Outcome): void => {
    const { totals } = this;
    const { delivered, unanswered } = outcome;
    if (this.count) totals.delivered! += delivered;
    if (unanswered > 0) totals.unanswered = Math.max(totals.unanswered ?? 0, unanswered);
    if (outcome.carried !== 'yes') this.#noteFailed(outcome);
    if (outcome.repeated) totals.repeated = (totals.repeated ?? 0) + 1;
    this.undecided--;
    if (this.undecided === (this.done ? 0 : undecidedMax / 2)) this.onDecided?.();
  };

  #noteFailed(outcome: Outcome): void {
    const { totals } = this;
    if (outcome.carried === 'no') totals.uncarried = (totals.uncarried ?? 0) + 1;
    else totals.unknown = (totals.unknown ?? 0) + 1;
    if (this.worst.carried !== 'unknown') this.worst = outcome;
  }
}
