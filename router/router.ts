import {
  assertFilter,
  assertFreeOrHere,
  assertId,
  assertOptions,
  assertSubscriber,
  assertText,
  InvalidArgumentError,
  payloadOf,
} from './arguments.js';
import { DeliveryOrder } from './delivery-order.js';
import { EmbeddedEngine } from './engine/embedded.js';
import type { Engine, Wants } from './engine/engine.js';
import { FanOut } from './fan-out.js';
import { FollowerCopies } from './graph/follower-copies.js';
import { FollowerFilters } from './graph/follower-filters.js';
import { FollowerSends } from './graph/follower-sends.js';
import { Graph } from './graph/graph.js';
import { LocalGraph } from './graph/local-graph.js';
import { SharedFollowerSends } from './graph/shared-follower-sends.js';
import type { FriendsGraph } from './graph/shared-graph.js';
import { History } from './history/history.js';
import type { HistoryStore } from './history/history-store.js';
import { MemoryHistory } from './history/memory-history.js';
import { Message } from './message.js';
import { Retained } from './retained.js';
import type { RetainedCursor } from './retained-cursor.js';
import { Retirement } from './retirement.js';
import { idLimitsOf, type RouterOptions } from './router-options.js';
import { type RouterStats, routerStats } from './router-stats.js';
import { countOf, toldOnceStored } from './stored-outcome.js';
import type { StoredState } from './stored-state.js';
import type { Subscriber } from './subscriber.js';
import type { SubscriptionOptions } from './subscription-options.js';
import { Subscriptions } from './subscriptions.js';

/**
 * Steps 2 and 4 of the way of a message: takes it from a publisher, retains it if asked, and delivers it to all
 * subscribers of its id. Knows ids and subscribers; never sees a socket, a header or a packet.
 *
 * From `send` to the last `deliver` nothing waits, and nothing is allocated for a recipient.
 */
export class Router {
  readonly #subscriptions = new Subscriptions();
  readonly #fanOut: FanOut;
  readonly #retained: Retained;
  readonly #historyStore: HistoryStore;
  /** Recent messages, for clients that reconnect. */
  readonly history: History;
  /** The ids that follow others, where this is the only process; else it is empty. */
  readonly graph: Graph;
  /** The ids that follow others, wherever that is kept. */
  readonly friends: FriendsGraph;
  readonly #followerFilters: FollowerFilters;
  readonly #followerSends: FollowerSends | SharedFollowerSends;
  readonly #followerCopies: FollowerCopies;
  /** Carries messages to the other nodes, where there are any, and knows those. */
  readonly engine: Engine;
  /** The state that is kept on disk; undefined = none. */
  readonly stored: StoredState | undefined;
  readonly #onLastLogout: (filter: string) => void;
  readonly #retirement: Retirement;
  readonly idBytesMax: number;
  readonly topicLevelsMax: number;
  /** Called for each message that subscribers of this node have taken, behind the last of them. */
  onHandedOut: ((message: Message) => void) | undefined = undefined;
  #published = 0;
  #messages = 0;
  readonly #order = new DeliveryOrder((message) => this.#handOut(message));

