import { type Refusal, type RefusalReason, refusals } from './close-reason.js';
import type { Config } from './config.js';
import { addressKeyOf, type Peer } from './peer-address.js';
import { Bucket, Buckets, rateOf } from './rate.js';

/** Nobody is told to come back later than this, or more than twice as late with what is added at random. */
const waitMsMax = 60_000;

export interface RateRefusal {
  readonly reason: RefusalReason;
  /** It says after which time the client may come back. */
  readonly refusal: Refusal;
}

type ConnectRateSettings = Pick<Config, 'rateLimitConnects' | 'rateLimitConnectsPerAddress'>;

/**
 * Limits how fast streams and WebSockets open, in all and from one address. A herd that comes at once is spread: each
 * client that is refused is told a later time than the one before, at the pace at which clients can be let in.
 */
export class ConnectRates {
  #total: Bucket | undefined;
  #perAddress: Buckets | undefined;
  #msEach = 0;
  /** Clients that were refused have been promised all places until this time. */
  #promisedMs = 0;

  constructor(limits: ConnectRateSettings) {
    this.limitTo(limits);
  }

  /** From now on these are the limits; all budgets are full again. */
  limitTo({ rateLimitConnects, rateLimitConnectsPerAddress }: ConnectRateSettings): void {
    const total = rateOf(rateLimitConnects);
    this.#total = total && new Bucket(total, performance.now());
    this.#perAddress = Buckets.ofSetting(rateLimitConnectsPerAddress);
    this.#msEach = total === undefined ? 0 : 1000 / total.ratePerSec;
  }

  /** Call it last, as it counts a client that may come. @returns why the client may not come now, if so */
  refusalOf(peer: Peer): RateRefusal | undefined {
    if (this.#total === undefined && this.#perAddress === undefined) return undefined;
    const nowMs = performance.now();
    const ofAddress = this.#perAddress?.of(addressKeyOf(peer), nowMs);
    const waitMs = ofAddress?.waitMs(nowMs) ?? 0;
    if (waitMs > 0) return refusalAfter('connect-rate-of-address', waitMs);
    if ((this.#total?.waitMs(nowMs) ?? 0) > 0) return refusalAfter('connect-rate', this.#promise(nowMs));
    ofAddress?.take(nowMs);
    this.#total?.take(nowMs);
    return undefined;
  }

  /** Promises the next free place. @returns milliseconds until then */
  #promise(nowMs: number): number {
    const nextMs = Math.max(nowMs, this.#promisedMs) + this.#msEach;
    // Clients that are more than fit into that time come back somewhere in it, and are refused once more.
    if (nextMs - nowMs > waitMsMax) return waitMsMax * (0.5 + Math.random() / 2);
    this.#promisedMs = nextMs;
    return nextMs - nowMs;
  }
}

/** Adds up to half of the time at random, as a Retry-After has whole seconds. */
function refusalAfter(reason: RefusalReason, waitMs: number): RateRefusal {
  const retryAfterSec = Math.max(1, Math.ceil((waitMs / 1000) * (1 + Math.random() / 2)));
  return { reason, refusal: { ...refusals[reason], retryAfterSec } };
}
