import { setImmediate as endOfTurn } from 'node:timers/promises';
import type { Command, Redis, RedisOptions } from 'ioredis';
import { Connection, noHooks, silenceMsMax } from './connection.js';
import { away, type ShardError, shardErrorOf, Trouble } from './errors.js';
import type { Library } from './library.js';
import type { ShardStats } from './options.js';
import { ServerCheck } from './server-check.js';

export type Argument = string | number | Buffer;

export interface ShardParts {
  readonly index: number;
  readonly count: number;
  /** For sentences: the server as the operator knows it. */
  readonly name: string;
  /** Of this node, 16 hex digits. */
  readonly run: string;
  readonly connection: RedisOptions;
  readonly library: Library;
  /** Rules of history and limits, for what other programs send; as `begin` takes them. */
  readonly rules: string;
  readonly limits: string;
  /** Which cluster it is to belong to. @param own that it belongs to, if so. Rejects where that is not known yet. */
  readonly clusterOf: (own: string | null) => Promise<string>;
  /** The one that it does belong to. */
  readonly onCluster: (cluster: string) => void;
  readonly onComplaint: (sentence: string) => void;
}

/** Last batch that ran and bits of those up to it, life of the server, its time in ms, seq, begin, cluster; see publish.lua. */
export type BeginReply = [number, number, string, number, number, number, string];

/** Learnt by a new connection: which of this node's batches have run, where the server is the same one. */
export interface Begun {
  readonly last: number;
  readonly bits: number;
  /** Nothing is lost of what was there when the last connection began. */
  readonly sameRun: boolean;
}

/** The new connection. */
export interface Behind {
  /** All that its server has published up to here is on one side; copies of what comes later come on the connection. */
  readonly place: number;
  /** Nothing is known of what this server, or the one before it, gave places below this. */
  readonly begin: number;
  isCurrent(): boolean;
  /** Once more, later. @throws ShardError */
  ask(): Promise<{ place: number; begin: number }>;
}

/** How often the server's clock and the list of nodes are asked for. */
const placeMs = 1_000;

/**
 * One Redis server, as a node is connected to it:
 *
 *     commands     publishes and other scripts, in order; each new one begins a generation, and what an older one still
 *                  has under way does nothing from then on
 *     subscribed   copies of messages, and questions whose answer must stand in order with them
 *     reads        what may be long; made when it is first needed
 */
export class Shard {
  readonly parts: ShardParts;
  readonly #commands: Connection;
  readonly #subscribed: Connection;
  #reads: Connection | undefined;
  /** Of `commands`, the server's and this node's. */
  #redisRun = '';
  #begin = 0;
  generation = 0;
  /** All that this node is sent with a place up to here has been handed out. It only rises. */
  position = 0;
  /** Of the server's clock before performance.now(), at least. */
  #aheadMs = 0;
  /** Since when it is not usable; 0 = it is. */
  #lostMs = 0;
  #away = true;
  /** Of this turn. */
  #nextPlace: Promise<number> | undefined;
  #placedMs = 0;
  /** Why it is not usable. */
  readonly trouble: Trouble;
  readonly check: ServerCheck;
  readonly #begun: ((begun: Begun) => void)[] = [];
  readonly #lost: ((reason: string) => void)[] = [];
  readonly #pulse: ((registryVersion: number) => void)[] = [];
  readonly #back: ((sameRun: boolean) => void)[] = [];
  /** Of `onBack`: no connection has begun on another server, or another run of it, since it was lost. */
  #sameRun = true;
  /** Not usable for so long that what is published is refused. */
  onAway: (reason: string) => void = () => {};
  onCopy: (channel: Buffer, payload: Buffer) => void = () => {};
  /** Copies that come from now on wait for those that were missed. To call it twice is to call it once. */
  onInterrupted: () => void = () => {};
  /** On a new connection, which has all channels: what was missed while there was none. */
  catchUp: (behind: Behind) => Promise<void> = async () => {};
  /** On a new connection: all channels again. */
  resubscribe: (redis: Redis) => Promise<void> = async () => {};
  /** Sends the changes of channels that wait for the end of the turn: a place is asked for behind them. */
  flushChannels: () => void = () => {};
  channels: () => number = () => 0;
  /** Redis notes what they miss while this node is away. */
  hasFilters: () => boolean = () => false;
  pendingBytes: () => number = () => 0;

