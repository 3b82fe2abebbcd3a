import { grantOf, membersOf, subscriberOf } from '../audience.js';
import type { FanOut } from '../fan-out.js';
import { Logins } from '../logins.js';
import { Message } from '../message.js';
import { MessageProperties } from '../message-properties.js';
import type { Subscriber } from '../subscriber.js';
import { overlapOf, type SubscriptionOptions } from '../subscription-options.js';
import type { Subscriptions } from '../subscriptions.js';
import { hasWildcard, matches } from '../topic-filter.js';
import type { Graph } from './graph.js';

export interface FollowerDeliveriesParts {
  readonly subscriptions: Subscriptions;
  readonly fanOut: FanOut;
  readonly graph: Graph;
}

/**
 * Delivers one message to the followers of its id. A follower gets the message under its own id, with `about` = the id that
 * the message was sent to. The message has no place in the history of the follower.
 *
 * Topic filters with wildcards get it under the id that it was sent to, and not once more for each follower.
 */
export class FollowerDeliveries {
  readonly #subscriptions: Subscriptions;
  readonly #fanOut: FanOut;
  readonly #graph: Graph;
  readonly #message: Message;
  readonly #properties: MessageProperties;
  /** Subscribers with several ids that the message has reached. */
  #reached: Set<Subscriber> | undefined;
  delivered = 0;

  constructor({ subscriptions, fanOut, graph }: FollowerDeliveriesParts, message: Message) {
    this.#subscriptions = subscriptions;
    this.#fanOut = fanOut;
    this.#graph = graph;
    this.#message = message;
    this.#properties = new MessageProperties({ ...message.properties, about: message.id });
  }

  /** Delivers to all that are logged in as this follower. */
  deliver(follower: string): void {
    const audience = this.#subscriptions.of(follower);
    if (audience === undefined) return;
    const { payload, timeMs, qos, publisher } = this.#message;
    const message = new Message(follower, payload, timeMs, qos, false, 0, publisher, this.#properties);
    for (const member of membersOf(audience)) {
      const subscriber = subscriberOf(member);
      // A delivery may log out others.
      const options = grantOf(this.#subscriptions.of(follower), subscriber);
      if (options === undefined) continue;
      const { logins } = subscriber;
      const several = logins instanceof Logins;
      if (several && this.#hasIt(subscriber, logins)) continue;
      const highest = several ? this.#highest(subscriber, logins, options) : options;
      if (this.#fanOut.deliverTo(message, subscriber, highest)) this.delivered++;
    }
  }

  /** Whether the message has reached this subscriber, which counts as reached from now on. */
  #hasIt(subscriber: Subscriber, logins: Logins): boolean {
    this.#reached ??= new Set();
    if (this.#reached.has(subscriber)) return true;
    this.#reached.add(subscriber);
    const { id } = this.#message;
    for (const login of logins) if (login === id || (hasWildcard(login) && matches(login, id))) return true;
    return false;
  }

  /** Joins the options of all its ids that follow, as those of overlapping filters. */
  #highest(subscriber: Subscriber, logins: Logins, options: SubscriptionOptions): SubscriptionOptions {
    let highest = options;
    for (const login of logins) {
      const other = this.#subscriptions.optionsOf(login, subscriber) ?? 0;
      if (other !== highest && this.#graph.has(login, this.#message.id)) highest = overlapOf(highest, other);
    }
    return highest;
  }
}
