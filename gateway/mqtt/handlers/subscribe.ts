import type { Qos } from '../../../router/message.js';
import type { Session } from '../../../router/session/session.js';
import type { CloseReason } from '../../close-reason.js';
import type { Channel } from '../channel.js';
import type { Channels } from '../channels.js';
import type { MqttParts } from '../mqtt-parts.js';
import type { PacketReader } from '../packet-reader.js';
import { suback, subscribeFailed } from '../reply-packets.js';
import { readSubscribe } from '../subscribe-packet.js';

/** SUBSCRIBE: a code for each filter, and then what is retained for it. */
export class SubscribeHandler {
  readonly #parts: MqttParts;
  readonly #channels: Channels;

  constructor(parts: MqttParts, channels: Channels) {
    this.#parts = parts;
    this.#channels = channels;
  }

  handle(channel: Channel, session: Session, reader: PacketReader): CloseReason | undefined {
    const packet = readSubscribe(reader);
    if (packet === undefined) return 'malformed-packet';
    // By filter: in one packet equal ones count once, at the last QoS, or 64 KB would be 16,000 times everything.
    const granted = new Map<string, Qos>();
    const codes: number[] = [];
    let again = false;
    const { router, rewrite, filters } = this.#parts;
    const requests = packet.requests.map(({ filter, qos }) => ({
      filter: rewrite.subscribeFilter(filter),
      qos,
    }));
    // Before the first is subscribed to: with one that is none, the packet does nothing.
    if (requests.length > 1 && requests.some(({ filter }) => filters.isMalformed(filter)))
      return 'malformed-packet';
    for (const { filter, qos } of requests) {
      if (!granted.has(filter)) {
        const admitted = filters.admit(channel, session, filter);
        if (admitted === 'malformed') return 'malformed-packet';
        if (admitted === 'refused') {
          codes.push(subscribeFailed);
          continue;
        }
        // At once, so that the next one is judged with it.
        if (admitted === 'new') router.subscribe(filter, session, qos);
        if (admitted === 'known' || requests.length > 1) again = true;
      }
      granted.set(filter, qos);
      codes.push(qos);
    }
    if (again) for (const [filter, qos] of granted) router.subscribe(filter, session, qos); // replaced [MQTT-3.8.4-3]
    // [MQTT-3.8.4-1], one for all [MQTT-3.8.4-5]; and then what is retained [MQTT-3.3.1-6]
    this.#channels.replyWhenInterested(channel, suback(packet.packetId, codes), () =>
      this.#parts.replays.begin(channel, granted),
    );
    return undefined;
  }
}
