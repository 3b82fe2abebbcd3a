import { Message } from '../../../router/message.js';
import type { Session } from '../../../router/session/session.js';
import type { CloseReason } from '../../close-reason.js';
import type { Channel } from '../channel.js';
import type { Channels } from '../channels.js';
import type { MqttParts } from '../mqtt-parts.js';
import type { PacketReader } from '../packet-reader.js';
import { adoptEncoding, type PublishPacket, readPublish } from '../publish-packet.js';
import { puback, pubrec } from '../reply-packets.js';
import { isServerTopic } from '../server-topic.js';

/** PUBLISH from a client; step 1 of the way of a message. */
export class PublishHandler {
  readonly #parts: MqttParts;
  readonly #channels: Channels;

  constructor(parts: MqttParts, channels: Channels) {
    this.#parts = parts;
    this.#channels = channels;
  }

  handle(channel: Channel, session: Session, reader: PacketReader, flags: number): CloseReason | undefined {
    const { counters, rateLimits, config, rewrite } = this.#parts;
    const packet = readPublish(reader, flags);
    if (packet === undefined) return 'malformed-packet';
    counters.mqttPublishesReceived[packet.qos]!++;
    if (!rateLimits.admitsMessage(channel.slot)) return 'rate-limited';
    const topic = rewrite.publishTopic(packet.topic);
    if (topic === undefined) return 'malformed-packet';
    if (packet.payload.length > config.messageBytesMax) return 'packet-too-large'; // 3.1.1 has no milder answer
    switch (packet.qos) {
      case 0:
        this.#publish(topic, packet);
        return undefined;
      case 1:
        if (!this.#isCarried(topic)) return 'not-carried';
        this.#publish(topic, packet);
        this.#channels.reply(channel, puback(packet.packetId)); // [MQTT-3.3.4-1], after it has been taken over
        return undefined;
      case 2:
        return this.#publishOnce(channel, session, topic, packet);
    }
  }

  /** At QoS 2 the packet id is remembered until PUBREL, and a message that comes again is not published again [MQTT-4.3.3-2]. */
  #publishOnce(
    channel: Channel,
    session: Session,
    topic: string,
    packet: PublishPacket,
  ): CloseReason | undefined {
    const noted = session.noteIncoming(packet.packetId);
    if (noted === 'too-many') return 'too-many-awaiting-rel';
    if (noted === 'new' && !this.#isCarried(topic)) {
      session.release(packet.packetId);
      return 'not-carried';
    }
    if (noted === 'new') this.#publish(topic, packet);
    this.#channels.reply(channel, pubrec(packet.packetId));
    return undefined;
  }

  /**
   * What is acknowledged is with the other nodes. Where it cannot be, it is not published here either: the client sends
   * it again, and who is connected here would have it twice. 3.1.1 has no other way to say no.
   */
  #isCarried(topic: string): boolean {
    return this.#parts.router.carries || isServerTopic(topic);
  }

  #publish(topic: string, packet: PublishPacket): void {
    if (isServerTopic(topic)) {
      this.#parts.counters.mqttPublishesIgnored++;
      return;
    }
    const message = new Message(topic, packet.payload, Date.now(), packet.qos, packet.retain);
    if (topic === packet.topic) adoptEncoding(message, packet);
    this.#parts.router.publish(message);
  }
}
