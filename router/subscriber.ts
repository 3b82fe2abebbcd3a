import type { Logins } from './logins.js';
import type { Message } from './message.js';
import type { DeliveryOptions, SubscriptionOptions } from './subscription-options.js';

/**
 * The result of a delivery.
 * - `sent`: on its way, in the order of the calls
 * - `buffered`: the subscriber takes no more now; kept within its limit, in order
 * - `dropped`: refused, or the subscriber is being closed; it will not arrive
 */
export type Delivery = 'sent' | 'buffered' | 'dropped';

/**
 * Receives messages: extend it and implement `deliver`.
 *
 * `deliver` is called in the order of the sends, once for each message even if several filters match. It must not wait.
 * It may log out any subscriber. It may publish; that message is delivered after the current one. It must not log in.
 * An error that it throws goes to `onDeliverError` of the router. A subscriber belongs to one router at a time. The
 * message and its payload are shared: read, never write.
 */
export abstract class Subscriber {
  /**
   * The ids and filters of this subscriber, for the router only. A field takes 8 bytes a connection; an entry in a Map
   * keyed by subscriber would take 46. undefined = nothing, a string = one (nearly always), Logins = more, or had more.
   * @internal
   */
  logins: string | Logins | undefined = undefined;

  /** The MQTT client id of this subscriber, see Message.publisher. Not a field of others, which saves 8 bytes. */
  declare readonly clientId?: string;

  /** @param options the QoS of this delivery, and whether RETAIN is set, for a retained message to a new subscriber */
  abstract deliver(message: Message, options: DeliveryOptions): Delivery;

  /** The router has given it an id or filter, or other options of one. */
  subscribed(_filter: string, _options: SubscriptionOptions): void {}

  /** The router has taken one filter from it; not all at once, at its end. */
  unsubscribed(_filter: string): void {}
}
