import type { HttpResponse } from 'uWebSockets.js';
import type { Identity } from '../../../access/identity.js';
import type { History, Resumed } from '../../../router/history/history.js';
import type { Message } from '../../../router/message.js';
import { ownText } from '../../../router/own-copy.js';
import type { Router } from '../../../router/router.js';
import type { Delivery } from '../../../router/subscriber.js';
import type { AccessControl } from '../../access-control.js';
import type { Admission } from '../../admission.js';
import { type Clock, ticksPerSec } from '../../clock.js';
import type { CloseReason } from '../../close-reason.js';
import { type Connections, unrecovered } from '../../connections.js';
import type { Counters } from '../../counters.js';
import type { Headers } from '../answer.js';
import { refusalToRead } from './allowed-ids.js';
import { Poll } from './poll.js';
import { PollAnswer, type PollResult } from './poll-answer.js';
import type { UnsentAnswers } from './unsent-answers.js';

/** Messages in one answer, and bytes of their payloads; a client that is further behind polls again (`more`). */
export const answerMessagesMax = 100;
export const answerBytesMax = 256 * 1024;

export interface PollsParts {
  readonly router: Router;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly connections: Connections;
  readonly admission: Admission;
  readonly unsent: UnsentAnswers;
  readonly access: AccessControl;
}

/**
 * Long-polls that wait. One is answered at the end of the turn of the loop that brings it a message, with all that
 * the turn has brought, and is gone then; what a client has between two polls is a cursor, and nothing here.
 *
 *     open --> waits in a slot, logged in --> arrived: answered at the end of the turn
 *                                         --> due: 204 with the cursor
 *                                         --> aborted: gone; its cursor is the client's, so nothing is lost
 */
export class Polls {
  readonly #parts: PollsParts;
  readonly #history: History;
  readonly #class: PollClass;
  readonly #answer: PollAnswer;
  /** Polls that this turn has brought something. */
  readonly #arrived = new Map<Poll, Message[]>();
  /** CORS headers of those that wait, by slot: few have any. */
  readonly #headers = new Map<number, Headers>();

  /** One function for all; bound to its poll it is 48 bytes, where a closure would be over 100. */
  readonly #onAborted: (this: Poll) => void;

