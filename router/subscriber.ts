import type { Message, Qos } from './message.js';

/**
 * What became of a message handed to a subscriber.
 * - `sent`: on its way, in the order of the calls
 * - `buffered`: the subscriber takes no more now; kept within its limit, in order
 * - `dropped`: refused, or the subscriber is being closed; it will not arrive
 */
export type Delivery = 'sent' | 'buffered' | 'dropped';

/**
 * Whoever can receive: extend it and implement `deliver`.
 *
 * Delivery is at most once, in the order of the sends. `deliver` must not throw and must not wait; it may
 * log this subscriber out, and must not log anybody in. A subscriber belongs to one router. The message and its payload are shared: read, never write.
 */
export abstract class Subscriber {
  /**
   * The ids this subscriber is logged in as; the router's, and only the router's. It lives here instead of
   * in a Map keyed by subscriber because that entry would cost 46 bytes a connection, and this costs 8:
   * undefined = none, a string = one (nearly everybody), an array = more.
   * @internal
   */
  logins: string | string[] | undefined = undefined;

  /**
   * @param qos the lower of the publisher's and of what this subscriber asked for
   * @param retained the message was kept for new subscribers, and this is one
   */
  abstract deliver(message: Message, qos: Qos, retained: boolean): Delivery;
}
