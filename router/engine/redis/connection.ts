import { Redis, type RedisOptions } from 'ioredis';

/** Of what is waited before the next try; up to as much again is added by chance, so that nodes do not come all at once. */
const retryMs = { first: 50, most: 500 };
/** For connecting and logging in: a server that stands still takes connections and says nothing. */
const handshakeMsMax = 2_000;
/** How often the server is asked whether it is there. */
const pingMs = 500;
/** So long nothing may come from it. */
export const silenceMsMax = 1_500;

export interface ConnectionHooks {
  /** Before it counts as open. Rejects where the server is not fit; then it is tried again. */
  onOpen(redis: Redis): Promise<void>;
  onLost(reason: string): void;
  /** Opening has failed once more. */
  onFailed(error: Error): void;
}

/** Of a connection that is fit as it is, and that nobody misses. */
export const noHooks: ConnectionHooks = { onOpen: async () => {}, onLost() {}, onFailed() {} };

/**
 * A connection that is opened anew when it is lost, by a Redis object of its own each time: ioredis itself would send
 * again what was under way, which may have run.
 */
export class Connection {
  readonly #options: RedisOptions;
  readonly #hooks: ConnectionHooks;
  #redis: Redis | undefined;
  #open = false;
  #closed = false;
  #tries = 0;
  #retry: NodeJS.Timeout | undefined;
  /** There is a server, which may not be fit yet. */
  #connected = false;
  #pingedMs = 0;
  /** When something has come from it; as of performance.now(). */
  heardMs = 0;
  opened = 0;

  constructor(options: RedisOptions, hooks: ConnectionHooks) {
    this.#options = {
      ...options,
      lazyConnect: true,
      connectTimeout: handshakeMsMax,
      retryStrategy: () => null,
      sentinelRetryStrategy: () => null,
      enableOfflineQueue: false,
      enableReadyCheck: false, // `begin` says more
      maxRetriesPerRequest: 0,
      autoResubscribe: false,
      autoResendUnfulfilledCommands: false,
      disableClientInfo: true, // not in Redis 7.0
    };
    this.#hooks = hooks;
  }

  /** While it is open. */
  get redis(): Redis | undefined {
    return this.#open ? this.#redis : undefined;
  }

  /** Tries for ever, from now on. */
  start(): void {
    void this.#connect();
  }

  /** @param stalledMs for so long this process itself has looked at nothing */
  tick(nowMs: number, stalledMs: number): void {
    if (!this.#connected) return;
    this.heardMs += stalledMs;
    if (nowMs - this.heardMs > silenceMsMax) return this.lose('it does not answer');
    if (nowMs - this.#pingedMs < pingMs) return;
    this.#pingedMs = nowMs;
    this.#redis?.ping().catch(() => {});
  }

  /** Gives it up, with what is under way on it. */
  lose(reason: string): void {
    const redis = this.#redis;
    if (redis === undefined) return;
    const wasOpen = this.#open;
    this.#redis = undefined;
    this.#open = false;
    this.#connected = false;
    redis.disconnect();
    redis.stream?.destroy(); // a server that stands still would not take part in a good-bye
    if (wasOpen) this.#hooks.onLost(reason);
    this.#tryLater();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#open = false;
    this.#connected = false;
    this.#redis?.disconnect();
    this.#redis = undefined;
  }

  async #connect(): Promise<void> {
    const redis: Redis = new Redis(this.#options as never);
    this.#redis = redis;
    let trouble: Error | undefined;
    const isCurrent = () => this.#redis === redis;
    redis.on('error', (error: Error) => {
      trouble ??= error;
    });
    redis.on('end', () => {
      if (isCurrent()) this.lose(trouble?.message ?? 'the connection has ended');
    });
    const impatience = setTimeout(() => {
      trouble ??= new Error(`it has not answered within ${handshakeMsMax / 1000} s`);
      redis.disconnect();
      redis.stream?.destroy();
    }, handshakeMsMax);
    try {
      await redis.connect();
      clearTimeout(impatience);
      redis.stream.on('data', () => {
        this.heardMs = performance.now();
      });
      this.heardMs = performance.now();
      this.#connected = true;
      await this.#hooks.onOpen(redis);
      if (!isCurrent()) throw new Error('the connection has ended');
      this.#open = true;
      this.#tries = 0;
      this.opened++;
    } catch (error) {
      if (this.#closed) return;
      this.#hooks.onFailed(trouble ?? (error as Error));
      if (isCurrent()) this.lose('');
    } finally {
      clearTimeout(impatience);
    }
  }

  #tryLater(): void {
    if (this.#closed) return;
    const ms = Math.min(retryMs.most, retryMs.first * 2 ** this.#tries++);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#connect(), ms + Math.random() * ms);
  }
}
