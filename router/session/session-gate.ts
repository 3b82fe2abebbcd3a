import type { Message } from '../message.js';
import { type Delivery, Subscriber } from '../subscriber.js';
import type { DeliveryOptions } from '../subscription-options.js';
import type { Session } from './session.js';

/**
 * Replaces a session that is moving between two nodes. It has the session's subscriptions, and passes on the messages
 * of this node: on the old node those before the mark, on the new one those behind it, for each server of messages.
 */
export class SessionGate extends Subscriber {
  readonly #isOpen: (id: string) => boolean;
  readonly #target: Pick<Session, 'deliver' | 'clientId'>;
  /** The client id, so that No Local still holds. */
  override readonly clientId: string;

  /** @param isOpen for a message's id, now */
  constructor(isOpen: (id: string) => boolean, target: Pick<Session, 'deliver' | 'clientId'>) {
    super();
    this.#isOpen = isOpen;
    this.clientId = target.clientId;
    this.#target = target;
  }

  override deliver(message: Message, options: DeliveryOptions): Delivery {
    return this.#isOpen(message.id) ? this.#target.deliver(message, options) : 'dropped';
  }
}
