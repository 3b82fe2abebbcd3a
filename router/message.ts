import type { MessageProperties } from './message-properties.js';
import { ownBytes, ownText } from './own-copy.js';

/** Quality of service: 0 at most once, 1 at least once, 2 exactly once. HTTP streams always have 0. */
export type Qos = 0 | 1 | 2;

/** A message on its way to subscribers. Made once for each send, shared by all recipients. */
export class Message {
  readonly id: string;
  /** Owned by the message: nobody writes to it, and it is never a view of a receive buffer. */
  readonly payload: Uint8Array;
  /** Milliseconds since the Unix epoch, when the router took it. */
  readonly timeMs: number;
  /** QoS of the publisher. Each subscriber gets the lower of this and its own. */
  readonly qos: Qos;
  /** Kept for later subscribers; an empty payload clears the kept message. */
  readonly retain: boolean;
  /**
   * The number of this message among those of its id, from 1. The router sets it before the delivery. 0 = the id has no
   * history.
   */
  offset: number;
  /**
   * The MQTT client id of its publisher, for subscriptions with No Local. Undefined for messages by HTTP, and if the
   * router has removed it, because no subscription here needs it and the message is not retained.
   */
  publisher: string | undefined;
  /** Undefined for nearly all. */
  readonly properties: MessageProperties | undefined;
  /**
   * Encodings of this message, one for each transport that has sent it, so that it is encoded once a transport and not
   * once a recipient. The router does not use them.
   */
  wire: (object | undefined)[] | undefined = undefined;
  #kept: Message | undefined = undefined;

  constructor(
    id: string,
    payload: Uint8Array,
    timeMs: number,
    qos: Qos = 0,
    retain = false,
    offset = 0,
    publisher?: string,
    properties?: MessageProperties,
  ) {
    this.id = id;
    this.payload = payload;
    this.timeMs = timeMs;
    this.qos = qos;
    this.retain = retain;
    this.offset = offset;
    this.publisher = publisher;
    this.properties = properties;
  }

  /** Bytes of its payload and properties, without the id, for limits in bytes. */
  get bytes(): number {
    const { payload, publisher, properties } = this;
    if (publisher === undefined && properties === undefined) return payload.length;
    return payload.length + (publisher?.length ?? 0) + (properties?.bytes ?? 0);
  }

  /**
   * The same message for longer than this turn of the loop: it owns its bytes, and has no encodings. Made once, shared
   * by all that keep it.
   */
  kept(): Message {
    if (this.#kept?.offset === this.offset) return this.#kept;
    const { timeMs, qos, retain, offset, publisher, properties } = this;
    const payload = ownBytes(this.payload);
    const kept = new Message(ownText(this.id), payload, timeMs, qos, retain, offset, publisher, properties);
    kept.#kept = kept;
    this.#kept = kept;
    return kept;
  }

  /** A copy with RETAIN and without encodings. */
  asRetained(): Message {
    const { id, payload, timeMs, qos, offset, publisher, properties } = this;
    return new Message(id, payload, timeMs, qos, true, offset, publisher, properties);
  }
}
