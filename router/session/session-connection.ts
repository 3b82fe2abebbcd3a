import type { Message } from '../message.js';
import type { Delivery } from '../subscriber.js';
import type { DeliveryOptions } from '../subscription-options.js';
import type { InflightEntry } from './inflight-entry.js';

/**
 * The part of a connection that its session needs; the gateway's MQTT channel implements it. Nothing here throws or
 * waits. Messages and entries are sent in the order of the calls.
 */
export interface SessionConnection {
  /** The connection takes no more now: its last message still waits. */
  readonly congested: boolean;
  /** A message at QoS 0. */
  sendQos0(message: Message, options: DeliveryOptions): Delivery;
  /**
   * A PUBLISH at QoS 1 or 2. The connection keeps what it cannot write yet. The session keeps the entry until its
   * acknowledgement.
   */
  sendInflight(entry: InflightEntry): void;
  /** A PUBREL, again after a reconnect. */
  sendPubrel(packetId: number): void;
  /**
   * Another connection takes the session over. When this returns, this connection is closed and has released the
   * session.
   */
  takenOver(): void;
}
