import type { Subscriber } from '../subscriber.js';
import type { SubscriptionOptions } from '../subscription-options.js';

/** The part of the router that sessions and their moves need. */
export interface SessionRouter {
  subscribe(filter: string, subscriber: Subscriber, options: SubscriptionOptions): void;
  logout(subscriber: Subscriber): void;
  retire(subscriber: Subscriber): void;
  loginsOf(subscriber: Subscriber): number;
  subscriptionsOf(subscriber: Subscriber): { filter: string; options: SubscriptionOptions }[];
  whenInterested(ready: () => void): void;
}
