import type { Session } from '../../../router/session/session.js';
import { beyondThisServer, problemOfFilter } from '../../../router/topic-filter.js';
import type { CloseReason } from '../../close-reason.js';
import type { Channel } from '../channel.js';
import type { Channels } from '../channels.js';
import type { MqttParts } from '../mqtt-parts.js';
import type { PacketReader } from '../packet-reader.js';
import { suback, subscribeFailed } from '../reply-packets.js';
import { readSubscribe, type SubscribePacket } from '../subscribe-packet.js';

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
    const subscribed: SubscribePacket['requests'][number][] = [];
    const codes: number[] = [];
    for (const request of packet.requests) {
      const filter = this.#parts.rewrite.subscribeFilter(request.filter);
      const { idBytesMax, topicLevelsMax } = this.#parts.router;
      const problem = problemOfFilter(filter, idBytesMax, topicLevelsMax);
      if (problem !== undefined && !beyondThisServer.has(problem)) return 'malformed-packet';
      if (problem !== undefined || !this.#hasRoom(session, filter)) {
        codes.push(subscribeFailed);
        continue;
      }
      this.#parts.router.subscribe(filter, session, request.qos); // again: replaced [MQTT-3.8.4-3]
      subscribed.push({ filter, qos: request.qos });
      codes.push(request.qos);
    }
    this.#channels.reply(channel, suback(packet.packetId, codes)); // [MQTT-3.8.4-1], one for all [MQTT-3.8.4-5]
    for (const { filter, qos } of subscribed) this.#parts.replays.begin(channel, filter, qos); // [MQTT-3.3.1-6]
    return undefined;
  }

  #hasRoom(session: Session, filter: string): boolean {
    const { router, config } = this.#parts;
    const hasRoom =
      router.loginsOf(session) < config.mqttMaxSubscriptions &&
      router.logins < config.mqttSubscriptionsTotalMax;
    return hasRoom || router.isLoggedIn(filter, session);
  }
}
