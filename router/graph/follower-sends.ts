import type { DeliveryOrder } from '../delivery-order.js';
import { RecentKeys } from '../engine/embedded.js';
import { type Engine, isCarried, type Outcome, type Wants } from '../engine/engine.js';
import { Message } from '../message.js';
import { MessageProperties } from '../message-properties.js';
import { FollowerDeliveries, type FollowerDeliveriesParts } from './follower-deliveries.js';
import type { Graph } from './graph.js';
import { numberHash } from './number-set.js';
import { type FollowerSendsStats, SendsUnderWay } from './sends-under-way.js';

/** Sends to followers may take so much of one turn of the loop, all together, ms; others then have theirs. */
const turnMs = 5;
/** Deliveries in one turn; writing them takes 7 us each. */
const deliveriesPerTurn = 1024;
/** Followers between two looks at the clock; 0.2 us each without a connection. */
const followersPerLook = 256;
/** Bytes that a message takes while it waits, besides its payload and id. */
const sendBytes = 400;

/** The parts of the router that sends to followers use. */
export interface FollowerSendsParts extends Omit<FollowerDeliveriesParts, 'follows'> {
  readonly graph: Graph;
  readonly engine: Engine;
  readonly order: DeliveryOrder;
}

/**
 * Sends to an id and to all ids that follow it. Each connection gets the message once, however many of its ids match.
 *
 *     followed by few    all in the turn of the send
 *     by many            in slices of 5 ms, with turns for others between them
 *
 * Sends to one id are in order: the next one begins when the last one is through. Different ids take turns.
 */
export class FollowerSends {
  readonly #parts: FollowerSendsParts & FollowerDeliveriesParts;
  readonly #underWay: SendsUnderWay;
  readonly #recentKeys = new RecentKeys();
  readonly #byId = new Map<string, FollowerSend[]>();
  /** The first send of each id; these take turns. */
  #running: FollowerSend[] = [];
  #scheduled = false;
  #working = false;

  /** @throws RangeError */
  constructor(parts: FollowerSendsParts, followerSendsBytesMax?: number) {
    this.#parts = { ...parts, follows: (id, about) => parts.graph.has(id, about) };
    this.#underWay = new SendsUnderWay(followerSendsBytesMax);
  }

  get stats(): FollowerSendsStats {
    return this.#underWay.stats;
  }

  /** @returns how many took it so far */
  publish(message: Message, wants: Wants | undefined): number {
    const send = new FollowerSend(message, wants);
    if (!this.#underWay.begin(send.bytes, wants)) return 0;
    const others = this.#byId.get(message.id);
    if (others !== undefined) others.push(send);
    else {
      this.#byId.set(message.id, [send]);
      this.#running.push(send);
      if (this.#scheduled || this.#working || this.#parts.order.busy) this.#schedule();
      else this.#work();
    }
    if (!send.count && send.idempotencyKey === '') send.tell(isCarried); // nobody waits for the count
    return send.delivered;
  }

  /** Goes on with what is under way, for one turn. */
  #work(): void {
    const untilMs = performance.now() + turnMs;
    const running = this.#running;
    this.#running = [];
    this.#working = true;
    let deliveries = deliveriesPerTurn;
    const unreached: FollowerSend[] = [];
    for (const [index, send] of running.entries()) {
      // The first one goes on even where the turn is used up, so that every send ends.
      if (index > 0 && (deliveries <= 0 || performance.now() >= untilMs)) unreached.push(send);
      else {
        const before = send.delivered;
        if (this.#goOn(send, deliveries, untilMs)) this.#end(send);
        else this.#running.push(send);
        deliveries -= send.delivered - before;
      }
    }
    this.#working = false;
    this.#running = [...unreached, ...this.#running];
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#running.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#running.length > 0) this.#work();
    });
  }

  /** @returns whether it is through */
  #goOn(send: FollowerSend, deliveriesMax: number, untilMs: number): boolean {
    if (send.deliveries === undefined && this.#begin(send)) return true;
    const deliveries = send.deliveries!;
    const before = deliveries.delivered;
    let through = false;
    this.#parts.order.exclusively(() => {
      do through = this.#deliverPart(send, deliveries);
      while (!through && deliveries.delivered - before < deliveriesMax && performance.now() < untilMs);
    });
    return through;
  }

  /** @returns whether it was the last part */
  #deliverPart(send: FollowerSend, deliveries: FollowerDeliveries): boolean {
    const { subscriptions, graph } = this.#parts;
    const { numbers, subscribers } = graph;
    // Looked up anew: numbers are used again when their ids have left the graph.
    const number = numbers.numberOf(send.message.id);
    if (number === 0) return true;
    const part = subscribers.part(number, send.after, followersPerLook);
    for (const id of numbers.idsOf(part))
      if (subscriptions.of(id) !== undefined) deliveries.deliver(send.messageFor(id));
    if (part.length < followersPerLook) return true;
    send.after = numberHash(part.at(-1)!);
    return false;
  }

  /** Sends to the id itself. @returns whether that is all */
  #begin(send: FollowerSend): boolean {
    const { message, idempotencyKey } = send;
    if (idempotencyKey !== '') {
      const first = this.#recentKeys.get(message.id, idempotencyKey);
      if (first !== undefined) {
        send.outcome = { ...first, repeated: true };
        return true;
      }
    }
    this.#parts.engine.publish(message, {
      count: true,
      onOutcome: ({ delivered }) => {
        send.own = delivered;
      },
    });
    send.deliveries = new FollowerDeliveries(this.#parts, message.id);
    return false;
  }

  #end(send: FollowerSend): void {
    const { id } = send.message;
    if (send.outcome === undefined) {
      send.outcome = { delivered: send.delivered, unanswered: 0, carried: 'yes' };
      if (send.idempotencyKey !== '') this.#recentKeys.set(id, send.idempotencyKey, send.outcome);
    }
    const told = this.#underWay.end(send.bytes, send.outcome, send.count);
    const rest = this.#byId.get(id)!;
    rest.shift();
    if (rest.length === 0) this.#byId.delete(id);
    else this.#running.push(rest[0]!);
    send.tell(told);
  }
}

class FollowerSend {
  readonly message: Message;
  #properties: MessageProperties | undefined;
  #onOutcome: Wants['onOutcome'] | undefined;
  readonly count: boolean;
  readonly idempotencyKey: string;
  readonly bytes: number;
  /** Undefined before the first turn of this send. */
  deliveries: FollowerDeliveries | undefined;
  /** Hash of the last follower that had its turn. */
  after = -1;
  /** Subscribers of the id itself that took the message. */
  own = 0;
  outcome: Outcome | undefined;

  constructor(message: Message, wants: Wants | undefined) {
    this.message = message;
    this.#onOutcome = wants?.onOutcome;
    this.count = wants?.count === true;
    this.idempotencyKey = wants?.idempotencyKey ?? '';
    this.bytes = message.bytes + message.id.length + sendBytes;
  }

  /** Subscribers that took the message so far. */
  get delivered(): number {
    return this.own + (this.deliveries?.delivered ?? 0);
  }

  /** The message as a follower gets it. */
  messageFor(follower: string): Message {
    const { id, payload, timeMs, qos, publisher, properties } = this.message;
    this.#properties ??= new MessageProperties({ ...properties, about: id });
    return new Message(follower, payload, timeMs, qos, false, 0, publisher, this.#properties);
  }

  /** Tells the publisher, once. */
  tell(outcome: Outcome): void {
    const onOutcome = this.#onOutcome;
    this.#onOutcome = undefined;
    onOutcome?.(outcome);
  }
}
