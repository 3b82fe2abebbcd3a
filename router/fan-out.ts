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
 * Hands a message to everybody who is logged in as its id or subscribes to a filter that matches it; step 4 of the way
 * of a message. Each gets it once, at the highest QoS of its filters, and nobody who has left while it is handed around. Nor
 * does a client that has published it and does not want its own (No Local).
 *
 * Only who has several logins can be found twice, and those carry a mark: a first walk notes the options of all there, the
 * second delivers and takes the mark away. So nothing is allocated or looked up for a recipient.
 */
export class FanOut {
  readonly #subscriptions: Subscriptions;
  readonly #onDeliverError: (error: unknown, subscriber: Subscriber, message: Message) => void;
  /** The message that is being handed around: fields instead of arguments and closures. Fan-outs never nest, see Router. */
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
      const audience = nodes[i]!.value; // nobody, when its last one has left since
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
    logins.options = overlapOf(options, logins.fanOut === this.#number ? logins.options : 0);
    logins.fanOut = this.#number;
  }

  /** @param node where the audience is from; undefined = the message's id */
  #walk(audience: Audience, node: FilterNode | undefined): void {
    if (audience instanceof Crowd) this.#walkCrowd(audience);
    else if (Array.isArray(audience)) this.#walkList(audience, node);
    else if (audience instanceof Grant) this.#deliver(audience.subscriber, audience.options);
    else this.#deliver(audience as Subscriber, 0);
  }

  /** A Set may lose members while it is walked, as it does when a slow consumer is closed in `deliver`. */
  #walkCrowd(crowd: Crowd): void {
    const { byOptions } = crowd;
    for (let options = 0; options < byOptions.length; options++) {
      const set = byOptions[options];
      if (set !== undefined) for (const subscriber of set) this.#deliver(subscriber, options);
    }
  }

  /** A list stays as it was at the start; when somebody has left meanwhile, each must still be in what replaced it. */
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
        if (logins.fanOut !== this.#number) return; // it has it already
        logins.fanOut = 0;
        options = logins.options;
      }
    }
    if (options >= noLocal) {
      if ((options & noLocal) !== 0 && this.#isPublisher(subscriber)) return;
      options = this.#deliveryOf(options);
    } else if (options > this.#message.qos) options = this.#message.qos;
    try {
      if (subscriber.deliver(this.#message, options) === 'dropped') this.dropped++;
      else this.delivered++;
    } catch (error) {
      this.dropped++;
      this.#onDeliverError(error, subscriber, this.#message);
    }
  }

  /** Where they are more than a QoS. */
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
