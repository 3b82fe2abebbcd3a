import type { Qos } from '../../../router/message.js';
import type { Router } from '../../../router/router.js';
import type { Session } from '../../../router/session/session.js';
import type { FairTurns } from '../../fair-turns.js';
import type { Channel } from '../channel.js';
import type { Closing } from '../closing.js';
import type { FilterAdmission } from '../filter-admission.js';
import type { PacketReader } from '../packet-reader.js';
import type { Replies } from '../replies.js';
import { suback, subscribeFailed } from '../reply-packets.js';
import type { RetainedReplays } from '../retained-replays.js';
import { readSubscribe } from './subscribe-packet.js';

export interface SubscribeHandlerParts {
  readonly filters: FilterAdmission;
  readonly router: Router;
  readonly replies: Replies;
  readonly replays: RetainedReplays;
  readonly turns: FairTurns;
}

/** Says how far a SUBSCRIBE is done. */
interface SubscribeWork {
  readonly packetId: number;
  readonly requests: { filter: string; qos: Qos }[];
  /** So many of the requests are rewritten, and are for filters. */
  checked: number;
  /** The QoS by filter: equal filters of a packet count once, with the last QoS, or 64 KB would be 16,000 times everything. */
  readonly granted: Map<string, Qos>;
  readonly refused: Set<string>;
  /** The codes of the requests that are done. */
  readonly codes: number[];
  /** The SUBSCRIBE takes more than one turn: rights may be taken back in between, and subscriptions with them. */
  isLong: boolean;
}

/**
 * SUBSCRIBE: a code for each filter, and then what is retained for it. A packet has up to 16,000 filters, and each is looked
 * at with up to 1,000 rules: what does not fit into a turn goes on in the next ones, and its connection waits.
 */
export class SubscribeHandler {
  readonly #parts: SubscribeHandlerParts;
  /** These SUBSCRIBEs take more than a turn. */
  readonly #begun = new Map<Channel, SubscribeWork>();

  constructor(parts: SubscribeHandlerParts) {
    this.#parts = parts;
  }

  /** @returns 'wait' where it is not done in this turn: then call it again with the same packet */
  handle(channel: Channel, session: Session, reader: PacketReader): Closing | 'wait' | undefined {
    const work = this.#begun.get(channel) ?? this.#read(reader);
    if (work === undefined) return 'malformed-packet';
    const { requests, codes } = work;
    // Before the first is subscribed to: with one that is no filter, the packet does nothing.
    while (work.checked < requests.length) {
      if (!this.#check(work)) return this.#malformed(channel);
      if (work.checked < requests.length && this.#parts.turns.over) return this.#goOnLater(channel, work);
    }
    while (codes.length < requests.length) {
      const { filter, qos } = requests[codes.length]!;
      const code = this.#subscribe(channel, session, work, filter, qos);
      if (code === undefined) return this.#malformed(channel);
      codes.push(code);
      if (codes.length < requests.length && this.#parts.turns.over) return this.#goOnLater(channel, work);
    }
    this.#begun.delete(channel);
    if (work.isLong) this.#refuseLost(session, work);
    this.#answer(channel, session, work);
    return undefined;
  }

  /** The connection is gone. */
  release(channel: Channel): void {
    if (this.#begun.size > 0) this.#begun.delete(channel);
  }

  #goOnLater(channel: Channel, work: SubscribeWork): 'wait' {
    work.isLong = true;
    this.#begun.set(channel, work);
    setImmediate(() => this.#begun.get(channel) === work && channel.goOn());
    return 'wait';
  }

  #read(reader: PacketReader): SubscribeWork | undefined {
    const packet = readSubscribe(reader);
    if (packet === undefined) return undefined;
    const { packetId, requests } = packet;
    return {
      packetId,
      requests,
      checked: 0,
      granted: new Map(),
      refused: new Set(),
      codes: [],
      isLong: false,
    };
  }

  /** Rewrites the next filter, and looks whether it is one; a single filter is looked at when it is admitted. */
  #check(work: SubscribeWork): boolean {
    const { filters } = this.#parts;
    const request = work.requests[work.checked++]!;
    request.filter = filters.rewritten(request.filter);
    return work.requests.length === 1 || !filters.isMalformed(request.filter);
  }

  #malformed(channel: Channel): Closing {
    this.#begun.delete(channel);
    return 'malformed-packet';
  }

  /** @returns its code; undefined: it is no filter */
  #subscribe(
    channel: Channel,
    session: Session,
    work: SubscribeWork,
    filter: string,
    qos: Qos,
  ): number | undefined {
    const { granted, refused } = work;
    if (work.isLong && granted.has(filter) && !this.#has(session, filter)) granted.delete(filter);
    if (refused.has(filter)) return subscribeFailed;
    if (!granted.has(filter)) {
      const admitted = this.#parts.filters.admit(channel, session, filter);
      if (admitted === 'malformed') return undefined;
      if (admitted === 'refused') {
        refused.add(filter);
        return subscribeFailed;
      }
    }
    // At once, so that the next one is judged with it. One that there is already is replaced [MQTT-3.8.4-3].
    if (granted.get(filter) !== qos) this.#parts.router.subscribe(filter, session, qos);
    granted.set(filter, qos);
    return qos;
  }

  /** A subscription that was ended in a turn in between is not told as granted, and what is retained for it not sent. */
  #refuseLost(session: Session, { requests, granted, codes }: SubscribeWork): void {
    for (const filter of granted.keys()) if (!this.#has(session, filter)) granted.delete(filter);
    for (const [n, { filter }] of requests.entries()) if (!granted.has(filter)) codes[n] = subscribeFailed;
  }

  #has(session: Session, filter: string): boolean {
    return this.#parts.router.isLoggedIn(filter, session);
  }

  #answer(channel: Channel, session: Session, { packetId, granted, codes }: SubscribeWork): void {
    const { router, replies, replays } = this.#parts;
    // [MQTT-3.8.4-1], one for all [MQTT-3.8.4-5]; and then what is retained [MQTT-3.3.1-6]
    const letGo = replies.hold(channel, suback(packetId, codes), () => replays.begin(channel, granted));
    // Its client may publish anywhere once it has been told: all nodes know the subscriptions, and they are stored.
    router.whenInterested(() => session.whenStored(letGo));
  }
}
