import type { Message } from '../message.js';
import { FollowerDeliveries, type FollowerDeliveriesParts } from './follower-deliveries.js';

/** A send is remembered for longer than it takes: its sender gives up before, see shared-follower-sends.ts. */
const rememberedMs = 120_000;
/** Most subscribers that are remembered, over all sends, 50 bytes each; the oldest sends make room. */
const rememberedMax = 200_000;

interface Send {
  readonly deliveries: FollowerDeliveries;
  readonly untilMs: number;
}

/**
 * Delivers copies of messages for followers, which come from Redis: one for each follower that somebody here is logged in as.
 * A subscriber with several of these ids takes the first copy of a send.
 */
export class FollowerCopies {
  readonly #parts: FollowerDeliveriesParts;
  /** Sends that have reached a subscriber with several ids, by their keys, the oldest first. */
  readonly #sends = new Map<string, Send>();
  #remembered = 0;

  constructor(parts: Omit<FollowerDeliveriesParts, 'follows'>) {
    this.#parts = { ...parts, follows: () => false }; // the edges are in Redis
  }

  /** @param message under the id of a follower, with `about` and `send` among its properties @returns how many took it */
  deliver(message: Message): number {
    const { about = '', send: key = '' } = message.properties ?? {};
    const deliveries = this.#sends.get(key)?.deliveries ?? new FollowerDeliveries(this.#parts, about);
    const { delivered, remembered } = deliveries;
    deliveries.deliver(message);
    if (deliveries.remembered > remembered)
      this.#remember(key, deliveries, deliveries.remembered - remembered);
    return deliveries.delivered - delivered;
  }

  #remember(key: string, deliveries: FollowerDeliveries, more: number): void {
    const nowMs = performance.now();
    this.#remembered += more;
    if (!this.#sends.has(key)) this.#sends.set(key, { deliveries, untilMs: nowMs + rememberedMs });
    for (const [oldest, { deliveries: old, untilMs }] of this.#sends) {
      if (this.#remembered <= rememberedMax && untilMs > nowMs) return;
      if (oldest === key) return;
      this.#sends.delete(oldest);
      this.#remembered -= old.remembered;
    }
  }
}
