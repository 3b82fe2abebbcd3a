import { type Rate, rateOf, refilled } from '../rate.js';

/** One limit for all connections, each with a bucket of its own, in columns that exist only where the limit does. */
class BucketColumns {
  readonly #rate: Rate;
  readonly #left: Float64Array;
  /** When the bucket was last filled, ms; 0 = it is full. */
  readonly #filledMs: Float64Array;

  constructor(rate: Rate, capacity: number) {
    this.#rate = rate;
    this.#left = new Float64Array(capacity);
    this.#filledMs = new Float64Array(capacity);
  }

  take(slot: number, amount: number): boolean {
    const nowMs = performance.now();
    const filledMs = this.#filledMs[slot]!;
    const before =
      filledMs === 0 ? this.#rate.burst : refilled(this.#rate, this.#left[slot]!, nowMs - filledMs);
    const left = before - amount;
    this.#left[slot] = left;
    this.#filledMs[slot] = nowMs;
    return left >= 0;
  }

  release(slot: number): void {
    this.#filledMs[slot] = 0;
  }
}

/**
 * How much one client may send. uWS has no way to stop reading a WebSocket, and keeping what is over would be a
 * queue that the peer grows; so a client past its limit is closed, with a reason.
 */
export class RateLimits {
  readonly #capacity: number;
  #messages: BucketColumns | undefined;
  #bytes: BucketColumns | undefined;

  /** @param messages,bytes "burst,rate", or nothing for no limit */
  constructor(messages: string, bytes: string, capacity: number) {
    this.#capacity = capacity;
    this.limitTo(messages, bytes);
  }

  /** From now on these are the limits; all budgets are full again. */
  limitTo(messages: string, bytes: string): void {
    this.#messages = bucketsOf(messages, this.#capacity);
    this.#bytes = bucketsOf(bytes, this.#capacity);
  }

  admitsMessage(slot: number): boolean {
    return this.#messages === undefined || this.#messages.take(slot, 1);
  }

  admitsBytes(slot: number, bytes: number): boolean {
    return this.#bytes === undefined || this.#bytes.take(slot, bytes);
  }

  release(slot: number): void {
    this.#messages?.release(slot);
    this.#bytes?.release(slot);
  }
}

function bucketsOf(limit: string, capacity: number): BucketColumns | undefined {
  const rate = rateOf(limit);
  return rate && new BucketColumns(rate, capacity);
}
