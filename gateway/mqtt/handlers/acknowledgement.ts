import type { Session } from '../../../router/session/session.js';
import type { Channel } from '../channel.js';
import type { Closing } from '../closing.js';
import { packetType } from '../packet.js';
import type { PacketReader } from '../packet-reader.js';
import type { Replies } from '../replies.js';
import { pubcomp, pubrel } from '../reply-packets.js';
import type { RetainedReplays } from '../retained-replays.js';

/**
 * PUBACK, PUBREC, PUBREL and PUBCOMP: the rest of a conversation at QoS 1 or 2. One of a packet id that is not in use
 * may be late, and is answered all the same. One that is not what its message waits for, such as PUBREC at QoS 1, breaks
 * the protocol: the connection is closed [MQTT-4.8.0-1], as mosquitto does, since the client and this server no longer
 * mean the same message by that packet id.
 */
export class AcknowledgementHandler {
  readonly #replies: Replies;
  readonly #replays: RetainedReplays;

  constructor(replies: Replies, replays: RetainedReplays) {
    this.#replies = replies;
    this.#replays = replays;
  }

  handle(channel: Channel, session: Session, type: number, reader: PacketReader): Closing | undefined {
    const packetId = reader.packetId();
    if (reader.failed || reader.left > 0) return 'malformed-packet';
    switch (type) {
      case packetType.puback:
        if (!session.acknowledge(packetId)) return unlessLate(session, 'PUBACK', packetId);
        break;
      case packetType.pubrec:
        if (!session.received(packetId)) return unlessLate(session, 'PUBREC', packetId);
        if (!session.holds(packetId)) this.#replies.write(channel, pubrel(packetId)); // [MQTT-4.3.3-1]
        return undefined;
      case packetType.pubrel:
        session.release(packetId);
        // [MQTT-4.3.3-2]; its client may then use the packet id for another message, also after a restart
        if (session.storesFirst) session.whenStored(() => this.#replies.write(channel, pubcomp(packetId)));
        else this.#replies.write(channel, pubcomp(packetId));
        return undefined;
      case packetType.pubcomp:
        if (!session.completed(packetId)) return unlessLate(session, 'PUBCOMP', packetId);
        break;
    }
    this.#replays.goOn(channel); // there is room in the window now
    return undefined;
  }
}

function unlessLate(session: Session, packet: string, packetId: number): Closing | undefined {
  const expected = session.expected(packetId);
  if (expected === undefined) return undefined;
  return { reason: 'protocol-error', details: { packet, packetId, expected } };
}
