import type { Router } from '../../../router/router.js';
import type { Session } from '../../../router/session/session.js';
import type { Channel } from '../channel.js';
import type { Closing } from '../closing.js';
import type { FilterAdmission } from '../filter-admission.js';
import type { PacketReader } from '../packet-reader.js';
import type { Replies } from '../replies.js';
import { unsuback } from '../reply-packets.js';
import { readUnsubscribe } from './subscribe-packet.js';

/** UNSUBSCRIBE: answered even where nothing was subscribed [MQTT-3.10.4-5]. What is in flight is delivered [MQTT-3.10.4-3]. */
export class UnsubscribeHandler {
  readonly #filters: FilterAdmission;
  readonly #router: Router;
  readonly #replies: Replies;

  constructor(filters: FilterAdmission, router: Router, replies: Replies) {
    this.#filters = filters;
    this.#router = router;
    this.#replies = replies;
  }

  handle(channel: Channel, session: Session, reader: PacketReader): Closing | undefined {
    const packet = readUnsubscribe(reader);
    if (packet === undefined) return 'malformed-packet';
    const filters = packet.filters.map((filter) => this.#filters.rewritten(filter));
    if (filters.some((filter) => this.#filters.isMalformed(filter))) return 'malformed-packet'; // [MQTT-4.7.3-1]
    for (const filter of filters) this.#router.unsubscribe(filter, session);
    const answer = unsuback(packet.packetId); // [MQTT-3.10.4-4]
    if (session.storesFirst) session.whenStored(this.#replies.hold(channel, answer));
    else this.#replies.write(channel, answer);
    return undefined;
  }
}
