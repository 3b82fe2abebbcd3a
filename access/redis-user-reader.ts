import type { Redis } from 'ioredis';

/** All that Redis has of a user. */
export interface FoundUser {
  /** Null where there is no such user. */
  readonly stored: string | null;
  readonly salt: string;
  readonly isSuperuser: boolean;
  /** Filter, value, filter, value, … */
  readonly acl: readonly string[];
}

interface AwaitedUser {
  readonly userKey: string;
  readonly aclKey: string;
  readonly resolve: (found: FoundUser | undefined) => void;
}

type Reply = readonly [error: Error | null, value: unknown];

/**
 * Reads users in one round trip each, and all that are asked for in one turn of the loop in a single write: where thousands
 * come at once, the system calls would cost more than the rest.
 */
export class RedisUserReader {
  readonly #redis: Redis;
  readonly #onTrouble: (error: unknown) => void;
  #awaited: AwaitedUser[] = [];
  readonly #flush = () => void this.#ask();

  constructor(redis: Redis, onTrouble: (error: unknown) => void) {
    this.#redis = redis;
    this.#onTrouble = onTrouble;
  }

  /** @returns undefined where Redis does not say; `onTrouble` is told why */
  read(userKey: string, aclKey: string): Promise<FoundUser | undefined> {
    return new Promise((resolve) => {
      this.#awaited.push({ userKey, aclKey, resolve });
      if (this.#awaited.length === 1) setImmediate(this.#flush);
    });
  }

  async #ask(): Promise<void> {
    const awaited = this.#awaited;
    this.#awaited = [];
    let replies: readonly Reply[] = [];
    try {
      const pipeline = this.#redis.pipeline();
      for (const { userKey, aclKey } of awaited) {
        pipeline.hmget(userKey, 'password', 'salt', 'is_superuser');
        pipeline.call('HGETALL', aclKey); // hgetall() would make an object of it, which costs 20 µs with 20 rules
      }
      replies = (await pipeline.exec()) ?? [];
    } catch (error) {
      this.#onTrouble(error);
    }
    for (const [n, { resolve }] of awaited.entries())
      resolve(this.#found(replies[n * 2], replies[n * 2 + 1]));
  }

  #found(user: Reply | undefined, acl: Reply | undefined): FoundUser | undefined {
    if (user === undefined || acl === undefined) return undefined;
    const error = user[0] ?? acl[0];
    if (error !== null) {
      this.#onTrouble(error);
      return undefined;
    }
    const [stored = null, salt, isSuperuser] = user[1] as (string | null)[];
    return {
      stored,
      salt: salt ?? '',
      isSuperuser: isSuperuserIn(isSuperuser),
      acl: acl[1] as string[],
    };
  }
}

/** @param field `is_superuser` of a user, as Redis has it */
export function isSuperuserIn(field: unknown): boolean {
  return field === '1' || field === 'true';
}
