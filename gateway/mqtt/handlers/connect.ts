import { cleanTerms, keptTerms, type SessionTerms } from '../../../router/session/session-terms.js';
import { addressKeyText } from '../../address-limit.js';
import { BearerAuth } from '../../auth/bearer.js';
import type { CloseReason } from '../../close-reason.js';
import { speaksMqtt31 } from '../../connections.js';
import { isServerTopic } from '../../server-topic.js';
import { AutoSubscriptions } from '../auto-subscriptions.js';
import type { Channel } from '../channel.js';
import type { Channels } from '../channels.js';
import { makeClientId } from '../client-id.js';
import { type ConnectPacket, readConnect, type Will } from '../connect-packet.js';
import type { MqttParts } from '../mqtt-parts.js';
import { protocolLevel } from '../packet.js';
import type { PacketReader } from '../packet-reader.js';
import { refusedTopic } from '../refused-topic.js';
import { type ConnackCode, connack, connackCode } from '../reply-packets.js';
import { sizeDetails } from '../size-details.js';

/** CONNECT: from a bare WebSocket to a session, or the return code that says why not. */
export class ConnectHandler {
  readonly #parts: MqttParts;
  readonly #channels: Channels;
  readonly #auth: BearerAuth;
  readonly #autoSubscriptions: AutoSubscriptions;

  constructor(parts: MqttParts, channels: Channels) {
    this.#parts = parts;
    this.#channels = channels;
    this.#auth = new BearerAuth(parts.config.mqttToken);
    this.#autoSubscriptions = new AutoSubscriptions(parts.config);
  }

  /**
   * @param flags of the fixed header
   * @returns 'wait' while what its client has sent on the connection before is still handled, or while another node may
   * have the client id: see ClientClaims
   */
  handle(
    channel: Channel,
    reader: PacketReader,
    flags: number,
    keepAlive: (sec: number) => void,
  ): CloseReason | 'wait' | undefined {
    const packet = readConnect(reader, flags);
    if (packet === 'malformed-packet') return packet;
    if (packet === 'unknown-level') return this.#refuse(channel, connackCode.unknownLevel); // [MQTT-3.1.2-2]
    const will = packet.will && this.#accepted(packet.will);
    if (typeof will === 'string') return will;
    const refusal = this.#refusalOf(packet, will);
    if (refusal !== undefined) return this.#refuse(channel, refusal);
    if (packet.clientId !== '' && this.#parts.claims.waits(channel, packet.clientId, packet.clean)) {
      // It has said CONNECT in time; that it waits is not its fault.
      this.#parts.pendingConnects.leave(channel.slot);
      this.#parts.connections.due[channel.slot] = 0;
      return 'wait';
    }
    this.#accept(channel, packet, will, keepAlive);
    // Nothing is being delivered or flushed here. So the will of who was taken over goes out before anything that
    // this client has sent right behind its CONNECT, as it may (3.1.4).
    this.#parts.deferred.drain();
    return undefined;
  }

  /** A will is a PUBLISH to come, and is held to the same. @returns undefined where it would go nowhere */
  #accepted(will: Will): Will | CloseReason | undefined {
    const { rewrite, config } = this.#parts;
    const topic = rewrite.publishTopic(will.topic);
    if (topic === undefined) return refusedTopic(this.#channels, rewrite, will.topic, config);
    if (will.payload.length > config.messageBytesMax)
      return this.#channels.because(
        'packet-too-large',
        sizeDetails(config, 'messageBytesMax', will.payload.length),
      );
    return isServerTopic(topic) ? undefined : { ...will, topic };
  }

  #refusalOf(
    { level, clientId, clean, password }: ConnectPacket,
    will: Will | undefined,
  ): ConnackCode | undefined {
    if (this.#auth.required) {
      if (password === undefined) return connackCode.notAuthorized;
      if (!this.#auth.allowsToken(password)) return connackCode.badCredentials;
    }
    // [MQTT-3.1.3-8]; and 3.1 has no empty ones at all.
    if (clientId === '' && (!clean || level === protocolLevel.mqtt31)) return connackCode.badClientId;
    if (Buffer.byteLength(clientId) > this.#parts.config.mqttMaxClientIdLength)
      return connackCode.badClientId;
    if (will !== undefined && !this.#parts.wills.hasRoomFor(will)) return connackCode.unavailable;
    if (!this.#parts.sessions.hasRoomFor(clientId, termsOf(clean))) return connackCode.unavailable;
    return undefined;
  }

  #refuse(channel: Channel, code: ConnackCode): CloseReason {
    this.#parts.counters.mqttConnacks[code]!++;
    this.#channels.reply(channel, connack(code, false)); // without a session [MQTT-3.2.2-4]
    return 'connect-refused'; // [MQTT-3.2.2-5]
  }

  #accept(
    channel: Channel,
    packet: ConnectPacket,
    will: Will | undefined,
    keepAlive: (sec: number) => void,
  ): void {
    const { router, sessions, wills, counters, presence, connections } = this.#parts;
    const { level, clean, keepAliveSec, userName } = packet;
    if (level === protocolLevel.mqtt31) connections.flags[channel.slot]! |= speaksMqtt31;
    const clientId = packet.clientId === '' ? makeClientId() : packet.clientId; // [MQTT-3.1.3-6]
    const owner = () => ({ address: addressKeyText(channel.socket), userName });
    const { session, present } = sessions.open(clientId, termsOf(clean), channel, owner); // ends who had the id [MQTT-3.1.4-2]
    channel.session = session;
    this.#parts.pendingConnects.leave(channel.slot);
    keepAlive(keepAliveSec);
    if (will !== undefined) wills.set(channel.slot, will, clientId);
    presence.connected(clientId, { clean, keepAliveSec }); // from here on the channel may be cut at any time
    counters.mqttConnacks[connackCode.accepted]!++;
    this.#channels.reply(channel, connack(connackCode.accepted, present && level !== protocolLevel.mqtt31)); // the first packet [MQTT-3.2.0-1]
    if (!connections.has(channel)) return;
    for (const { filter, qos } of this.#autoSubscriptions.of(clientId, userName)) {
      const admitted = this.#parts.filters.admit(channel, session, filter);
      if (admitted === 'new' || admitted === 'known') router.subscribe(filter, session, qos);
    }
    session.resume();
  }
}

/** Of MQTT 3.1.1. */
function termsOf(clean: boolean): SessionTerms {
  return clean ? cleanTerms : keptTerms;
}
