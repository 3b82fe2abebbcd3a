import type { Message, Qos } from '../message.js';
import { type Delivery, Subscriber } from '../subscriber.js';

/**
 * In the place of a session that is on its way between two nodes: subscribed to all that the session is, it lets through
 * what is the node's. On the old node that is what comes before the mark, on the new one what comes behind it, for each
 * server that messages come from.
 */
export class SessionGate extends Subscriber {
  readonly #isOpen: (id: string) => boolean;
  readonly #target: Pick<Subscriber, 'deliver'>;

  /** @param isOpen for a message's id, now */
  constructor(isOpen: (id: string) => boolean, target: Pick<Subscriber, 'deliver'>) {
    super();
    this.#isOpen = isOpen;
    this.#target = target;
  }

  override deliver(message: Message, qos: Qos, retained: boolean): Delivery {
    return this.#isOpen(message.id) ? this.#target.deliver(message, qos, retained) : 'dropped';
  }
}
