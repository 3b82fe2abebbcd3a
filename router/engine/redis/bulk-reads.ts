import { setTimeout as pause } from 'node:timers/promises';
import type { Redis, RedisOptions } from 'ioredis';
import { RedisConnection } from './connection.js';

/** So long a read waits for the connection. */
const waitMsMax = 1_000;

/** The connection for answers that may be long, so that nothing else waits behind them; made when it is first needed. */
export class BulkReads {
  readonly #options: RedisOptions;
  readonly #onFailed: (message: string) => void;
  #connection: RedisConnection | undefined;

  /** @param onFailed told why it cannot be opened; '' = it could */
  constructor(options: RedisOptions, onFailed: (message: string) => void) {
    this.#options = options;
    this.#onFailed = onFailed;
  }

  /** @returns undefined where it does not come */
  async redis(): Promise<Redis | undefined> {
    if (this.#connection === undefined) {
      this.#connection = new RedisConnection(this.#options, {
        onOpen: async (redis) => {
          await redis.ping(); // it may want a password by now
          this.#onFailed('');
        },
        onLost() {},
        onFailed: ({ message }) => this.#onFailed(message),
      });
      this.#connection.start();
    }
    const untilMs = performance.now() + waitMsMax;
    while (this.#connection.redis === undefined && performance.now() < untilMs) await pause(10);
    return this.#connection.redis;
  }

  /** It is made anew: to the server that is in use by then. */
  lose(reason: string): void {
    this.#connection?.lose(reason);
  }

  tick(nowMs: number, stalledMs: number): void {
    this.#connection?.tick(nowMs, stalledMs);
  }

  close(): void {
    this.#connection?.close();
  }
}
