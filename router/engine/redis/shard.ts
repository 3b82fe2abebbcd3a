import type { Command, Redis, RedisOptions } from 'ioredis';
import { RedisConnection, silenceMsMax } from './connection.js';
import { away, type ShardError, shardErrorOf, Trouble } from './errors.js';
import type { Library } from './library.js';
import type { ShardStats } from './options.js';
import { ServerCheck } from './server-check.js';
import { ServerClock } from './server-clock.js';
import { SubscribedConnection } from './subscribed-connection.js';

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

/** The reply of `begin`, see publish.lua. */
type BeginReply = [number, number, string, number, number, number, string, ...(number | string)[]];

/** Learnt by a new connection: which of this node's batches have run, where the server is the same one. */
export interface Begun {
  readonly last: number;
  readonly bits: number;
  /** By its number, what became of each message of a batch of which not all went out: + it did, - it did not, ? nobody knows. */
  readonly troubled: ReadonlyMap<number, string>;
  /** Nothing is lost of what was there when the last connection began. */
  readonly sameRun: boolean;
}

/** How often the server is asked for its place, and told that this node is there. */
const pulseMs = 1_000;
/** So long a read waits for its connection. */
const readWaitMsMax = 1_000;

/**
 * One Redis server, as a node is connected to it:
 *
 *     commands     publishes and other scripts, in order; each new one begins a generation, and what an older one still
 *                  has under way does nothing from then on
 *     subscribed   copies of messages, and questions whose answer must stand in order with them
 *     reads        answers that may be long, so that nothing else waits behind them; opened when it is first needed
 */
export class Shard {
  readonly parts: ShardParts;
  readonly #commands: RedisConnection;
  readonly subscribed: SubscribedConnection;
  readonly #reads: RedisConnection;
  readonly clock = new ServerClock();
  /** Of `commands`, the server's and this node's. */
  #redisRun = '';
  /** Nothing is known of what this server, or the one before it, gave places below this. */
  begin = 0;
  generation = 0;
  /** Since when it is not usable; 0 = it is. */
  #lostMs = 0;
  #away = true;
  #pulsedMs = 0;
  #roundTripMs = 0;
  /** Why it is not usable. */
  readonly trouble: Trouble;
  readonly check: ServerCheck;
  readonly #pulse: ((registryVersion: number) => void)[] = [];
  readonly #back: ((sameRun: boolean) => void)[] = [];
  /** Of `onBack`: no connection has begun on another server, or another run of it, since it was lost. */
  #sameRun = true;
  /** Not usable for so long that what is published is refused. */
  onAway: (reason: string) => void = () => {};
  onBegun: (begun: Begun) => void = () => {};
  onLost: (reason: string) => void = () => {};
  channels: () => number = () => 0;
  pendingBytes: () => number = () => 0;

