import type { ChainableCommander, Redis } from 'ioredis';
import { globOf, keyOf, type NamesInKey, namesInKeyOf } from './key-template.js';
import { isSuperuserIn } from './redis-user-reader.js';
import { rulesMax } from './rules.js';
import type { StoredPassword } from './stored-password.js';

/** 1 = subscribe, 2 = publish, 3 = both, as in EMQ. */
export type AllowedBits = 1 | 2 | 3;

/** Allowed actions by topic filter. */
export type AllowedByFilter = ReadonlyMap<string, AllowedBits>;

/** The rules of a user who may subscribe to some topic filters, and publish to others. */
export function rulesAllowing(subs: readonly string[], pubs: readonly string[]): AllowedByFilter {
  const rules = new Map<string, AllowedBits>();
  for (const filter of subs) rules.set(filter, 1);
  const subscribed = new Set(subs);
  for (const filter of pubs) rules.set(filter, subscribed.has(filter) ? 3 : 2);
  return rules;
}

export interface StoredUser {
  readonly names: NamesInKey;
  readonly stored: StoredPassword;
  readonly isSuperuser: boolean;
  readonly rules: AllowedByFilter;
}

export interface ListedUser extends NamesInKey {
  readonly isSuperuser: boolean;
  readonly ruleCount: number;
}

/** A change was not made. The message says why, as a sentence. */
export class UserStoreError extends Error {
  override readonly name = 'UserStoreError';
}

/** How often a user is read again that another client changes meanwhile. */
const attemptsMax = 10;
/** Keys that Redis looks at in one SCAN, which holds it for about a millisecond. */
const scanCount = 1_000;

/**
 * Writes the users that `RedisUsers` reads: hashes of `password`, `salt` and `is_superuser`, and hashes of topic filters. A
 * change of a user is a transaction, so that a gateway sees all of it or nothing.
 */
export class UserStore {
  readonly #redis: Redis;
  readonly #userKey: string;
  readonly #aclKey: string;

  /** @param userKey, aclKey templates with `%u` and `%c` */
  constructor(redis: Redis, userKey: string, aclKey: string) {
    this.#redis = redis;
    this.#userKey = userKey;
    this.#aclKey = aclKey;
  }

