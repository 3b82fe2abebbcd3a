import { isCarried, type OnOutcome } from '../../../router/engine/engine.js';
import { Message } from '../../../router/message.js';
import type { Session } from '../../../router/session/session.js';
import type { CloseReason } from '../../close-reason.js';
import { isServerTopic } from '../../server-topic.js';
import type { Channel } from '../channel.js';
import type { Channels } from '../channels.js';
import type { MqttParts } from '../mqtt-parts.js';
import type { PacketReader } from '../packet-reader.js';
import { adoptEncoding, type PublishPacket, readPublish } from '../publish-packet.js';
import { refusedTopic } from '../refused-topic.js';
import { puback, pubrec } from '../reply-packets.js';
import { sizeDetails } from '../size-details.js';
import { Undecided } from '../undecided.js';

/** PUBLISH from a client; step 1 of the way of a message. */
export class PublishHandler {
  readonly #parts: MqttParts;
  readonly #channels: Channels;
  readonly #undecided = new Undecided();

  constructor(parts: MqttParts, channels: Channels) {
    this.#parts = parts;
    this.#channels = channels;
  }

  /** Sessions with messages at QoS 2 of which it is not known whether they are carried, now. */
  get undecided(): number {
    return this.#undecided.count;
  }

  /** Calls back when there is none of this session. */
  whenDecided(session: Session, ready: () => void): void {
    this.#undecided.whenNone(session, ready);
  }

  handle(channel: Channel, session: Session, reader: PacketReader, flags: number): CloseReason | undefined {
    const { counters, rateLimits, config, rewrite } = this.#parts;
    const packet = readPublish(reader, flags);
    if (packet === undefined) return 'malformed-packet';
    counters.mqttPublishesReceived[packet.qos]!++;
    if (!rateLimits.admitsMessage(channel.slot))
      return this.#channels.because('rate-limited', sizeDetails(config, 'mqttRateLimitMessages'));
    const topic = rewrite.publishTopic(packet.topic);
    if (topic === undefined) return refusedTopic(this.#channels, rewrite, packet.topic, config);
    // 3.1.1 has no milder answer
    if (packet.payload.length > config.messageBytesMax)
      return this.#channels.because(
        'packet-too-large',
        sizeDetails(config, 'messageBytesMax', packet.payload.length),
      );
    switch (packet.qos) {
      case 0:
        if (!this.#ignores(topic)) this.#parts.router.publish(messageOf(topic, packet, session));
        return undefined;
      case 1:
        // [MQTT-3.3.4-1]
        return this.#channels.replyOnceCarried(
          channel,
          () => puback(packet.packetId),
          (onOutcome) => this.#publish(session, topic, packet, onOutcome),
        );
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
    const { packetId } = packet;
    const undecided = this.#undecided;
    // Asked first: where it is undecided for longer than it may await PUBREL, the session has forgotten it.
    const noted = undecided.has(session, packetId) ? 'repeated' : session.noteIncoming(packetId);
    if (noted === 'too-many')
      return this.#channels.because(
        'too-many-awaiting-rel',
        sizeDetails(this.#parts.config, 'mqttMaxAwaitingRel'),
      );
    return this.#channels.replyOnceCarried(
      channel,
      () => pubrec(packetId),
      (onOutcome) => {
        if (noted === 'new')
          this.#publish(session, topic, packet, undecided.begin(session, packetId, channel, onOutcome));
        else if (!undecided.wait(session, packetId, channel, onOutcome)) onOutcome(isCarried);
      },
    );
  }

  /**
   * What is acknowledged is with the other nodes. Where it cannot be, it is not published here either: the client sends
   * it again, and who is connected here would have it twice. 3.1.1 has no other way to say no than to close.
   */
  #publish(session: Session, topic: string, packet: PublishPacket, onOutcome: OnOutcome): void {
    if (this.#ignores(topic)) return onOutcome(isCarried);
    this.#parts.router.publish(messageOf(topic, packet, session), 'carried', onOutcome);
  }

  #ignores(topic: string): boolean {
    if (!isServerTopic(topic)) return false;
    this.#parts.counters.mqttPublishesIgnored++;
    return true;
  }
}

function messageOf(topic: string, packet: PublishPacket, { clientId }: Session): Message {
  const { payload, qos, retain } = packet;
  const message = new Message(topic, payload, Date.now(), qos, retain, 0, clientId);
  if (topic === packet.topic) adoptEncoding(message, packet);
  return message;
}
