import { setImmediate as endOfTurn, setTimeout as pause } from 'node:timers/promises';
import type { Redis, RedisOptions } from 'ioredis';
import { type OnMessage, RedisConnection } from './connection.js';
import { away } from './errors.js';
import type { Library } from './library.js';
import type { ServerCheck } from './server-check.js';
import type { ServerClock } from './server-clock.js';

/** A new connection, behind what was missed while there was none. */
export interface Behind {
  /** All that its server has published up to here is on one side; copies of what comes later come on the connection. */
  readonly place: number;
  /** Nothing is known of what this server, or the one before it, gave places below this. */
  readonly begin: number;
  isCurrent(): boolean;
  /** Once more, later. @throws ShardError */
  ask(): Promise<{ place: number; begin: number }>;
}

/** The shard whose connection it is. */
export interface SubscribedParts {
  readonly name: string;
  readonly run: string;
  readonly connection: RedisOptions;
  readonly library: Library;
  readonly clock: ServerClock;
  readonly check: ServerCheck;
  /** This node has begun, and its generation began there; undefined = it has not, or its connection is lost. */
  readonly begun: () => number | undefined;
  /** This node is to begin again. */
  readonly renew: (reason: string) => void;
  readonly onOpen: () => void;
  readonly onLost: (reason: string) => void;
  readonly onFailed: (error: Error) => void;
}

/** The connection of a node to a Redis server on which copies of messages come, and a place as the answer that stands in order with them. */
export class SubscribedConnection {
  readonly #parts: SubscribedParts;
  readonly #connection: RedisConnection;
  /** All that this node is sent with a place up to here has been handed out. It only rises. */
  position = 0;
  /** The lowest place of the copies that were taken for forged; Infinity = there is none. */
  #doubted = Infinity;
  /** The answer that all who ask for a place in this turn wait for. */
  #nextPlace: Promise<number> | undefined;
  onCopy: OnMessage = () => {};
  /** Copies that come from now on wait for those that were missed. To call it twice is to call it once. */
  onInterrupted: () => void = () => {};
  /** On a new connection, which has all channels: what was missed while there was none. */
  catchUp: (behind: Behind) => Promise<void> = async () => {};
  /** On a new connection: all channels again. */
  resubscribe: (redis: Redis) => Promise<void> = async () => {};
  /** Sends the changes of channels that wait for the end of the turn: a place is asked for behind them. */
  flushChannels: () => void = () => {};
  /** Whether this node has filters: Redis then notes which ids had messages while the node is away. */
  hasFilters: () => boolean = () => false;

  constructor(parts: SubscribedParts) {
    this.#parts = parts;
    this.#connection = new RedisConnection(parts.connection, {
      onMessage: (channel, payload) => this.onCopy(channel, payload),
      onOpen: (redis) => this.#open(redis),
      onLost: (reason) => {
        this.onInterrupted();
        parts.onLost(reason);
      },
      onFailed: parts.onFailed,
    });
  }

  start(): void {
    this.#connection.start();
  }

  /** While it is open: messages come, or will once they were read. */
  get redis(): Redis | undefined {
    return this.#connection.redis;
  }

  get heardMs(): number {
    return this.#connection.heardMs;
  }

  /** How often it was opened. */
  get opened(): number {
    return this.#connection.opened;
  }

  lose(reason: string): void {
    this.#connection.lose(reason);
  }

  tick(nowMs: number, stalledMs: number): void {
    this.#connection.tick(nowMs, stalledMs);
  }

  close(): void {
    this.#connection.close();
  }

  /**
   * The place that the shard has given last. When it is answered, all that this node is sent up to there has been handed
   * out, and all changes of channels of this turn are in effect. One question for all who ask in a turn. @throws ShardError
   */
  place(): Promise<number> {
    this.#nextPlace ??= endOfTurn().then(() => this.#askPlace());
    return this.#nextPlace;
  }

  /**
   * A copy has come that is not handed out, as its place is far ahead of the server's clock. Where the clock was set, the server
   * has given that place: then all is read from before it.
   */
  doubt(place: number): void {
    this.#doubted = Math.min(this.#doubted, place);
    this.place().catch(() => {});
  }

  async #open(redis: Redis): Promise<void> {
    const { begun, library, onOpen } = this.#parts;
    while (begun() === undefined) {
      if (redis.status !== 'ready') throw new Error('the connection has ended');
      await pause(10);
    }
    await library.load(redis);
    // Copies may come between the first SUBSCRIBE and the place that follows it.
    const isFirst = this.position === 0;
    if (!isFirst) this.onInterrupted();
    await this.resubscribe(redis);
    this.#doubted = Infinity;
    const ask = () => this.#ask(redis);
    const { place, begin } = await ask();
    if (isFirst) this.position = Math.max(this.position, place);
    else await this.catchUp({ place, begin, ask, isCurrent: () => redis.status === 'ready' });
    setImmediate(onOpen);
  }

  async #askPlace(): Promise<number> {
    this.#nextPlace = undefined;
    const { redis } = this;
    if (redis === undefined || this.#parts.begun() === undefined) throw away(this.#parts.name);
    this.flushChannels();
    const doubted = this.#doubted;
    const { place } = await this.#ask(redis);
    if (this.#doubted === doubted) this.#doubted = Infinity;
    if (place >= doubted) {
      this.lose('its clock was set far ahead');
      throw away(this.#parts.name);
    }
    // Messages that came behind the answer may have been handed out before it is resolved.
    this.position = Math.max(this.position, place);
    return place;
  }

  async #ask(redis: Redis): Promise<{ place: number; begin: number }> {
    const { name, run, library, check, clock, begun, renew } = this.#parts;
    const answer = library.call(redis, 'place', [run, this.hasFilters() ? 1 : 0]);
    const [place, begin, nowMs] = (await check.of('place', answer)) as [number, number, number];
    clock.note(nowMs);
    if (begin === begun()) return { place, begin };
    // The server has lost its data, and another node was the first to begin again.
    renew('it has begun anew');
    throw away(name);
  }
}
