import type { Message } from '../../router/message.js';
import type { Router } from '../../router/router.js';

/**
 * Messages that are published because a connection has begun or ended: wills and presence. A connection may be cut in
 * the middle of somebody's delivery, so its messages wait until that is over; in the order in which things happened.
 *
 * It has no limit of its own: it is empty after every CONNECT and in the next turn of the loop, so that it holds at
 * most two messages for each connection (its will, `disconnected`).
 */
export class DeferredPublications {
  readonly #router: Router;
  readonly #queue: Message[] = [];
  #draining = false;

  constructor(router: Router) {
    this.#router = router;
  }

  add(message: Message): void {
    if (this.#queue.push(message) === 1) setImmediate(this.drain);
  }

  /** Never call it from a delivery or a flush. What is added meanwhile is published too. */
  readonly drain = (): void => {
    if (this.#draining) return;
    this.#draining = true;
    for (let i = 0; i < this.#queue.length; i++) this.#router.publish(this.#queue[i]!);
    this.#queue.length = 0;
    this.#draining = false;
  };
}
