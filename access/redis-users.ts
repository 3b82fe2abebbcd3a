import type { Redis } from 'ioredis';
import {
  type AuthenticationResult,
  type Authenticator,
  badCredentials,
  type Credentials,
  tooManyChecks,
  unknownUser,
} from './authenticator.js';
import { identityOf } from './identity.js';
import type { IdentityCache } from './identity-cache.js';
import { isFilled, keyOf } from './key-template.js';
import type { PasswordCheck } from './password-check.js';
import { type FoundUser, RedisUserReader } from './redis-user-reader.js';
import { problemOfRuleFilter, type Rule, Rules, rulesMax } from './rules.js';
import { type Accept, ServiceChecks } from './service-checks.js';
import { SlowChecks } from './slow-checks.js';

export interface RedisUsersOptions {
  readonly redis: Redis;
  /** Template of a key, in which `%u` and `%c` stand for names: `mqtt_user:%u`. */
  readonly userKey: string;
  readonly aclKey: string;
  readonly check: PasswordCheck;
  readonly cache: IdentityCache;
  /** Shared with the other authenticators. */
  readonly slowChecks?: SlowChecks;
  /** After this time the client has been answered without this authenticator. */
  readonly timeoutMs: number;
  /** The part of the users that are asked for at once that one address may have. */
  readonly sharePerAddress?: number;
  /** Redis answers with an error, or not at all; or a rule of a user cannot be read. */
  readonly onTrouble: (error: unknown) => void;
}

/** Most users that are asked for or checked at once: more would only wait. */
const underWayMax = 4_096;
/** Most bytes of their names and passwords, which are kept until Redis answers, even if their clients have gone long ago. */
const underWayBytesMax = 8 * 1024 * 1024;

/**
 * Users in Redis as EMQ has them:
 *
 *     HSET mqtt_user:alice password secret salt 1a2b is_superuser 0
 *     HSET mqtt_acl:alice room/7 1 room/8 2 user/%u/# 3     1 = subscribe, 2 = publish, 3 = both
 *
 * All rules allow. One round trip asks for both.
 */
export class RedisUsers implements Authenticator {
  readonly name = 'redis';
  readonly takesPasswords = true;
  readonly #options: RedisUsersOptions;
  readonly #reader: RedisUserReader;
  readonly #checks: ServiceChecks;
  readonly #slowChecks: SlowChecks;
  /** The cost in the last bcrypt hash that was compared. */
  #bcryptCost = '10';

  constructor(options: RedisUsersOptions) {
    this.#options = options;
    this.#slowChecks = options.slowChecks ?? new SlowChecks();
    this.#reader = new RedisUserReader(options.redis, options.onTrouble);
    this.#checks = new ServiceChecks({
      cache: options.cache,
      max: underWayMax,
      bytesMax: underWayBytesMax,
      sharePerAddress: options.sharePerAddress,
    });
  }

  get cache(): IdentityCache {
    return this.#options.cache;
  }

  authenticate(credentials: Credentials): AuthenticationResult | Promise<AuthenticationResult> {
    const { userName, password, clientId } = credentials;
    const { cache, userKey, aclKey } = this.#options;
    if (password === undefined || !isFilled(userKey, credentials) || !isFilled(aclKey, credentials))
      return unknownUser;
    const cacheKey = cache.keyOf('redis', userName, password, clientId);
    return (
      this.#checks.known(cacheKey) ??
      this.#checks.ask(cacheKey, credentials, (accept) => this.#ask(credentials, password, accept))
    );
  }

  async stop(): Promise<void> {
    this.#options.redis.disconnect();
  }

  async #ask(credentials: Credentials, password: Buffer, accept: Accept): Promise<AuthenticationResult> {
    const { userKey, timeoutMs } = this.#options;
    const deadlineMs = performance.now() + timeoutMs;
    const aclKey = keyOf(this.#options.aclKey, credentials);
    const found = await this.#reader.read(keyOf(userKey, credentials), aclKey);
    if (found === undefined) return away;
    const { stored, isSuperuser, acl } = found;
    const matches = await this.#matches(password, found, credentials.address, deadlineMs);
    if (matches === undefined) return tooManyChecks;
    if (stored === null) return unknownUser;
    if (!matches) return badCredentials;
    // The password is that of the key: a name that is not in it could be anybody's.
    const userName = userKey.includes('%u') ? credentials.userName : undefined;
    const rules = isSuperuser ? Rules.none : this.#rulesOf(acl, aclKey);
    return accept(identityOf({ userName, isSuperuser, rules, expiresAtMs: undefined }));
  }

  /**
   * A check takes as long for an unknown user as for a known one; otherwise the time would tell which names exist.
   * @returns undefined where too many are under way, or the client has been answered meanwhile
   */
  async #matches(
    password: Buffer,
    { stored, salt }: FoundUser,
    address: string,
    deadlineMs: number,
  ): Promise<boolean | undefined> {
    const { check } = this.#options;
    if (!check.isSlow) return check.matches(password, stored ?? '', salt);
    this.#bcryptCost = bcryptCost.exec(stored ?? '')?.[1] ?? this.#bcryptCost;
    const compared = stored ?? `$2b$${this.#bcryptCost}$${nobodysHash}`;
    return this.#slowChecks.run(address, deadlineMs, () => check.matches(password, compared, salt));
  }

  /** A rule that cannot be read allows nothing. */
  #rulesOf(acl: readonly string[], key: string): Rules {
    const rules: Rule[] = [];
    const end = Math.min(acl.length, 2 * rulesMax);
    for (let at = 0; at < end; at += 2) {
      const [filter, access] = [acl[at]!, acl[at + 1]!];
      const action = actionOf[access];
      if (action !== undefined && problemOfRuleFilter(filter) === undefined)
        rules.push({ permission: 'allow', action, filter });
      else
        this.#options.onTrouble(
          new RangeError(
            `a rule in ${JSON.stringify(key.slice(0, 100))} is left out: ${JSON.stringify(filter.slice(0, 80))} ${JSON.stringify(access.slice(0, 20))} is no topic filter with 1, 2 or 3`,
          ),
        );
    }
    return Rules.inOrder(rules); // all of them allow
  }
}

const actionOf: Readonly<Record<string, Rule['action']>> = { 1: 'subscribe', 2: 'publish', 3: 'all' };

const bcryptCost = /^\$2[aby]\$(\d\d)\$/;

/** Salt and hash in bcrypt of a password that nobody knows; pbkdf2 takes any. */
const nobodysHash = 'wwDcTBDmxFBDJCRwPMqUbO0pOHHYc35tAEbGCNB8WSt/kZYrX9uJi';

const away: AuthenticationResult = {
  outcome: 'unavailable',
  sentence: 'The server with the users cannot be reached: try again later.',
};