  constructor(parts: ShardParts) {
    this.parts = parts;
    this.trouble = new Trouble(
      parts.name,
      parts.connection.tls !== undefined,
      parts.library.name,
      parts.onComplaint,
    );
    this.check = new ServerCheck(this.trouble, () =>
      this.#on(this.#commands.redis, (redis) => redis.call('INFO')),
    );
    const onLost = (reason: string) => this.#lose(reason);
    const onFailed = ({ message }: Error) => this.trouble.fail(message);
    this.#commands = new Connection(parts.connection, {
      onOpen: (redis) => this.#open(redis),
      onLost,
      onFailed,
    });
    this.#subscribed = new Connection(parts.connection, {
      onMessage: (channel, payload) => this.onCopy(channel, payload),
      onOpen: (redis) => this.#openSubscribed(redis),
      onLost: (reason) => {
        this.onInterrupted();
        this.#lose(reason);
      },
      onFailed,
    });
  }

  start(): void {
    this.#lostMs = performance.now();
    this.#commands.start();
    this.#subscribed.start();
  }

  get usable(): boolean {
    return this.#commands.redis !== undefined && this.#subscribed.redis !== undefined;
  }

  /** Messages come, or will once they were read. */
  get hears(): boolean {
    return this.#subscribed.redis !== undefined;
  }

  /** False where it has not been usable for a while: nothing is published then. */
  get carries(): boolean {
    return !this.#away;
  }

  get open(): boolean {
    return this.#commands.redis !== undefined;
  }

  /** The server's clock at a time of performance.now(), ms: at least this. */
  redisNowMs(nowMs = performance.now()): number {
    return Math.floor(nowMs + this.#aheadMs);
  }

  onBegun(listener: (begun: Begun) => void): void {
    this.#begun.push(listener);
  }

  onLost(listener: (reason: string) => void): void {
    this.#lost.push(listener);
  }

  /** Once a second, and whenever a place is asked for. @param listener told the version of the list of nodes */
  onPulse(listener: (registryVersion: number) => void): void {
    this.#pulse.push(listener);
  }

  /** Both connections are there again, and all channels. @param listener told whether it is the same run of the server */
  onBack(listener: (sameRun: boolean) => void): void {
    this.#back.push(listener);
  }

  /** Runs a function on `commands`. @throws ShardError */
  async call(name: string, args: readonly Argument[]): Promise<unknown> {
    return this.#fcall(this.#commands.redis, name, args);
  }

  /** A call on `commands` that is written already. @throws ShardError */
  async send(command: Command): Promise<unknown> {
    return this.#on(this.#commands.redis, async (redis) => redis.sendCommand(command));
  }

  /** Runs a function on a connection for long answers, whose strings are Buffers. @throws ShardError */
  async read(name: string, args: readonly Argument[]): Promise<unknown> {
    if (this.#reads === undefined) {
      this.#reads = new Connection(this.parts.connection, noHooks);
      this.#reads.start();
    }
    for (let n = 0; n < 100 && this.#reads.redis === undefined; n++)
      await new Promise((resolve) => setTimeout(resolve, 10));
    return this.#fcall(this.#reads.redis, name, args, true);
  }

  /** The server does not know this node any more, or is no longer the one that takes writes: begins on a new connection. */
  renew(reason: string): void {
    this.#commands.lose(reason);
  }

  /** A PUBLISH that nobody waits for. Its answer comes with the copies that are on their way here, and costs no packet more. */
  publishRaw(channel: string, payload: Buffer): void {
    const redis = this.#subscribed.redis ?? this.#commands.redis;
    redis?.publish(channel, payload).catch(() => {});
  }

  /** Resolves when they are in effect. @throws ShardError */
  async subscribe(channels: readonly string[]): Promise<void> {
    await this.#subscribed.redis?.subscribe(...channels);
    if (!this.usable) throw away(this.parts.name);
  }

  async unsubscribe(channels: readonly string[]): Promise<void> {
    await this.#subscribed.redis?.unsubscribe(...channels);
  }

  /**
   * The place that the shard has given last. When it is answered, all that this node is sent up to there has been handed
   * out, and all changes of channels of this turn are in effect. One question for all who ask in a turn. @throws ShardError
   */
  place(): Promise<number> {
    this.#nextPlace ??= endOfTurn().then(() => this.#askPlace());
    return this.#nextPlace;
  }

  tick(nowMs: number, stalledMs: number): void {
    for (const connection of [this.#commands, this.#subscribed, this.#reads])
      connection?.tick(nowMs, stalledMs);
    if (this.#lostMs !== 0 && !this.#away && nowMs - this.#lostMs > silenceMsMax) {
      this.#away = true;
      this.onAway(this.trouble.now);
    }
    this.check.tick(nowMs);
    if (nowMs - this.#placedMs < placeMs || !this.usable) return;
    this.#placedMs = nowMs;
    this.place().catch(() => {});
  }

  stop(): void {
    this.#away = true;
    for (const connection of [this.#commands, this.#subscribed, this.#reads]) connection?.close();
  }

  stats(): ShardStats {
    return {
      server: this.parts.name,
      connected: this.usable,
      reconnects: Math.max(0, this.#commands.opened + this.#subscribed.opened - 2),
      channels: this.channels(),
      pendingBytes: this.pendingBytes(),
    };
  }

  async #open(redis: Redis): Promise<void> {
    const { library, run, index, count, rules, limits } = this.parts;
    await library.load(redis);
    const cluster = await this.parts.clusterOf(await redis.hget(`${library.name}:meta`, 'cluster'));
    const args = [run, ++this.generation, this.position, index, count, cluster, rules, limits];
    const reply = await redis.call('FCALL', `${library.prefix}begin`, '0', ...args);
    const [last, bits, redisRun, nowMs, , begin, its] = reply as BeginReply;
    const sameRun = this.#redisRun === redisRun && this.#begin === begin;
    if (!sameRun && this.#redisRun !== '') {
      this.#sameRun = false;
      this.#subscribed.lose('it is another server, or has been restarted');
    }
    this.#redisRun = redisRun;
    this.#begin = begin;
    this.parts.onCluster(its);
    this.#aheadMs = nowMs - performance.now();
    setImmediate(() => {
      for (const listener of this.#begun) listener({ last, bits, sameRun });
      this.#comeBack();
    });
  }

  async #openSubscribed(redis: Redis): Promise<void> {
    while (this.#commands.redis === undefined) {
      if (redis.status !== 'ready') throw new Error('the connection has ended');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await this.parts.library.load(redis);
    // Copies may come between the first SUBSCRIBE and the place that follows it.
    const isFirst = this.position === 0;
    if (!isFirst) this.onInterrupted();
    await this.resubscribe(redis);
    const ask = () => this.#placeOn(redis);
    const { place, begin } = await ask();
    if (isFirst) this.position = Math.max(this.position, place);
    else await this.catchUp({ place, begin, ask, isCurrent: () => redis.status === 'ready' });
    setImmediate(() => this.#comeBack());
  }

  #comeBack(): void {
    if (!this.usable || this.#lostMs === 0) return;
    const sameRun = this.#sameRun;
    this.#lostMs = 0;
    this.#away = false;
    this.#sameRun = true;
    this.trouble.end();
    for (const listener of this.#back) listener(sameRun);
  }

  #lose(reason: string): void {
    this.trouble.now = reason;
    if (this.#lostMs !== 0) return;
    const { heardMs } = this.#subscribed;
    this.#lostMs = Math.min(performance.now(), Math.max(heardMs, this.#commands.heardMs));
    for (const listener of this.#lost) listener(reason);
  }

  async #askPlace(): Promise<number> {
    this.#nextPlace = undefined;
    const redis = this.#subscribed.redis;
    if (redis === undefined || !this.usable) throw away(this.parts.name);
    this.flushChannels();
    const { place } = await this.#placeOn(redis).catch((error: ShardError) => {
      if (error.kind === 'refused') this.check.notePlace(error.message);
      throw error;
    });
    this.check.notePlace('');
    // Messages that came behind the answer may have been handed out before it is resolved.
    this.position = Math.max(this.position, place);
    return place;
  }

  async #placeOn(redis: Redis): Promise<{ place: number; begin: number }> {
    const reply = await this.#fcall(redis, 'place', [this.parts.run, this.hasFilters() ? 1 : 0]);
    const [place, begin, version, nowMs] = reply as [number, number, number, number];
    for (const listener of this.#pulse) listener(version);
    this.#aheadMs = nowMs - performance.now();
    return { place, begin };
  }

  #fcall(
    redis: Redis | undefined,
    name: string,
    args: readonly Argument[],
    asBuffers = false,
  ): Promise<unknown> {
    const functionName = `${this.parts.library.prefix}${name}`;
    return this.#on(redis, (there) =>
      asBuffers
        ? there.callBuffer('FCALL', functionName, '0', ...args)
        : there.call('FCALL', functionName, '0', ...args),
    );
  }

  async #on(redis: Redis | undefined, ask: (redis: Redis) => Promise<unknown>): Promise<unknown> {
    if (redis === undefined) throw away(this.parts.name);
    try {
      return await ask(redis);
    } catch (error) {
      throw shardErrorOf(error as Error);
    }
  }
}