  constructor(parts: PollsParts) {
    const aborted = (poll: Poll) => this.#release(poll, 'peer-closed');
    this.#onAborted = function (this: Poll) {
      aborted(this);
    };
    this.#parts = parts;
    this.#history = parts.router.history;
    this.#class = pollClass(this);
    this.#answer = new PollAnswer(this.#history);
  }

  /** Answers at once with what was missed. In the route handler only. */
  answerNow(response: HttpResponse, ids: readonly string[], resumed: Resumed, headers: Headers): void {
    this.#parts.counters.countPollAnswered(resumed.messages);
    this.#end(response, { ...resumed, offsets: this.#kept(ids, resumed.offsets) }, headers);
  }

  /** Answers at once that there is nothing. In the route handler only. */
  answerNothing(response: HttpResponse, ids: readonly string[], flags: number, headers: Headers): void {
    this.#answer.endEmpty(response, this.#position(ids), flags, headers);
  }

  /**
   * Waits from here on for what comes next; who had missed something was answered. In the route handler only.
   * @param flags `revalidates` where the client said If-None-Match; `unrecovered`
   */
  open(
    response: HttpResponse,
    ids: readonly string[],
    timeoutSec: number,
    flags: number,
    headers: Headers,
    identity: Identity,
  ): void {
    const { router, clock, connections, admission } = this.#parts;
    const slot = connections.take();
    const poll = new this.#class(slot, response);
    response.onAborted(this.#onAborted.bind(poll));
    admission.enter(poll, response, identity);
    connections.due[slot] = clock.tick + timeoutSec * ticksPerSec;
    connections.flags[slot]! |= flags;
    if (headers.length > 0) this.#headers.set(slot, headers);
    for (const id of ids) router.login(ownText(id), poll);
  }

  /** A message for a poll that waits. */
  arrived(poll: Poll, message: Message): Delivery {
    const messages = this.#arrived.get(poll);
    if (messages === undefined) {
      if (this.#arrived.size === 0) setImmediate(this.#answerArrived);
      this.#arrived.set(poll, [message]);
      return 'sent';
    }
    messages.push(message);
    return 'sent';
  }

  /** Says that nothing has come. */
  answerEmpty(poll: Poll, reason: CloseReason): void {
    if (this.#arrived.has(poll)) return this.#answerPoll(poll, reason);
    const { response, ids, slot } = poll;
    const flags = this.#parts.connections.flags[slot]!;
    const headers = this.#headersOf(slot);
    this.#release(poll, reason);
    response.cork(() => this.#answer.endEmpty(response, this.#position(ids), flags, headers));
  }

  /** Ends a poll of a user who may not read all its ids any more. The next poll is told which. */
  review(poll: Poll): void {
    const { authorizer, identities } = this.#parts.access;
    const forbidden = refusalToRead(authorizer, identities.of(poll.slot), poll.ids);
    if (forbidden !== undefined) this.answerEmpty(poll, 'not-allowed');
  }

  cut(poll: Poll, reason: CloseReason): void {
    this.#release(poll, reason);
    poll.response.close();
  }

  readonly #answerArrived = (): void => {
    for (const poll of this.#arrived.keys()) this.#answerPoll(poll, 'answered');
  };

  #answerPoll(poll: Poll, reason: CloseReason): void {
    const { response, slot, ids } = poll;
    const recovered = (this.#parts.connections.flags[slot]! & unrecovered) === 0;
    const result = this.#resultOf(ids, this.#arrived.get(poll)!, recovered);
    const headers = this.#headersOf(slot);
    this.#release(poll, reason);
    this.#parts.counters.countPollAnswered(result.messages);
    response.cork(() => this.#end(response, result, headers));
  }

  /** Makes the answer from the messages of one turn; what does not fit is in the history, from where the cursor says. */
  #resultOf(ids: readonly string[], arrived: readonly Message[], recovered: boolean): PollResult {
    const messages = fitting(arrived);
    const offsets = this.#history.position(ids);
    let lost = 0;
    for (let i = arrived.length - 1; i >= messages.length; i--) {
      const { id, offset } = arrived[i]!;
      if (offset > 0) offsets[ids.indexOf(id)] = offset - 1;
      else lost++; // its id has no history, so nobody can ask for it again
    }
    this.#parts.counters.lose('slow-consumer', lost);
    const more = messages.length < arrived.length;
    return { recovered: recovered && lost === 0, more, messages, offsets: this.#kept(ids, offsets) };
  }

  /** An answer that the socket does not take at once is held for it, within the limit for all. */
  #end(response: HttpResponse, result: PollResult, headers: Headers): void {
    this.#parts.unsent.end(response, this.#answer.writeHead(response, result, headers));
  }

  /** Once: an answer that cannot be kept closes its socket, and so aborts a poll that is released. */
  #release(poll: Poll, reason: CloseReason): void {
    const { router, admission, connections } = this.#parts;
    if (!connections.has(poll)) return;
    this.#arrived.delete(poll);
    this.#headers.delete(poll.slot);
    router.logout(poll);
    // Over the same connection, its next poll would come to a server that stops.
    if (admission.stopping) poll.response.closes = true;
    admission.leave(poll, reason);
  }

  #headersOf(slot: number): Headers {
    return this.#headers.get(slot) ?? [];
  }

  #position(ids: readonly string[]): readonly number[] | undefined {
    return this.#kept(ids, this.#history.position(ids));
  }

  /** No cursor where nothing is kept. */
  #kept(ids: readonly string[], offsets: readonly number[]): readonly number[] | undefined {
    return ids.some((id) => this.#history.keeps(id)) ? offsets : undefined;
  }
}

function fitting(messages: readonly Message[]): readonly Message[] {
  let bytes = 0;
  for (const [index, { payload }] of messages.entries()) {
    bytes += payload.length;
    if (index === answerMessagesMax || (bytes > answerBytesMax && index > 0)) return messages.slice(0, index);
  }
  return messages;
}

type PollClass = new (slot: number, response: HttpResponse) => Poll;

/** A class for one gateway's polls, so that what they share is no field of each (8 bytes). */
function pollClass(polls: Polls): PollClass {
  return class extends Poll {
    override deliver(message: Message): Delivery {
      return polls.arrived(this, message);
    }
    override onDue(): void {
      polls.answerEmpty(this, 'answered');
    }
    override review(): void {
      polls.review(this);
    }
    override end(reason: CloseReason): void {
      polls.answerEmpty(this, reason);
    }
    override cut(reason: CloseReason): void {
      polls.cut(this, reason);
    }
  };
}