  constructor(parts: ShardParts) {
    this.parts = parts;
    this.trouble = new Trouble(
      parts.name,
      parts.connection.tls !== undefined,
      parts.library.name,
      parts.onComplaint,
    );
    const renew = (reason: string) => this.renew(reason);
    const info = () => this.use((redis) => redis.call('INFO'));
    this.check = new ServerCheck(this.trouble, info, (what, reason) => {
      if (what === 'reads') this.#reads.lose(reason);
      else this.renew(reason);
    });
    this.#reads = new RedisConnection(parts.connection, {
      onOpen: async (redis) => {
        await redis.ping(); // it may want a password by now
        this.check.note('reads', '');
      },
      onLost() {},
      onFailed: ({ message }) => this.usable && this.check.note('reads', message),
    });
    const onLost = (reason: string) => this.#lose(reason);
    const onFailed = ({ message }: Error) => this.trouble.fail(message);
    this.#commands = new RedisConnection(parts.connection, {
      onOpen: (redis) => this.#open(redis),
      onLost,
      onFailed,
    });
    this.subscribed = new SubscribedConnection({
      ...parts,
      ...{ clock: this.clock, check: this.check, renew, onLost, onFailed },
      begun: () => (this.open ? this.begin : undefined),
      onOpen: () => this.#comeBack(),
    });
  }

  start(): void {
    this.#lostMs = performance.now();
    this.#commands.start();
    this.subscribed.start();
  }

  get usable(): boolean {
    return this.#commands.redis !== undefined && this.subscribed.redis !== undefined;
  }

  /** False where it has not been usable for a while: nothing is published then. */
  get carries(): boolean {
    return !this.#away;
  }

  get open(): boolean {
    return this.#commands.redis !== undefined;
  }

  /** Once a second. @param listener told the version of the list of nodes */
  onPulse(listener: (registryVersion: number) => void): void {
    this.#pulse.push(listener);
  }

  /** Both connections are there again, and all channels. @param listener told whether it is the same run of the server */
  onBack(listener: (sameRun: boolean) => void): void {
    this.#back.push(listener);
  }

  /** Anything on `commands`. @throws ShardError */
  async use<Answer>(ask: (redis: Redis) => Promise<Answer>): Promise<Answer> {
    const { redis } = this.#commands;
    if (redis === undefined) throw away(this.parts.name);
    try {
      return await ask(redis);
    } catch (error) {
      throw shardErrorOf(error as Error);
    }
  }

  /** Runs a function on `commands`. @throws ShardError */
  async call(name: string, args: readonly Argument[]): Promise<unknown> {
    return this.use((redis) => this.parts.library.call(redis, name, args));
  }

  /** Runs a function that does nothing for a connection that this node has given up since. @throws ShardError */
  async callBegun(name: string, args: readonly Argument[]): Promise<unknown> {
    return this.call(name, [this.parts.run, this.generation, ...args]).catch((error: ShardError) => {
      if (error.kind === 'superseded') this.renew(error.message);
      throw error;
    });
  }

  /** A call on `commands` that is written already. @throws ShardError */
  async send(command: Command): Promise<unknown> {
    return this.use(async (redis) => redis.sendCommand(command));
  }

  /** Asks anything on a connection for long answers. @throws ShardError */
  async useReads<Answer>(ask: (redis: Redis) => Promise<Answer>): Promise<Answer> {
    const redis = await this.#reads.whenOpen(readWaitMsMax);
    if (redis === undefined) throw away(this.parts.name);
    return this.check.of('reads', ask(redis));
  }

  /** Runs a function on a connection for long answers; strings in its answer are Buffers. @throws ShardError */
  read(name: string, args: readonly Argument[]): Promise<unknown> {
    return this.useReads((redis) => this.parts.library.call(redis, name, args, true));
  }

  /** The server does not know this node any more, or is no longer the one that takes writes: begins on a new connection. */
  renew(reason: string): void {
    void this.#commands.retire(reason);
  }

  /** A PUBLISH that nobody waits for. Its answer comes with the copies that are on their way here, and costs no packet more. */
  publishRaw(channel: string, payload: Buffer): void {
    const redis = this.subscribed.redis ?? this.#commands.redis;
    redis?.publish(channel, payload).catch(() => {});
  }

  /** Resolves when they are in effect. @throws ShardError */
  async subscribe(channels: readonly string[]): Promise<void> {
    await this.subscribed.redis?.subscribe(...channels);
    if (!this.usable) throw away(this.parts.name);
  }

  async unsubscribe(channels: readonly string[]): Promise<void> {
    await this.subscribed.redis?.unsubscribe(...channels);
  }

  tick(nowMs: number, stalledMs: number): void {
    for (const connection of [this.#commands, this.subscribed, this.#reads])
      connection.tick(nowMs, stalledMs);
    if (this.#lostMs !== 0 && !this.#away && nowMs - this.#lostMs > silenceMsMax) {
      this.#away = true;
      this.onAway(this.trouble.now);
    }
    this.check.tick(nowMs);
    if (nowMs - this.#pulsedMs < pulseMs || !this.usable) return;
    this.#pulsedMs = nowMs;
    this.subscribed.place().catch(() => {});
    void this.#sayAlive();
  }

  stop(): void {
    this.#away = true;
    for (const connection of [this.#commands, this.subscribed, this.#reads]) connection.close();
  }

  stats(): ShardStats {
    return {
      server: this.parts.name,
      connected: this.usable,
      reconnects: Math.max(0, this.#commands.opened + this.subscribed.opened - 2),
      channels: this.channels(),
      pendingBytes: this.pendingBytes(),
      roundTripMs: this.#roundTripMs,
    };
  }

  async #open(redis: Redis): Promise<void> {
    const { library, run, index, count, rules, limits } = this.parts;
    await library.load(redis);
    const cluster = await this.parts.clusterOf(await redis.hget(`${library.name}:meta`, 'cluster'));
    const args = [run, ++this.generation, this.subscribed.position, index, count, cluster, rules, limits];
    const reply = await library.call(redis, 'begin', args);
    const [last, bits, redisRun, nowMs, , begin, its, ...fates] = reply as BeginReply;
    const troubled = new Map<number, string>();
    for (let at = 0; at < fates.length; at += 2) troubled.set(Number(fates[at]), String(fates[at + 1]));
    const sameRun = this.#redisRun === redisRun && this.begin === begin;
    if (!sameRun && this.#redisRun !== '') {
      this.#sameRun = false;
      for (const connection of [this.subscribed, this.#reads])
        connection.lose('it is another server, or has been restarted');
    }
    this.#redisRun = redisRun;
    this.begin = begin;
    this.parts.onCluster(its);
    this.clock.begin(nowMs);
    setImmediate(() => {
      this.onBegun({ last, bits, troubled, sameRun });
      this.#comeBack();
    });
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
    const { heardMs } = this.subscribed;
    this.#lostMs = Math.min(performance.now(), Math.max(heardMs, this.#commands.heardMs));
    this.onLost(reason);
  }

  async #sayAlive(): Promise<void> {
    const sentMs = performance.now();
    try {
      const version = await this.check.of('alive', this.call('alive', [this.parts.run]));
      this.#roundTripMs = Math.round((performance.now() - sentMs) * 1000) / 1000;
      for (const listener of this.#pulse) listener(version as number);
    } catch {} // it is asked again
  }
}