  /** @throws RangeError for a limit that is not a whole number */
  constructor(options: RouterOptions = {}) {
    this.#fanOut = new FanOut(this.#subscriptions, options.onDeliverError);
    this.engine = options.engine ?? new EmbeddedEngine(options.stored?.commits);
    const { idBytesMax, topicLevelsMax } = idLimitsOf(options);
    this.idBytesMax = idBytesMax;
    this.topicLevelsMax = topicLevelsMax;
    this.stored = options.stored;
    this.#retained = new Retained(options, this.stored?.retained);
    this.#historyStore = options.historyStore ?? new MemoryHistory(options.history);
    this.history = new History(this.#historyStore);
    this.#onLastLogout = (filter) => this.engine.removeInterest(filter);
    this.#retirement = new Retirement(this.#subscriptions, this.#onLastLogout);
    this.graph = options.graph ?? new Graph({ idBytesMax, topicLevelsMax });
    const { sendToFollowers = [], followerSendsBytesMax } = options;
    this.#followerFilters = new FollowerFilters(sendToFollowers, idBytesMax, topicLevelsMax);
    const { graph, engine } = this;
    const parts = { subscriptions: this.#subscriptions, fanOut: this.#fanOut };
    const { sharedGraph } = engine;
    this.friends = sharedGraph ?? new LocalGraph(graph);
    this.#followerCopies = new FollowerCopies(parts);
    this.#followerSends =
      sharedGraph === undefined
        ? new FollowerSends({ ...parts, graph, engine, order: this.#order }, followerSendsBytesMax)
        : new SharedFollowerSends(engine, sharedGraph, followerSendsBytesMax);
  }

  /** Connects the engine. Before it resolves, sends reach nobody. */
  async start(): Promise<void> {
    await this.engine.start((message) => this.#order.deliver(message), this.#retained);
  }

  async stop(): Promise<void> {
    await this.engine.stop();
    await this.stored?.commits.close();
    await this.graph.close();
  }

  /**
   * From now on `subscriber` receives messages to `id` at QoS 0, until it logs out. A second login has no effect. The
   * router keeps the string: a substring keeps its whole parent alive.
   * @throws InvalidIdError, InvalidArgumentError for a value that is no subscriber, or is logged in at another router
   */
  login(id: string, subscriber: Subscriber): void {
    assertId(id, this.idBytesMax, this.topicLevelsMax);
    this.#add(id, subscriber, 0);
  }

  /** Ends one login; without an id, all logins of the subscriber, including filters. Does nothing without a login. */
  logout(subscriber: Subscriber, id?: string): void {
    assertSubscriber(subscriber);
    if (id === undefined) this.#subscriptions.removeAll(subscriber, this.#onLastLogout);
    else this.unsubscribe(id, subscriber);
  }

  /** `logout` of a subscriber that is gone for good; with very many filters, over several turns of the loop. */
  retire(subscriber: Subscriber): void {
    assertSubscriber(subscriber);
    this.#retirement.add(subscriber);
  }

  /**
   * `login` with a topic filter and a QoS, or more options. `subscriber` receives messages to all ids that `filter`
   * matches, at the lower of that QoS and the message's own. A second call replaces them. @throws as `login`
   */
  subscribe(filter: string, subscriber: Subscriber, options: SubscriptionOptions): void {
    assertFilter(filter, this.idBytesMax, this.topicLevelsMax);
    assertOptions(options);
    this.#add(filter, subscriber, options);
  }

  /** Calls `ready` once earlier logins are active on all nodes; with a single node, before it returns. */
  whenInterested(ready: () => void): void {
    this.engine.whenInterested(ready);
  }

  /** @returns whether it was subscribed */
  unsubscribe(filter: string, subscriber: Subscriber): boolean {
    assertText('A topic filter', filter);
    const outcome = this.#subscriptions.remove(filter, subscriber);
    if (outcome === 'last') this.engine.removeInterest(filter);
    if (outcome !== 'absent') subscriber.unsubscribed(filter);
    return outcome !== 'absent';
  }

  /** Pairs of id or filter and subscriber, now. */
  get logins(): number {
    return this.#subscriptions.logins;
  }

  /** Most bytes of all logins and subscriptions in V8's heap, now. A gateway has a limit for them. */
  get loginsBytes(): number {
    return this.#subscriptions.bytes;
  }

  /**
   * Most visits of a message in the tree of filters, once this valid filter is added; 100 ns each. Overlapping filters
   * with many `+` double it with each level.
   */
  visitsWith(filter: string): number {
    return this.#subscriptions.visitsWith(filter);
  }

  /** Bytes of a subscriber's ids and filters, each as if nobody else had it; see `loginsBytes`. */
  loginsBytesOf(subscriber: Subscriber): number {
    return this.#subscriptions.costOf(subscriber);
  }

  /** The part of `visitsWith` that this subscriber causes, with one more filter if given. */
  visitsOf(subscriber: Subscriber, filter?: string): number {
    return this.#subscriptions.visitsOf(subscriber, filter);
  }

  /** Number of ids and filters of a subscriber. */
  loginsOf(subscriber: Subscriber): number {
    return this.#subscriptions.countOf(subscriber);
  }

  /** The ids and filters of a subscriber, with the options of each. */
  subscriptionsOf(subscriber: Subscriber): { filter: string; options: SubscriptionOptions }[] {
    return this.#subscriptions.listOf(subscriber);
  }

  /** Whether a subscriber has exactly this id or filter. */
  isLoggedIn(filter: string, subscriber: Subscriber): boolean {
    return this.#subscriptions.has(filter, subscriber);
  }

  /**
   * The retained messages of the ids that `filter` matches, for a new subscriber, in no order. All at once, however
   * many there are; `walkRetained` finds them one by one.
   */
  retainedFor(filter: string): Message[] {
    return this.#retained.all(filter);
  }

  /** `retainedFor` at the pace of the caller; with No Local on this filter, without the subscriber's own messages. */
  walkRetained(filter: string, subscriber?: Subscriber): RetainedCursor {
    return this.#retained.walk(filter, subscriber && this.#subscriptions.unwantedOf(filter, subscriber));
  }

  /** Cheaper than a walk. @returns false if nothing is retained for the ids that `filter` matches */
  mayHaveRetained(filter: string): boolean {
    return this.#retained.mayHave(filter);
  }

  /** Removes the retained messages of the ids that `filter` matches, on this node only, without a delivery. */
  forgetRetained(filter: string): void {
    this.#retained.forget(filter);
  }

  /**
   * Sends text or bytes to all subscribers of `id`. The router owns the bytes afterwards.
   * @returns the number of subscribers that took it; with 0, history may still have it
   * @throws InvalidIdError; InvalidArgumentError; RangeError for text with half of a surrogate pair
   */
  send(id: string, data: string | Uint8Array): number {
    assertId(id, this.idBytesMax, this.topicLevelsMax);
    return this.publish(new Message(id, payloadOf(data), Date.now()));
  }

  /**
   * Sends to all subscribers of `id` and of all ids that follow it, each once. To an id with many followers it takes more
   * than one turn of the loop.
   * @returns the number of subscribers that took it, when all had their turn
   * @throws InvalidIdError; InvalidArgumentError; RangeError; Error if too many are under way, or Redis is away or refuses
   */
  async sendToFollowers(id: string, data: string | Uint8Array): Promise<number> {
    assertId(id, this.idBytesMax, this.topicLevelsMax);
    const message = new Message(id, payloadOf(data), Date.now());
    return countOf((onOutcome) => this.publish(message, { onOutcome, count: true, followers: true }));
  }

  /**
   * `send` for callers that have checked the id and made the message. A message is published once.
   * @param wants what the publisher is told, and how; with a single node, before this returns
   * @returns how many subscribers on this node took it; 0 if it is delivered later, as from inside a `deliver`
   */
  publish(message: Message, wants?: Wants): number {
    if (!(message instanceof Message)) throw new InvalidArgumentError('publish takes a Message.', message);
    this.#published++;
    if (message.publisher !== undefined && !message.retain && this.#subscriptions.noLocal === 0)
      message.publisher = undefined;
    const told = this.stored && wants ? toldOnceStored(wants, this.stored.commits) : wants;
    if (told === null) return 0; // refused
    if (!(told?.followers ?? this.#followerFilters.has(message.id)))
      return this.engine.publish(message, told);
    return this.#followerSends.publish(message, told);
  }

  /** Messages delivered on this node since the start, from any node. */
  get messages(): number {
    return this.#messages;
  }

  /** Number of subscribers on this node for a message to `id`. */
  count(id: string): number {
    return this.#subscriptions.count(id);
  }

  stats(): RouterStats {
    return routerStats(
      this.#published,
      this.#subscriptions,
      this.#fanOut,
      this.#retained,
      this.#historyStore,
      this.engine.sharedGraph ?? this.graph,
      this.#followerSends.stats,
    );
  }

  #add(filter: string, subscriber: Subscriber, options: SubscriptionOptions): void {
    assertSubscriber(subscriber);
    assertFreeOrHere(subscriber, this.#subscriptions.mayAdd(subscriber));
    if (this.#subscriptions.add(filter, subscriber, options) === 'first') this.engine.addInterest(filter);
    subscriber.subscribed(filter, options);
  }

  #handOut(message: Message): number {
    this.#messages++;
    const isCopy = message.properties?.send !== undefined; // for a follower: in no history
    if (!isCopy) message.offset = this.#historyStore.append(message);
    if (message.retain) this.#retained.keep(message);
    const taken = isCopy ? this.#followerCopies.deliver(message) : this.#fanOut.run(message);
    if (taken > 0) this.onHandedOut?.(message);
    return taken;
  }
}
