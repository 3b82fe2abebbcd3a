import type { Session } from '../../router/session/session.js';
import { ticksPerSec } from '../clock.js';
import type { CloseReason } from '../close-reason.js';
import { speaksMqtt31 } from '../connections.js';
import type { Channel } from './channel.js';
import type { Channels } from './channels.js';
import { AcknowledgementHandler } from './handlers/acknowledgement.js';
import { ConnectHandler } from './handlers/connect.js';
import { PublishHandler } from './handlers/publish.js';
import { SubscribeHandler } from './handlers/subscribe.js';
import { UnsubscribeHandler } from './handlers/unsubscribe.js';
import type { MqttParts } from './mqtt-parts.js';
import { fixedFlagsOf, packetType } from './packet.js';
import { PacketReader } from './packet-reader.js';
import { pingresp } from './reply-packets.js';

/** A keep-alive counts one and a half times [MQTT-3.1.2-24]. */
const keepAliveFactor = 1.5;

/** Of the flags. */
const qosMask = 6;

/** Hands each packet to its handler, if it may come now. */
export class PacketDispatch {
  readonly #parts: MqttParts;
  readonly #channels: Channels;
  readonly #connect: ConnectHandler;
  readonly #publish: PublishHandler;
  readonly #acknowledgement: AcknowledgementHandler;
  readonly #subscribe: SubscribeHandler;
  readonly #unsubscribe: UnsubscribeHandler;
  readonly #reader = new PacketReader();
  /** Of each connection, in ticks with the factor applied, and one for the tick that has begun already; 0 = off. */
  readonly #keepAliveTicks: Uint32Array;

  constructor(parts: MqttParts, channels: Channels) {
    this.#parts = parts;
    this.#channels = channels;
    this.#keepAliveTicks = new Uint32Array(parts.connections.capacity);
    this.#connect = new ConnectHandler(parts, channels);
    this.#publish = new PublishHandler(parts, channels);
    this.#acknowledgement = new AcknowledgementHandler(parts, channels);
    this.#subscribe = new SubscribeHandler(parts, channels);
    this.#unsubscribe = new UnsubscribeHandler(parts, channels);
  }

  /** Sessions with messages of which it is not known whether they are carried, now. */
  get undecided(): number {
    return this.#publish.undecided;
  }

  /** Calls back when there is none of this session. */
  whenDecided(session: Session, ready: () => void): void {
    this.#publish.whenDecided(session, ready);
  }

  /** @returns why the connection must be closed, if so; or that the packet has to wait */
  packet(
    channel: Channel,
    typeAndFlags: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): CloseReason | 'wait' | undefined {
    this.#parts.counters.mqttPacketsReceived++;
    const type = typeAndFlags >> 4;
    const flags = typeAndFlags & 0x0f;
    const reader = this.#reader.open(bytes, start, end);
    if (channel.session === undefined) {
      if (type !== packetType.connect) return 'not-connected'; // [MQTT-3.1.0-1]
      return this.#connect.handle(channel, reader, flags, (sec) => this.#keepAlive(channel, sec));
    }
    if (
      type !== packetType.publish &&
      flags !== fixedFlagsOf(type) &&
      !this.#isUnusedIn31(channel, type, flags)
    )
      return 'malformed-packet'; // [MQTT-2.2.2-2]
    this.heard(channel);
    switch (type) {
      case packetType.publish:
        if (this.#channels.isSubscribing(channel)) return 'wait'; // 4.6: it may be for this client itself
        return this.#publish.handle(channel, channel.session, reader, flags);
      case packetType.puback:
      case packetType.pubrec:
      case packetType.pubrel:
      case packetType.pubcomp:
        return this.#acknowledgement.handle(channel, channel.session, type, reader);
      case packetType.subscribe:
        return this.#subscribe.handle(channel, channel.session, reader);
      case packetType.unsubscribe:
        return this.#unsubscribe.handle(channel, channel.session, reader);
      case packetType.pingreq:
        if (reader.left > 0) return 'malformed-packet';
        this.#channels.reply(channel, pingresp); // [MQTT-3.12.4-1]
        return undefined;
      case packetType.disconnect:
        return reader.left > 0 ? 'malformed-packet' : 'disconnected';
      default:
        return 'protocol-error'; // a second CONNECT [MQTT-3.1.0-2], or what only servers send
    }
  }

  /** It is alive: its keep-alive begins again. */
  heard({ slot }: Channel): void {
    const { connections, clock } = this.#parts;
    const keepAliveTicks = this.#keepAliveTicks[slot]!;
    if (keepAliveTicks > 0) connections.due[slot] = clock.tick + keepAliveTicks;
  }

  /** MQTT 3.1 uses DUP and QoS of what is answered, and no flags of anything else but PUBLISH. */
  #isUnusedIn31({ slot }: Channel, type: number, flags: number): boolean {
    if ((this.#parts.connections.flags[slot]! & speaksMqtt31) === 0) return false;
    return fixedFlagsOf(type) === 0 || (flags & qosMask) === fixedFlagsOf(type);
  }

  /** From CONNECT on, its own deadline stands in the place of the one for CONNECT. */
  #keepAlive(channel: Channel, keepAliveSec: number): void {
    const { clock, connections } = this.#parts;
    const ticks = keepAliveSec === 0 ? 0 : Math.ceil(keepAliveSec * keepAliveFactor * ticksPerSec) + 1;
    this.#keepAliveTicks[channel.slot] = ticks;
    connections.due[channel.slot] = ticks === 0 ? 0 : clock.tick + ticks;
  }
}