  /**
   * Rules that are there for this user from before stay.
   * @returns how many these are @throws UserStoreError where the user exists
   */
  async add(user: StoredUser): Promise<number> {
    return this.#change(user.names, async (userKey, aclKey) => {
      if (await this.#redis.exists(userKey))
        throw new UserStoreError(`${nameOf(user.names)} is a user already.`);
      const before = await this.#redis.hlen(aclKey);
      checkRuleCount(before + user.rules.size, user.names);
      return { result: before, write: (commands) => writeUser(commands, userKey, aclKey, user) };
    });
  }

  /** @throws UserStoreError where there is no such user */
  async setPassword(names: NamesInKey, { password, salt }: StoredPassword): Promise<void> {
    await this.#change(names, async (userKey) => {
      await this.#mustExist(userKey, names);
      return {
        result: undefined,
        write: (commands) => {
          commands.hset(userKey, 'password', password);
          if (salt === '') commands.hdel(userKey, 'salt');
          else commands.hset(userKey, 'salt', salt);
        },
      };
    });
  }

  /** Its rules go with it. @returns how many there were @throws UserStoreError where there is neither */
  async remove(names: NamesInKey): Promise<number> {
    return this.#change(names, async (userKey, aclKey) => {
      const rules = await this.#redis.hlen(aclKey);
      if (rules === 0) await this.#mustExist(userKey, names);
      return { result: rules, write: (commands) => commands.del(userKey, aclKey) };
    });
  }

  /** Adds to what is allowed already. @returns number of rules then @throws UserStoreError */
  async allow(names: NamesInKey, filters: readonly string[], bits: AllowedBits): Promise<number> {
    return this.#change(names, async (userKey, aclKey) => {
      await this.#mustExist(userKey, names);
      const before = await this.#redis.hgetall(aclKey);
      const fields = new Map(filters.map((filter) => [filter, String(Number(before[filter] ?? 0) | bits)]));
      const count = new Set([...Object.keys(before), ...filters]).size;
      checkRuleCount(count, names);
      return { result: count, write: (commands) => commands.hset(aclKey, fields) };
    });
  }

  /** @param filters undefined: all @returns how many rules there were of these */
  async disallow(names: NamesInKey, filters: readonly string[] | undefined): Promise<number> {
    const aclKey = keyOf(this.#aclKey, names);
    if (filters !== undefined) return this.#redis.hdel(aclKey, ...filters);
    return this.#change(names, async () => ({
      result: await this.#redis.hlen(aclKey),
      write: (commands) => commands.del(aclKey),
    }));
  }

  /**
   * The rules of a user, sorted, as they stand in Redis: one of them may be one that nobody can read.
   * @throws UserStoreError where there is no such user
   */
  async rulesOf(names: NamesInKey): Promise<[filter: string, allowed: string][]> {
    const rules = Object.entries(await this.#redis.hgetall(keyOf(this.#aclKey, names)));
    if (rules.length === 0) await this.#mustExist(keyOf(this.#userKey, names), names);
    return rules.sort(([one], [other]) => (one < other ? -1 : 1));
  }

  /** Lists all users, in no order, a page at a time. While users are added, Redis may name one twice. */
  async *list(): AsyncGenerator<ListedUser[]> {
    const namesOf = namesInKeyOf(this.#userKey);
    let cursor = '0';
    do {
      const [next, keys] = await this.#redis.scan(
        cursor,
        'MATCH',
        globOf(this.#userKey),
        'COUNT',
        scanCount,
        'TYPE',
        'hash',
      );
      cursor = next;
      if (keys.length > 0) yield await this.#page(keys, namesOf);
    } while (cursor !== '0');
  }

  /** Puts these users in the place of what is there of them, in one go. @returns for each why it was not done, if so */
  async replace(users: readonly StoredUser[]): Promise<(string | undefined)[]> {
    const pipeline = this.#redis.pipeline() as ChainableCommander & { multi(): unknown }; // not in its types
    for (const user of users) {
      const [userKey, aclKey] = this.#keysOf(user.names);
      pipeline.multi();
      pipeline.hdel(userKey, 'salt', 'is_superuser');
      pipeline.del(aclKey);
      writeUser(pipeline, userKey, aclKey, user);
      pipeline.exec();
    }
    const answers = (await pipeline.exec()) ?? [];
    let at = 0;
    return users.map(({ rules }) => {
      const count = rules.size === 0 ? 5 : 6; // MULTI, what is above, EXEC
      const problem = problemIn(answers.slice(at, at + count));
      at += count;
      if (problem !== undefined && !isOfOneKey(problem)) throw problem;
      return problem === undefined ? undefined : `a key of it is no hash (${problem.message}).`;
    });
  }

  async #page(
    keys: readonly string[],
    namesOf: (key: string) => NamesInKey | undefined,
  ): Promise<ListedUser[]> {
    const named = keys.flatMap((key) => {
      const names = namesOf(key);
      return names === undefined ? [] : [{ key, names }];
    });
    const pipeline = this.#redis.pipeline();
    for (const { key, names } of named) pipeline.hget(key, 'is_superuser').hlen(keyOf(this.#aclKey, names));
    const answers = (await pipeline.exec()) ?? [];
    return named.map(({ names }, index) => ({
      ...names,
      isSuperuser: isSuperuserIn(answers[index * 2]![1]),
      ruleCount: Number(answers[index * 2 + 1]![1] ?? 0),
    }));
  }

  /** Reads and writes as one: where a key changes in between, both are done again. */
  async #change<Result>(
    names: NamesInKey,
    read: (
      userKey: string,
      aclKey: string,
    ) => Promise<{ readonly result: Result; readonly write: (commands: ChainableCommander) => unknown }>,
  ): Promise<Result> {
    const [userKey, aclKey] = this.#keysOf(names);
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      await this.#redis.watch(userKey, aclKey);
      const { result, write } = await read(userKey, aclKey).catch(async (error) => {
        await this.#redis.unwatch();
        throw error;
      });
      const commands = this.#redis.multi();
      write(commands);
      const answers = await commands.exec();
      if (answers === null) continue;
      const failed = answers.find(([error]) => error !== null);
      if (failed !== undefined) throw failed[0];
      return result;
    }
    throw new UserStoreError(`${nameOf(names)} is being changed by others all the time: try again.`);
  }

  #keysOf(names: NamesInKey): [userKey: string, aclKey: string] {
    return [keyOf(this.#userKey, names), keyOf(this.#aclKey, names)];
  }

  async #mustExist(userKey: string, names: NamesInKey): Promise<void> {
    if ((await this.#redis.exists(userKey)) === 0)
      throw new UserStoreError(`There is no user ${nameOf(names)}: "encke user list" says which there are.`);
  }
}

function writeUser(
  commands: ChainableCommander,
  userKey: string,
  aclKey: string,
  { stored: { password, salt }, isSuperuser, rules }: StoredUser,
): void {
  const fields = ['password', password];
  if (salt !== '') fields.push('salt', salt);
  if (isSuperuser) fields.push('is_superuser', '1');
  commands.hset(userKey, ...fields);
  if (rules.size === 0) return;
  const allowed: (string | number)[] = [];
  for (const [filter, bits] of rules) allowed.push(filter, bits);
  commands.hset(aclKey, ...allowed);
}

/** Gateways do not look at more rules of a user. */
function checkRuleCount(count: number, names: NamesInKey): void {
  if (count > rulesMax)
    throw new UserStoreError(
      `${nameOf(names)} would have ${count} rules, and ${rulesMax} of a user are looked at.`,
    );
}

/** Finds the error in the answers of a transaction: a refused command has an answer, a failed one is in that of EXEC. */
function problemIn(answers: readonly [error: Error | null, answer: unknown][]): Error | undefined {
  const refused = answers.find(([error]) => error !== null);
  if (refused !== undefined) return refused[0]!;
  const [, results] = answers.at(-1) ?? [];
  if (!Array.isArray(results)) return new UserStoreError('Redis has not answered a transaction.');
  return results.find((one) => one instanceof Error);
}

/** Other errors, such as OOM, are about all commands that would follow. */
function isOfOneKey({ message }: Error): boolean {
  return message.startsWith('WRONGTYPE');
}

function nameOf({ userName, clientId }: NamesInKey): string {
  return [userName, clientId]
    .filter((name) => name !== undefined)
    .map((name) => JSON.stringify(name))
    .join(' with client id ');
}
