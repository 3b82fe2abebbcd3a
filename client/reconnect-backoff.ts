/**
 * The wait before the next attempt: exponential backoff with full jitter. It is a random part of a span that doubles
 * with each failure, so that clients that were cut together do not reconnect together.
 */

const firstSpanMs = 1_000;
const spanMaxMs = 30_000;
/** Longest wait that a server or proxy may ask for. */
const floorMaxMs = 3_600_000;

export class ReconnectBackoff {
  readonly #random: () => number;
  #failures = 0;

  /** @param random from 0 up to 1 */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** An attempt succeeded: the next failure counts as the first. */
  reset(): void {
    this.#failures = 0;
  }

  /**
   * @param floorMs asked for by the server (`retry:`, Retry-After). The jitter is added, as all clients get the same
   */
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
