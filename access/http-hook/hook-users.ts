import {
  type AuthenticationResult,
  type Authenticator,
  badCredentials,
  type Credentials,
  givesNothing,
  unknownUser,
} from '../authenticator.js';
import { CircuitBreaker } from '../circuit-breaker.js';
import { type Identity, identityOf, UserIdentity } from '../identity.js';
import type { IdentityCache } from '../identity-cache.js';
import { Rules } from '../rules.js';
import { type Accept, ServiceChecks } from '../service-checks.js';
import { SharedRules } from '../shared-rules.js';
import { type AllowingAnswer, type HookAnswer, UnusableAnswerError } from './hook-answer.js';
import { type CachedFor, HookRequest, type HookRequestOptions } from './hook-request.js';

export interface HookUsersOptions extends HookRequestOptions {
  readonly cache: IdentityCache;
  /** While the service cannot be asked, clients are let in without a name and without rules of their own. */
  readonly failsOpen: boolean;
  /** The part of the clients that are asked about at once that one address may have. */
  readonly sharePerAddress?: number;
  /** The service cannot be reached. */
  readonly onTrouble: (error: unknown) => void;
  /** The service has answered, but not with a decision about the client that it was asked about. */
  readonly onUnusableAnswer: (error: UnusableAnswerError) => void;
  /** For tests. */
  readonly breaker?: CircuitBreaker;
}

/** Most clients that are asked about at once: more would only wait. */
const underWayMax = 4_096;
const underWayBytesMax = 8 * 1024 * 1024;

/**
 * Users that the operator's own service knows. It is asked once for each connection, and its answer says what the user may
 * do, so that a publish or a subscription asks nobody.
 */
export class HookUsers implements Authenticator {
  readonly name = 'http';
  readonly takesPasswords = true;
  readonly #options: HookUsersOptions;
  readonly #request: HookRequest;
  readonly #checks: ServiceChecks;
  readonly #rules = new SharedRules();
  /** Questions under way, by cache key: for a page that opens six streams, the service is asked once. */
  readonly #underWay = new Map<string, Promise<AuthenticationResult>>();

  constructor(options: HookUsersOptions) {
    this.#options = options;
    this.#request = new HookRequest(options);
    this.#checks = new ServiceChecks({
      cache: options.cache,
      max: underWayMax,
      bytesMax: underWayBytesMax,
      sharePerAddress: options.sharePerAddress,
      outage: {
        breaker: options.breaker ?? new CircuitBreaker(),
        onTrouble: options.onTrouble,
        result: options.failsOpen ? letInNevertheless : away,
      },
    });
  }

  get cache(): IdentityCache {
    return this.#options.cache;
  }

  authenticate(credentials: Credentials): AuthenticationResult | Promise<AuthenticationResult> {
    if (givesNothing(credentials)) return unknownUser;
    const cacheKey = this.#keyOf(credentials);
    return (
      this.#checks.known(cacheKey) ?? this.#underWay.get(cacheKey) ?? this.#askFor(cacheKey, credentials)
    );
  }

  revoke(): void {
    this.#underWay.clear(); // nobody joins a question that was asked before
  }

  stop(): Promise<void> {
    return this.#request.close();
  }

  /** The key has all that the service is told, as its answer may depend on each part. */
  #keyOf({ transport, address, clientId, userName, password, token, certificateNames }: Credentials): string {
    const names = certificateNames === undefined ? undefined : JSON.stringify(certificateNames);
    return this.#options.cache.keyOf('http', transport, address, clientId, userName, password, token, names);
  }

  #askFor(cacheKey: string, credentials: Credentials): AuthenticationResult | Promise<AuthenticationResult> {
    const answer = this.#checks.ask(cacheKey, credentials, (accept) => this.#ask(credentials, accept));
    if (!(answer instanceof Promise)) return answer;
    const shared = answer.finally(() => {
      // After a revocation another question may be under way.
      if (this.#underWay.get(cacheKey) === shared) this.#underWay.delete(cacheKey);
    });
    this.#underWay.set(cacheKey, shared);
    return shared;
  }

  /** Rejects where the service cannot be reached. */
  async #ask(credentials: Credentials, accept: Accept): Promise<AuthenticationResult> {
    let answer: HookAnswer & CachedFor;
    try {
      answer = await this.#request.ask(credentials);
    } catch (error) {
      if (!(error instanceof UnusableAnswerError)) throw error;
      this.#options.onUnusableAnswer(error);
      return undecided;
    }
    if (answer.result === 'unknown') return unknownUser;
    if (answer.result === 'deny') return badCredentials;
    return accept(
      this.#identityOf(answer, answer.userName ?? nameWithPassword(credentials)),
      answer.cacheSec,
    );
  }

  #identityOf({ superuser, rules, expiresInSec }: AllowingAnswer, userName: string | undefined): Identity {
    const expiresAtMs = expiresInSec === undefined ? undefined : Date.now() + expiresInSec * 1000;
    return identityOf({
      userName,
      isSuperuser: superuser,
      rules: superuser ? Rules.none : this.#rules.of(rules, 'in-order'),
      expiresAtMs,
    });
  }
}

/**
 * A name that stands beside a token or a certificate is one that the client has chosen: a service that looks at the token
 * alone has not checked it.
 */
function nameWithPassword({ userName, password, token }: Credentials): string | undefined {
  return password !== undefined && token === undefined ? userName : undefined;
}

const away: AuthenticationResult = {
  outcome: 'unavailable',
  sentence: 'The service that knows the users cannot be reached: try again later.',
};

/**
 * The answer for one client alone, whatever it is to be while the service is away: a client that makes the service fail must
 * not be let in for it, nor keep others out. It is no refusal, as nobody has looked at the password.
 */
const undecided: AuthenticationResult = {
  outcome: 'unavailable',
  sentence: 'The service that knows the users has failed to decide about you: try again later.',
};

/** A name that nobody has checked could be the name of another user, whose session it would take over. */
const letInNevertheless: AuthenticationResult = {
  outcome: 'accepted',
  identity: new UserIdentity(undefined, Rules.none),
};
