import { Message } from '../../router/message.js';
import type { Router } from '../../router/router.js';
import type { Will } from './connect-packet.js';

/** What clients want published when they end without a good-bye, by slot: most have none. */
export class Wills {
  readonly #router: Router;
  readonly #wills = new Map<number, Will>();

  constructor(router: Router) {
    this.#router = router;
  }

  set(slot: number, will: Will): void {
    this.#wills.set(slot, will);
  }

  /** The client has said good-bye, which discards its will [MQTT-3.1.2-10]. */
  delete(slot: number): void {
    this.#wills.delete(slot);
  }

  /** The connection has ended: what is still here is due [MQTT-3.1.2-8]. */
  publish(slot: number): void {
    const will = this.#wills.get(slot);
    if (will === undefined) return;
    this.#wills.delete(slot);
    const { topic, payload, qos, retain } = will;
    // In a turn of its own: the connection may have been cut in the middle of somebody's delivery.
    setImmediate(() => this.#router.publish(new Message(topic, payload, Date.now(), qos, retain)));
  }
}
