import type { Subscriber } from './subscriber.js';
import type { Subscriptions } from './subscriptions.js';

/** Most ids and filters that are logged out in one turn of the loop: 0.7 to 2 µs each. */
const loginsPerTurn = 1_000;

/**
 * Logs out subscribers that are gone for good. A subscriber with very many filters is logged out in parts: the million
 * filters of one MQTT client at once stopped the loop for 0.7 to 2 s (CPU time).
 */
export class Retirement {
  readonly #subscriptions: Subscriptions;
  readonly #onLast: (filter: string) => void;
  readonly #retired: Subscriber[] = [];

  /** @param onLast called for each id and filter without a subscriber left */
  constructor(subscriptions: Subscriptions, onLast: (filter: string) => void) {
    this.#subscriptions = subscriptions;
    this.#onLast = onLast;
  }

  add(subscriber: Subscriber): void {
    if (this.#subscriptions.countOf(subscriber) <= loginsPerTurn)
      return this.#subscriptions.removeAll(subscriber, this.#onLast);
    this.#retired.push(subscriber);
    if (this.#retired.length === 1) setImmediate(this.#step);
  }

  readonly #step = (): void => {
    const subscriber = this.#retired[0]!;
    this.#subscriptions.removeSome(subscriber, loginsPerTurn, this.#onLast);
    if (this.#subscriptions.countOf(subscriber) === 0) this.#retired.shift();
    if (this.#retired.length > 0) setImmediate(this.#step);
  };
}
