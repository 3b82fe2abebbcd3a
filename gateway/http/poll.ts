import type { HttpResponse } from 'uWebSockets.js';
import type { Message } from '../../router/message.js';
import { type Delivery, Subscriber } from '../../router/subscriber.js';
import { addressText } from '../address-limit.js';
import type { CloseReason } from '../close-reason.js';
import type { Connection } from '../connections.js';
import type { Wire } from '../wire.js';
import type { Polls } from './polls.js';

/** A poll writes once, and then it is over: nothing of it goes through `Outbound`. */
const noWire: Wire = { write: () => true, keepAlive: () => {}, pushThrough: () => true };

/** One long-poll that waits: a subscriber to the router, a connection to the gateway, until its one answer. */
export abstract class Poll extends Subscriber implements Connection {
  readonly slot: number;
  /** Invalid once the poll is released. */
  readonly response: HttpResponse;

  constructor(slot: number, response: HttpResponse) {
    super();
    this.slot = slot;
    this.response = response;
  }

  protected abstract get polls(): Polls;

  get wire(): Wire {
    return noWire;
  }

  /** As asked for, in order. */
  get ids(): readonly string[] {
    const { logins } = this;
    if (logins === undefined) return [];
    return typeof logins === 'string' ? [logins] : [...logins];
  }

  override deliver(message: Message): Delivery {
    return this.polls.arrived(this, message);
  }

  describe(): Record<string, unknown> {
    return { ids: this.logins };
  }

  remoteAddress(): string {
    return addressText(this.response);
  }

  onDue(): void {
    this.polls.answerEmpty(this, 'answered');
  }

  end(reason: CloseReason): void {
    this.polls.answerEmpty(this, reason);
  }

  cut(reason: CloseReason): void {
    this.polls.cut(this, reason);
  }
}

export type PollClass = new (slot: number, response: HttpResponse) => Poll;

/** A class for one gateway's polls, so that what they share is no field of each (8 bytes). */
export function pollClass(polls: Polls): PollClass {
  return class extends Poll {
    protected override get polls(): Polls {
      return polls;
    }
  };
}
