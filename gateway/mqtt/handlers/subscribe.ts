import type { Qos } from '../../../router/message.js';
import type { Router } from '../../../router/router.js';
import type { Session } from '../../../router/session/session.js';
import type { Channel } from '../channel.js';
import type { Closing } from '../closing.js';
import type { FilterAdmission } from '../filter-admission.js';
import type { PacketReader } from '../packet-reader.js';
import type { Replies } from '../replies.js';
import { suback, subscribeFailed } from '../reply-packets.js';
import type { RetainedReplays } from '../retained-replays.js';
import { readSubscribe } from './subscribe-packet.js';

/** SUBSCRIBE: a code for each filter, and then what is retained for it. */
export class SubscribeHandler {
  readonly #filters: FilterAdmission;
  readonly #router: Router;
  readonly #replies: Replies;
  readonly #replays: RetainedReplays;

  constructor(filters: FilterAdmission, router: Router, replies: Replies, replays: RetainedReplays) {
    this.#filters = filters;
    this.#router = router;
    this.#replies = replies;
    this.#replays = replays;
  }

  handle(channel: Channel, session: Session, reader: PacketReader): Closing | undefined {
    const packet = readSubscribe(reader);
    if (packet === undefined) return 'malformed-packet';
    // By filter: in one packet equal ones count once, at the last QoS, or 64 KB would be 16,000 times everything.
    const granted = new Map<string, Qos>();
    const refused = new Set<string>();
    const codes: number[] = [];
    let again = false;
    const router = this.#router;
    const filters = this.#filters;
    const requests = packet.requests.map(({ filter, qos }) => ({ filter: filters.rewritten(filter), qos }));
    // Before the first is subscribed to: with one that is none, the packet does nothing.
    if (requests.length > 1 && requests.some(({ filter }) => filters.isMalformed(filter)))
      return 'malformed-packet';
    for (const { filter, qos } of requests) {
      if (refused.has(filter)) {
        codes.push(subscribeFailed);
        continue;
      }
      if (!granted.has(filter)) {
        const admitted = filters.admit(channel, session, filter);
        if (admitted === 'malformed') return 'malformed-packet';
        if (admitted === 'refused') {
          refused.add(filter);
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
    const letGo = this.#replies.holdSuback(channel, suback(packet.packetId, codes), () =>
      this.#replays.begin(channel, granted),
    );
    router.whenInterested(letGo); // on all nodes, so that its client may publish anywhere once it has been told
    return undefined;
  }
}
