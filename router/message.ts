import type { MessageProperties } from './message-properties.js';
import { ownBytes, ownText } from './own-copy.js';

/** How hard a delivery is tried: 0 at most once, 1 at least once, 2 exactly once. HTTP streams are always 0. */
export type Qos = 0 | 1 | 2;

/** A publisher's message on its way to subscribers. Made once for each send, shared by all who receive it. */
export class Message {
  readonly id: string;
  /** Owned by the message from here on: nobody writes to it, and it is never a view of a receive buffer. */
  readonly payload: Uint8Array;
  /** Milliseconds since the Unix epoch, when the router took it. */
  readonly timeMs: number;
  /** The publisher's; each subscriber gets the lower of this and what it asked for. */
  readonly qos: Qos;
  /** Kept for who subscribes later; an empty payload clears what was kept. */
  readonly retain: boolean;
  /**
   * The number of this message among those of its id, from 1; given by the router before it is delivered to anybody.
   * 0 = the id has no history.
   */
  offset: number;
  /**
   * The MQTT client id of its publisher, for subscriptions with No Local; undefined where it came by HTTP, or where the router
   * has let go of it, as nobody here has such a subscription and it is not retained.
   */
  publisher: string | undefined;
  /** Undefined for nearly all. */
  readonly properties: MessageProperties | undefined;
  /**
   * Encodings of this message, one entry for each transport flavour that has sent it,
   * so that it is encoded once for each flavour and not once for each recipient. The router never looks.
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

  /** Of its payload and of what its publisher has said besides, without the id: what limits in bytes count. */
  get bytes(): number {
    const { payload, publisher, properties } = this;
    if (publisher === undefined && properties === undefined) return payload.length;
    return payload.length + (publisher?.length ?? 0) + (properties?.bytes ?? 0);
  }

  /**
   * The same message for whoever keeps it longer than this turn of the loop: it owns its bytes, and has no encodings yet.
   * Made once, shared by all who keep it.
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

  /** Another one with RETAIN and without encodings. */
  asRetained(): Message {
    const { id, payload, timeMs, qos, offset, publisher, properties } = this;
    return new Message(id, payload, timeMs, qos, true, offset, publisher, properties);
  }
}
