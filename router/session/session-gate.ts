import type { Message } from '../message.js';
import { type Delivery, Subscriber } from '../subscriber.js';
import type { DeliveryOptions } from '../subscription-options.js';
import type { Session } from './session.js';

/**
 * In the place of a session that is on its way between two nodes: subscribed to all that the session is, it lets through
 * what is the node's. On the old node that is what comes before the mark, on the new one what comes behind it, for each
 * server that messages come from.
 */
export class SessionGate extends Subscriber {
  readonly #isOpen: (id: string) => boolean;
  readonly #target: Pick<Session, 'deliver' | 'clientId'>;
  /** So that it is not let through either what its client has published and does not want. */
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
