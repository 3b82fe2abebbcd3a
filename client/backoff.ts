/**
 * How long to wait before the next attempt: exponential with full jitter (a random part of a span that doubles with
 * each failure), so that clients that were cut together do not come back together.
 */

const firstSpanMs = 1_000;
const spanMaxMs = 30_000;
/** A server or proxy that says "in a day" is asked again sooner. */
const floorMaxMs = 3_600_000;

export class Backoff {
  readonly #random: () => number;
  #failures = 0;

  /** @param random from 0 up to 1 */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** It works: the next failure is the first one again. */
  reset(): void {
    this.#failures = 0;
  }

  /** @param floorMs what the server asked for (`retry:`, Retry-After); all are asked for the same, so the jitter comes on top */
  nextDelayMs(floorMs = 0): number {
    const spanMs = Math.min(spanMaxMs, firstSpanMs * 2 ** this.#failures);
    this.#failures++;
    return Math.min(floorMs, floorMaxMs) + this.#random() * spanMs;
  }
}

/** @returns milliseconds of a Retry-After header: seconds, or a date; undefined if it is neither */
export function retryAfterMs(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1000;
  const dateMs = Date.parse(header);
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs);
}
