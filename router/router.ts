import { EmbeddedEngine } from './engine/embedded.js';
import type { Engine } from './engine/engine.js';
import { Message } from './message.js';
import type { Subscriber } from './subscriber.js';
import { Subscriptions } from './subscriptions.js';
import { InvalidIdError, idBytesMaxDefault, problemOfId } from './topic.js';

export interface RouterOptions {
  /** What carries messages between processes. Default: none, everything is in this one. */
  engine?: Engine;
  /** Longest id in bytes of UTF-8. Default 1,024. */
  idBytesMax?: number;
}

/** Plain numbers, counted up since the router was made unless they say otherwise. */
export interface RouterStats {
  /** Ids with at least one subscriber, now. */
  ids: number;
  /** Pairs of id and subscriber, now. */
  logins: number;
  /** Subscribers with at least one id, now. */
  subscribers: number;
  /** Messages handed to the router. */
  published: number;
  /** Deliveries that subscribers took (`sent` or `buffered`). */
  delivered: number;
  /** Deliveries that subscribers refused. */
  dropped: number;
}

/**
 * Steps 2 and 4 of the way of a message: takes it from a publisher, finds who is logged in as its id, hands
 * it to each. Knows ids and subscribers; never sees a socket, a header or a packet.
 *
 * From `send` to the last `deliver` nothing waits, and nothing is allocated for a recipient.
 */
export class Router {
  readonly #subscriptions = new Subscriptions();
  readonly #engine: Engine;
  readonly #onLastLogout: (id: string) => void;
  readonly idBytesMax: number;
  #published = 0;
  #delivered = 0;
  #dropped = 0;

  constructor(options: RouterOptions = {}) {
    this.#engine = options.engine ?? new EmbeddedEngine();
    this.idBytesMax = options.idBytesMax ?? idBytesMaxDefault;
    this.#onLastLogout = (id) => this.#engine.removeInterest(id);
  }

  /** Connects the engine. Before it has resolved, sends reach nobody. */
  async start(): Promise<void> {
    await this.#engine.start((message) => this.#onPublication(message));
  }

  async stop(): Promise<void> {
    await this.#engine.stop();
  }

  /**
   * From now on `subscriber` receives what is sent to `id`, until it logs out. Logging in twice is the same
   * as once.
   * @throws InvalidIdError
   */
  login(id: string, subscriber: Subscriber): void {
    this.#assertId(id);
    if (this.#subscriptions.add(id, subscriber) === 'first') this.#engine.addInterest(id);
  }

  /** Ends one login, or, without an id, all of the subscriber's. Logging out who is not logged in does nothing. */
  logout(subscriber: Subscriber, id?: string): void {
    if (id === undefined) this.#subscriptions.removeAll(subscriber, this.#onLastLogout);
    else if (this.#subscriptions.remove(id, subscriber) === 'last') this.#engine.removeInterest(id);
  }

  /**
   * Sends text or bytes to everybody who is logged in as `id`. The bytes are the router's afterwards.
   * @returns how many subscribers took it; with 0 the message is gone
   * @throws InvalidIdError
   */
  send(id: string, data: string | Uint8Array): number {
    this.#assertId(id);
    const payload = typeof data === 'string' ? Buffer.from(data) : data;
    return this.publish(new Message(id, payload, Date.now()));
  }

  /** `send` for who has checked the id and made the message already. @returns how many subscribers took it */
  publish(message: Message): number {
    this.#published++;
    return this.#engine.publish(message);
  }

  /** Deliveries tried since the start, taken or not: what a fan-out has cost. */
  get deliveries(): number {
    return this.#delivered + this.#dropped;
  }

  /** How many are logged in as `id` on this node. */
  count(id: string): number {
    return this.#subscriptions.count(id);
  }

  stats(): RouterStats {
    const { ids, logins, subscribers } = this.#subscriptions;
    return {
      ids,
      logins,
      subscribers,
      published: this.#published,
      delivered: this.#delivered,
      dropped: this.#dropped,
    };
  }

  #onPublication(message: Message): number {
    const entry = this.#subscriptions.of(message.id);
    if (entry === undefined) return 0;
    if (!(entry instanceof Set)) return this.#deliver(entry, message);
    let taken = 0;
    // A Set may lose members while it is walked, as it does when a slow consumer is closed in `deliver`.
    this.#subscriptions.beginWalk();
    try {
      for (const subscriber of entry) taken += this.#deliver(subscriber, message);
    } finally {
      this.#subscriptions.endWalk();
    }
    return taken;
  }

  #deliver(subscriber: Subscriber, message: Message): 0 | 1 {
    if (subscriber.deliver(message) === 'dropped') {
      this.#dropped++;
      return 0;
    }
    this.#delivered++;
    return 1;
  }

  #assertId(id: string): void {
    const problem = problemOfId(id, this.idBytesMax);
    if (problem !== undefined) throw new InvalidIdError(id, problem);
  }
}
