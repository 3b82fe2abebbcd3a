import type { Logins } from './logins.js';
import type { Message } from './message.js';
import type { DeliveryOptions } from './subscription-options.js';

/**
 * The fate of a message handed to a subscriber.
 * - `sent`: on its way, in the order of the calls
 * - `buffered`: the subscriber takes no more now; kept within its limit, in order
 * - `dropped`: refused, or the subscriber is being closed; it will not arrive
 */
export type Delivery = 'sent' | 'buffered' | 'dropped';

/**
 * Receives messages: extend it and implement `deliver`.
 *
 * `deliver` is called in the order of the sends, once for each message however many filters match. It must not wait. It
 * may log anybody out and may publish, which is done when this message is with everybody; it must not log anybody in. An
 * error that it throws goes to `onDeliverError` of the router. A subscriber belongs to one router at a time. The message
 * and its payload are shared: read, never write.
 */
export abstract class Subscriber {
  /**
   * The ids and filters of this subscriber; the router's, and only the router's. It lives here instead
   * of in a Map keyed by subscriber because that entry would cost 46 bytes a connection, and this costs 8:
   * undefined = nothing, a string = one (nearly everybody), Logins = more, or had more.
   * @internal
   */
  logins: string | Logins | undefined = undefined;

  /** The MQTT client that gets what is delivered here, see Message.publisher. No field where there is none: 8 bytes. */
  declare readonly clientId?: string;

  /** @param options the QoS of this delivery, and whether RETAIN is to be set: it was kept, and this is a new subscriber */
  abstract deliver(message: Message, options: DeliveryOptions): Delivery;
}
