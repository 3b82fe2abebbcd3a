import type { Session } from '../../router/session/session.js';
import { type Connections, speaksMqtt31 } from '../connections.js';
import type { Counters } from '../counters.js';
import type { Channel } from './channel.js';
import type { Closing } from './closing.js';
import type { Deadlines } from './deadlines.js';
import type { AcknowledgementHandler } from './handlers/acknowledgement.js';
import type { ConnectHandler } from './handlers/connect.js';
import type { PublishHandler } from './handlers/publish.js';
import type { SubscribeHandler } from './handlers/subscribe.js';
import type { UnsubscribeHandler } from './handlers/unsubscribe.js';
import { fixedFlagsOf, packetType } from './packet.js';
import { PacketReader } from './packet-reader.js';
import type { Replies } from './replies.js';
import { pingresp } from './reply-packets.js';
import type { Wills } from './wills.js';

/** The QoS bits of a packet's flags. */
const qosMask = 6;

export interface PacketHandlers {
  readonly connect: ConnectHandler;
  readonly publish: PublishHandler;
  readonly acknowledgement: AcknowledgementHandler;
  readonly subscribe: SubscribeHandler;
  readonly unsubscribe: UnsubscribeHandler;
}

export interface PacketDispatchParts {
  readonly handlers: PacketHandlers;
  readonly replies: Replies;
  readonly deadlines: Deadlines;
  readonly wills: Wills;
  readonly connections: Connections;
  readonly counters: Counters;
}

/** Hands each packet to its handler, if it may come now. */
export class PacketDispatch {
  readonly #parts: PacketDispatchParts;
  readonly #handlers: PacketHandlers;
  readonly #reader = new PacketReader();

  constructor(parts: PacketDispatchParts) {
    this.#parts = parts;
    this.#handlers = parts.handlers;
  }

  /** @returns why the connection must be closed, if so; or that the packet has to wait */
  packet(
    channel: Channel,
    typeAndFlags: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): Closing | 'wait' | undefined {
    const { counters, deadlines } = this.#parts;
    counters.mqttPacketsReceived++;
    const type = typeAndFlags >> 4;
    const flags = typeAndFlags & 0x0f;
    const reader = this.#reader.open(bytes, start, end);
    const { session } = channel;
    if (session === undefined) {
      if (type !== packetType.connect) return 'not-connected'; // [MQTT-3.1.0-1]
      return this.#handlers.connect.handle(channel, reader, flags);
    }
    if (
      type !== packetType.publish &&
      flags !== fixedFlagsOf(type) &&
      !this.#isUnusedIn31(channel, type, flags)
    )
      return 'malformed-packet'; // [MQTT-2.2.2-2]
    deadlines.heard(channel);
    return this.#handle(channel, session, type, flags, reader);
  }

  /** The connection is gone. */
  release(channel: Channel): void {
    this.#handlers.subscribe.release(channel);
  }

  #handle(
    channel: Channel,
    session: Session,
    type: number,
    flags: number,
    reader: PacketReader,
  ): Closing | 'wait' | undefined {
    const { replies, wills } = this.#parts;
    const { publish, acknowledgement, subscribe, unsubscribe } = this.#handlers;
    switch (type) {
      case packetType.publish:
        if (replies.isSubscribing(channel)) return 'wait'; // 4.6: it may be for this client itself
        return publish.handle(channel, session, reader, flags);
      case packetType.puback:
      case packetType.pubrec:
      case packetType.pubrel:
      case packetType.pubcomp:
        return acknowledgement.handle(channel, session, type, reader);
      case packetType.subscribe:
        return subscribe.handle(channel, session, reader);
      case packetType.unsubscribe:
        return unsubscribe.handle(channel, session, reader);
      case packetType.pingreq:
        if (reader.left > 0) return 'malformed-packet';
        replies.write(channel, pingresp); // [MQTT-3.12.4-1]
        return undefined;
      case packetType.disconnect:
        if (reader.left > 0) return 'malformed-packet';
        wills.delete(channel.slot); // [MQTT-3.14.4-3]
        return 'disconnected';
      default:
        return 'protocol-error'; // a second CONNECT [MQTT-3.1.0-2], or packets that only servers send
    }
  }

  /** MQTT 3.1 uses DUP and QoS of packets that are answered, and no flags of anything else but PUBLISH. */
  #isUnusedIn31({ slot }: Channel, type: number, flags: number): boolean {
    if ((this.#parts.connections.flags[slot]! & speaksMqtt31) === 0) return false;
    return fixedFlagsOf(type) === 0 || (flags & qosMask) === fixedFlagsOf(type);
  }
}
