import type { Session } from '../../../router/session/session.js';
import { beyondThisServer, problemOfFilter } from '../../../router/topic-filter.js';
import type { CloseReason } from '../../close-reason.js';
import type { Channel } from '../channel.js';
import type { Channels } from '../channels.js';
import type { MqttParts } from '../mqtt-parts.js';
import type { PacketReader } from '../packet-reader.js';
import { unsuback } from '../reply-packets.js';
import { readUnsubscribe } from '../subscribe-packet.js';

/** UNSUBSCRIBE: answered even where nothing was subscribed [MQTT-3.10.4-5]. What is in flight is delivered [MQTT-3.10.4-3]. */
export class UnsubscribeHandler {
  readonly #parts: MqttParts;
  readonly #channels: Channels;

  constructor(parts: MqttParts, channels: Channels) {
    this.#parts = parts;
    this.#channels = channels;
  }

  handle(channel: Channel, session: Session, reader: PacketReader): CloseReason | undefined {
    const packet = readUnsubscribe(reader);
    if (packet === undefined) return 'malformed-packet';
    const { router, rewrite } = this.#parts;
    const filters = packet.filters.map((filter) => rewrite.subscribeFilter(filter));
    for (const filter of filters) {
      const problem = problemOfFilter(filter, router.idBytesMax, router.topicLevelsMax);
      if (problem !== undefined && !beyondThisServer.has(problem)) return 'malformed-packet'; // [MQTT-4.7.3-1]
    }
    for (const filter of filters) router.unsubscribe(filter, session);
    this.#channels.reply(channel, unsuback(packet.packetId)); // [MQTT-3.10.4-4]
    return undefined;
  }
}
