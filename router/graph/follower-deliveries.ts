import { grantOf, membersOf, subscriberOf } from '../audience.js';
import type { FanOut } from '../fan-out.js';
import { Logins } from '../logins.js';
import type { Message } from '../message.js';
import type { Subscriber } from '../subscriber.js';
import { overlapOf, type SubscriptionOptions } from '../subscription-options.js';
import type { Subscriptions } from '../subscriptions.js';
import { hasWildcard, matches } from '../topic-filter.js';

export interface FollowerDeliveriesParts {
  readonly subscriptions: Subscriptions;
  readonly fanOut: FanOut;
  /** Whether the id is known here to follow the other one. */
  readonly follows: (id: string, about: string) => boolean;
}

/**
 * Delivers one message to the followers of its id that are here. A follower gets the message under its own id, with `about` =
 * the id that the message was sent to. The message has no place in the history of the follower.
 *
 * Topic filters with wildcards get it under the id that it was sent to, and not once more for each follower.
 */
export class FollowerDeliveries {
  readonly #parts: FollowerDeliveriesParts;
  readonly #about: string;
  /** Subscribers with several ids that the message has reached. */
  #reached: Set<Subscriber> | undefined;
  delivered = 0;

  constructor(parts: FollowerDeliveriesParts, about: string) {
    this.#parts = parts;
    this.#about = about;
  }

  /** Subscribers that are remembered, as the message is not to reach them again. */
  get remembered(): number {
    return this.#reached?.size ?? 0;
  }

  /** Delivers to all that are logged in as a follower. @param message under its id */
  deliver(message: Message): void {
    const { subscriptions, fanOut } = this.#parts;
    const follower = message.id;
    const audience = subscriptions.of(follower);
    if (audience === undefined) return;
    for (const member of membersOf(audience)) {
      const subscriber = subscriberOf(member);
      // A delivery may log out others.
      const options = grantOf(subscriptions.of(follower), subscriber);
      if (options === undefined) continue;
      const { logins } = subscriber;
      const several = logins instanceof Logins;
      if (several && this.#hasIt(subscriber, logins)) continue;
      const highest = several ? this.#highest(subscriber, logins, options) : options;
      if (fanOut.deliverTo(message, subscriber, highest)) this.delivered++;
    }
  }

  /** Whether the message has reached this subscriber, which counts as reached from now on. */
  #hasIt(subscriber: Subscriber, logins: Logins): boolean {
    this.#reached ??= new Set();
    if (this.#reached.has(subscriber)) return true;
    this.#reached.add(subscriber);
    const about = this.#about;
    for (const login of logins)
      if (login === about || (hasWildcard(login) && matches(login, about))) return true;
    return false;
  }

  /** Joins the options of all ids of a subscriber that follow, as those of overlapping filters. */
  #highest(subscriber: Subscriber, logins: Logins, options: SubscriptionOptions): SubscriptionOptions {
    const { subscriptions, follows } = this.#parts;
    let highest = options;
    for (const login of logins) {
      const other = subscriptions.optionsOf(login, subscriber) ?? 0;
      if (other !== highest && follows(login, this.#about)) highest = overlapOf(highest, other);
    }
    return highest;
  }
}
