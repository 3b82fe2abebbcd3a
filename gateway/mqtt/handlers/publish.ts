import { isCarried, type OnOutcome } from '../../../router/engine/engine.js';
import { Message } from '../../../router/message.js';
import type { Router } from '../../../router/router.js';
import type { Session } from '../../../router/session/session.js';
import type { Channel } from '../channel.js';
import type { Closing } from '../closing.js';
import type { PacketReader } from '../packet-reader.js';
import type { PendingQos2 } from '../pending-qos2.js';
import type { PublishAdmission } from '../publish-admission.js';
import { adoptEncoding, type PublishPacket, readPublish } from '../publish-packet.js';
import type { Replies } from '../replies.js';
import { puback, pubrec } from '../reply-packets.js';

/** PUBLISH from a client; step 1 of the way of a message. */
export class PublishHandler {
  readonly #admission: PublishAdmission;
  readonly #router: Router;
  readonly #replies: Replies;
  readonly #pendingQos2: PendingQos2;

  constructor(admission: PublishAdmission, router: Router, replies: Replies, pendingQos2: PendingQos2) {
    this.#admission = admission;
    this.#router = router;
    this.#replies = replies;
    this.#pendingQos2 = pendingQos2;
  }

  handle(channel: Channel, session: Session, reader: PacketReader, flags: number): Closing | undefined {
    const packet = readPublish(reader, flags);
    if (packet === undefined) return 'malformed-packet';
    const topic = this.#admission.topicOf(channel, packet);
    if (typeof topic === 'object') return topic;
    switch (packet.qos) {
      case 0:
        if (topic !== undefined) this.#router.publish(messageOf(topic, packet, session));
        return undefined;
      case 1:
        return this.#publishAtLeastOnce(channel, session, topic, packet);
      case 2:
        return this.#publishOnce(channel, session, topic, packet);
    }
  }

  #publishAtLeastOnce(
    channel: Channel,
    session: Session,
    topic: string | undefined,
    packet: PublishPacket,
  ): Closing | undefined {
    const ticket = this.#replies.reserve(channel, puback, packet.packetId); // [MQTT-3.3.4-1]
    if (ticket === undefined) return 'protocol-error';
    this.#publish(session, topic, packet, (outcome) => this.#replies.settle(ticket, outcome));
    return undefined;
  }

  /** At QoS 2 the packet id is remembered until PUBREL, and a message that comes again is not published again [MQTT-4.3.3-2]. */
  #publishOnce(
    channel: Channel,
    session: Session,
    topic: string | undefined,
    packet: PublishPacket,
  ): Closing | undefined {
    const { packetId } = packet;
    const pending = this.#pendingQos2;
    const ticket = this.#replies.reserve(channel, pubrec, packetId);
    if (ticket === undefined) return 'protocol-error';
    // Asked first: where it is pending for longer than it may await PUBREL, the session has forgotten it.
    const noted = pending.has(session, packetId) ? 'repeated' : session.noteIncoming(packetId);
    if (noted === 'too-many') return this.#admission.tooManyAwaitingRel();
    if (noted === 'new') this.#publish(session, topic, packet, pending.begin(session, packetId, ticket));
    else if (!pending.wait(session, packetId, ticket)) this.#replies.settle(ticket, isCarried);
    return undefined;
  }

  /**
   * An acknowledged message is with the other nodes. Where it cannot be, it is not published here either: the client sends
   * it again, and subscribers that are connected here would have it twice.
   */
  #publish(session: Session, topic: string | undefined, packet: PublishPacket, onOutcome: OnOutcome): void {
    if (topic === undefined) return onOutcome(isCarried); // it goes nowhere
    this.#router.publish(messageOf(topic, packet, session), { onOutcome });
  }
}

function messageOf(topic: string, packet: PublishPacket, { clientId }: Session): Message {
  const { payload, qos, retain } = packet;
  const message = new Message(topic, payload, Date.now(), qos, retain, 0, clientId);
  if (topic === packet.topic) adoptEncoding(message, packet);
  return message;
}
