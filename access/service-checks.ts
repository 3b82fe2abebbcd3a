import {
  type AuthenticationResult,
  bytesOfCredentials,
  type Credentials,
  tooManyChecks,
} from './authenticator.js';
import type { CircuitBreaker } from './circuit-breaker.js';
import type { Identity } from './identity.js';
import type { IdentityCache } from './identity-cache.js';
import { WaitingPlaces } from './waiting-places.js';

/** How an authenticator goes on while its service cannot answer. */
export interface ServiceOutage {
  readonly breaker: CircuitBreaker;
  /** The service cannot be reached. */
  readonly onTrouble: (error: unknown) => void;
  /** Clients get this result meanwhile. */
  readonly result: AuthenticationResult;
}

export interface ServiceChecksOptions {
  readonly cache: IdentityCache;
  /** Most checks at once. */
  readonly max: number;
  /** Most bytes of credentials that are being checked. */
  readonly bytesMax: number;
  /** The part of both that one address may have. */
  readonly sharePerAddress: number | undefined;
  /** Undefined: the service is asked whatever it answered before, and an error of a check goes to the caller. */
  readonly outage?: ServiceOutage;
}

/**
 * Lets a user in that the service has confirmed, and keeps its identity.
 * @param cacheSec how long it is kept, in the place of the age that all have; 0 = not at all
 */
export type Accept = (identity: Identity, cacheSec?: number) => AuthenticationResult;

/**
 * Checks of credentials by a service outside of this process, such as Redis, a directory or an HTTP hook:
 *
 *     known (cache) ──> ask: a place ──> the circuit breaker ──> the service ──> cache; the place is given back
 */
export class ServiceChecks {
  readonly #cache: IdentityCache;
  readonly #places: WaitingPlaces;
  readonly #outage: ServiceOutage | undefined;

  constructor({ cache, max, bytesMax, sharePerAddress = 1, outage }: ServiceChecksOptions) {
    this.#cache = cache;
    this.#places = new WaitingPlaces({ max, bytesMax, sharePerAddress });
    this.#outage = outage;
  }

  /** @returns undefined where these credentials are not known as good: then ask */
  known(cacheKey: string): AuthenticationResult | undefined {
    const identity = this.#cache.get(cacheKey);
    return identity === undefined ? undefined : { outcome: 'accepted', identity };
  }

  /**
   * @param check asks the service; where there is an outage to be told of, it rejects for one
   * @returns at once where the service is not asked: too many are being checked, or the breaker is open
   */
  ask(
    cacheKey: string,
    credentials: Credentials,
    check: (accept: Accept) => Promise<AuthenticationResult>,
  ): AuthenticationResult | Promise<AuthenticationResult> {
    const place = this.#places.take(credentials.address, bytesOfCredentials(credentials));
    if (place === undefined) return tooManyChecks;
    const outage = this.#outage;
    if (outage !== undefined && !outage.breaker.mayAsk()) {
      this.#places.give(place);
      return outage.result;
    }
    const askedMs = performance.now();
    const accept: Accept = (identity, cacheSec) => {
      this.#cache.set(cacheKey, identity, cacheSec, askedMs);
      return { outcome: 'accepted', identity };
    };
    const answer = outage === undefined ? check(accept) : throughBreaker(outage, () => check(accept));
    return answer.finally(() => this.#places.give(place));
  }
}

async function throughBreaker(
  { breaker, onTrouble, result }: ServiceOutage,
  check: () => Promise<AuthenticationResult>,
): Promise<AuthenticationResult> {
  try {
    const answer = await check();
    breaker.succeeded();
    return answer;
  } catch (error) {
    breaker.failed();
    onTrouble(error);
    return result;
  }
}
