import { LRUCache } from 'lru-cache';
import { text } from './setting.js';

/** A budget that refills: `burst` at once, `ratePerSec` in the long run. */
export interface Rate {
  readonly burst: number;
  readonly ratePerSec: number;
}

/** A setting of this kind holds a rate. */
export const rateSetting = text(
  'two whole numbers "burst,rate" such as 200,100, or nothing',
  /^$|^[1-9]\d{0,11},[1-9]\d{0,11}$/,
);

/** @param setting "burst,rate", or nothing for no limit */
export function rateOf(setting: string): Rate | undefined {
  if (setting === '') return undefined;
  const [burst, ratePerSec] = setting.split(',').map(Number);
  return { burst: burst!, ratePerSec: ratePerSec! };
}

/** @returns what is in a bucket that had `left`, after so much time */
export function refilled({ burst, ratePerSec }: Rate, left: number, elapsedMs: number): number {
  return Math.min(burst, left + (elapsedMs / 1000) * ratePerSec);
}

/** The budget of one user or address. It may go into debt: what was taken beyond it is paid back before anything else. */
export class Bucket {
  readonly #rate: Rate;
  #left: number;
  #filledMs: number;

  constructor(rate: Rate, nowMs: number) {
    this.#rate = rate;
    this.#left = rate.burst;
    this.#filledMs = nowMs;
  }

  /** @returns milliseconds until one more may be taken */
  waitMs(nowMs: number): number {
    const left = this.#fill(nowMs);
    return left >= 1 ? 0 : ((1 - left) / this.#rate.ratePerSec) * 1000;
  }

  take(nowMs: number): void {
    this.#left = this.#fill(nowMs) - 1;
  }

  isFull(nowMs: number): boolean {
    return this.#fill(nowMs) >= this.#rate.burst;
  }

  #fill(nowMs: number): number {
    this.#left = refilled(this.#rate, this.#left, nowMs - this.#filledMs);
    this.#filledMs = nowMs;
    return this.#left;
  }
}

/** A bucket costs so much besides the characters of its key, as measured. */
const bucketBytes = 212;
/** 36,000 buckets fit in. */
const bytesMax = 8 * 1024 * 1024;

/**
 * Holds buckets by a key, such as an address or a user name. A bucket that is full again is forgotten, so there are as
 * many as have given something lately. Past a limit of bytes, the buckets that were used longest ago go: their keys
 * begin anew, with full ones.
 */
export class Buckets {
  readonly #rate: Rate;
  readonly #byKey: LRUCache<string, Bucket>;

  constructor(rate: Rate, maxSize = bytesMax) {
    this.#rate = rate;
    const sizeCalculation = (_bucket: Bucket, key: string) => bucketBytes + key.length;
    this.#byKey = new LRUCache({ maxSize, sizeCalculation });
  }

  /** @param setting "burst,rate", or nothing for no limit */
  static ofSetting(setting: string): Buckets | undefined {
    const rate = rateOf(setting);
    return rate && new Buckets(rate);
  }

  get bytes(): number {
    return this.#byKey.calculatedSize;
  }

  /** @returns the bucket of this key, to be used at once: a bucket that is not asked for again is forgotten */
  of(key: string, nowMs: number): Bucket {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const bucket = new Bucket(this.#rate, nowMs);
    this.#byKey.set(key, bucket);
    this.#forgetFull(nowMs, key);
    return bucket;
  }

  /** Forgets up to two full buckets for each new one, so that their number falls. */
  #forgetFull(nowMs: number, newKey: string): void {
    for (let n = 0; n < 2; n++) {
      const oldest = this.#byKey.rkeys().next().value!;
      if (oldest === newKey || !this.#byKey.peek(oldest)!.isFull(nowMs)) return;
      this.#byKey.delete(oldest);
    }
  }
}
