import type { Message } from '../message.js';
import type { Delivery } from '../subscriber.js';
import type { DeliveryOptions } from '../subscription-options.js';
import type { InflightEntry } from './inflight-entry.js';

/**
 * The part that a session needs of the connection it is attached to; the gateway's MQTT channel is one. Nothing here
 * throws or waits. Messages and entries go out in the order of the calls.
 */
export interface SessionConnection {
  /** It takes no more now: what it was given last is still waiting in it. */
  readonly congested: boolean;
  /** A message that wants no answer. */
  sendQos0(message: Message, options: DeliveryOptions): Delivery;
  /** A PUBLISH at QoS 1 or 2. The connection keeps what it cannot write yet; the session keeps the entry until it is acknowledged. */
  sendInflight(entry: InflightEntry): void;
  /** A PUBREL, again after a reconnect. */
  sendPubrel(packetId: number): void;
  /** Another connection takes this one's session: it is closed, and has let go of the session, when this returns. */
  takenOver(): void;
}
