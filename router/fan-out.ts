import { type Audience, Crowd, Grant, grantOf, subscriberOf } from './audience.js';
import type { FilterNode } from './filter-node.js';
import { Logins } from './logins.js';
import type { Message } from './message.js';
import type { Subscriber } from './subscriber.js';
import {
  type DeliveryOptions,
  noLocal,
  overlapOf,
  qosIn,
  retainAsPublished,
  retainSet,
  type SubscriptionOptions,
} from './subscription-options.js';
import type { Subscriptions } from './subscriptions.js';

/**
 * Delivers a message to all subscribers of its id and of matching filters; step 4 of the way of a message. Each gets it
 * once, at the highest QoS of its filters. A subscriber that leaves during the fan-out does not get it. Neither does
 * the client that published it with No Local.
 *
 * Only subscribers with several logins can be found twice, and those have a mark: a first walk collects their options,
 * the second one delivers and removes the mark. So nothing is allocated or looked up for a recipient.
 */
export class FanOut {
  readonly #subscriptions: Subscriptions;
  readonly #onDeliverError: (error: unknown, subscriber: Subscriber, message: Message) => void;
  /** The current message: a field instead of arguments and closures. Fan-outs never nest, see Router. */
  #message!: Message;
  readonly #nodes: FilterNode[] = [];
  #overlapping = false;
  #number = 0;
  delivered = 0;
  dropped = 0;

  constructor(
    subscriptions: Subscriptions,
    onDeliverError: (error: unknown, subscriber: Subscriber, message: Message) => void = throwLater,
  ) {
    this.#subscriptions = subscriptions;
    this.#onDeliverError = onDeliverError;
  }

  /** @returns how many took it */
  run(message: Message): number {
    const { tree } = this.#subscriptions;
    const deliveredBefore = this.delivered;
    const exact = this.#subscriptions.of(message.id);
    const count = tree.size === 0 ? 0 : tree.match(message.id, this.#nodes);
    this.#message = message;
    this.#subscriptions.walked = true;
    try {
      if (count > 0) this.#runMatches(exact, count);
      else if (exact !== undefined) this.#walk(exact, undefined);
    } finally {
      this.#subscriptions.walked = false;
      this.#overlapping = false;
    }
    return this.delivered - deliveredBefore;
  }

  /** Delivers to one subscriber outside of a fan-out, at the lower QoS of both. @returns whether it was taken */
  deliverTo(message: Message, subscriber: Subscriber, options: SubscriptionOptions): boolean {
    const { delivered } = this;
    this.#message = message;
    this.#deliver(subscriber, options);
    return this.delivered > delivered;
  }

  #runMatches(exact: Audience | undefined, count: number): void {
    const nodes = this.#nodes;
    this.#overlapping = count > 1 || exact !== undefined;
    if (this.#overlapping) {
      this.#number++;
      if (exact !== undefined) this.#mark(exact);
      for (let i = 0; i < count; i++) this.#mark(nodes[i]!.value!);
    }
    if (exact !== undefined) this.#walk(exact, undefined);
    for (let i = 0; i < count; i++) {
      const audience = nodes[i]!.value; // undefined if its last subscriber has left since
      if (audience !== undefined) this.#walk(audience, nodes[i]!);
    }
  }

  #mark(audience: Audience): void {
    if (audience instanceof Crowd) {
      const { byOptions } = audience;
      for (let options = 0; options < byOptions.length; options++) {
        const set = byOptions[options];
        if (set !== undefined) for (const subscriber of set) this.#markOne(subscriber, options);
      }
    } else if (Array.isArray(audience)) {
      for (const member of audience) this.#mark(member);
    } else if (audience instanceof Grant) {
      this.#markOne(audience.subscriber, audience.options);
    } else {
      this.#markOne(audience as Subscriber, 0);
    }
  }

  #markOne(subscriber: Subscriber, options: SubscriptionOptions): void {
    const { logins } = subscriber;
    if (!(logins instanceof Logins)) return;
    if ((options & noLocal) !== 0 && this.#isPublisher(subscriber)) return;
    if (logins.fanOut !== this.#number) logins.options = options & ~noLocal;
    else if (logins.options !== options) logins.options = overlapOf(logins.options, options);
    logins.fanOut = this.#number;
  }

  /** @param node of the audience; undefined = the message's id */
  #walk(audience: Audience, node: FilterNode | undefined): void {
    if (audience instanceof Crowd) this.#walkCrowd(audience);
    else if (Array.isArray(audience)) this.#walkList(audience, node);
    else if (audience instanceof Grant) this.#deliver(audience.subscriber, audience.options);
    else this.#deliver(audience as Subscriber, 0);
  }

  /** A Set may lose members during the walk, for example a slow consumer that is closed in `deliver`. */
  #walkCrowd(crowd: Crowd): void {
    const { byOptions } = crowd;
    for (let options = 0; options < byOptions.length; options++) {
      const set = byOptions[options];
      if (set !== undefined) for (const subscriber of set) this.#deliver(subscriber, options);
    }
  }

  /** A list does not change. If a subscriber has left meanwhile, each one must still be in the list's replacement. */
  #walkList(members: readonly (Subscriber | Grant)[], node: FilterNode | undefined): void {
    const { departures } = this.#subscriptions;
    for (const member of members) {
      if (departures !== this.#subscriptions.departures && !this.#isThere(member, node)) continue;
      if (member instanceof Grant) this.#deliver(member.subscriber, member.options);
      else this.#deliver(member, 0);
    }
  }

  #isThere(member: Subscriber | Grant, node: FilterNode | undefined): boolean {
    const audience = node === undefined ? this.#subscriptions.of(this.#message.id) : node.value;
    return grantOf(audience, subscriberOf(member)) !== undefined;
  }

  #deliver(subscriber: Subscriber, granted: SubscriptionOptions): void {
    let options = granted;
    if (this.#overlapping) {
      const { logins } = subscriber;
      if (logins instanceof Logins) {
        if (logins.fanOut !== this.#number) return; // it already has the message
        logins.fanOut = 0;
        options = logins.options;
      }
    }
    // Options with more than a QoS are greater than any QoS. So most deliveries need one comparison.
    if (options > this.#message.qos) {
      if ((options & noLocal) !== 0 && this.#isPublisher(subscriber)) return;
      options = this.#deliveryOf(options);
    }
    try {
      if (subscriber.deliver(this.#message, options) === 'dropped') this.dropped++;
      else this.delivered++;
    } catch (error) {
      this.dropped++;
      this.#onDeliverError(error, subscriber, this.#message);
    }
  }

  #deliveryOf(options: SubscriptionOptions): DeliveryOptions {
    const { qos, retain } = this.#message;
    return Math.min(qosIn(options), qos) | (retain && (options & retainAsPublished) !== 0 ? retainSet : 0);
  }

  #isPublisher({ clientId }: Subscriber): boolean {
    return clientId !== undefined && clientId === this.#message.publisher;
  }
}

function throwLater(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
