/** The first ones may be so close to each other. */
export const doubtSpacingMsMin = 1_000;
export const doubtSpacingMsMax = 16_000;
/** After so long without one it is as in the beginning. */
export const doubtCalmMs = 60_000;

/**
 * How often there may be a doubt. Each one has much read, and where all is slow that makes it slower; so the time between
 * two is twice as long each time, until there was none for a while.
 */
export class Doubts {
  #lastMs = Number.NEGATIVE_INFINITY;
  #spacingMs = doubtSpacingMsMin;

  /** @returns whether there may be one now: then there is */
  begin(nowMs: number): boolean {
    const calmMs = nowMs - this.#lastMs;
    if (calmMs < this.#spacingMs) return false;
    if (calmMs >= doubtCalmMs) this.#spacingMs = doubtSpacingMsMin;
    else this.#spacingMs = Math.min(this.#spacingMs * 2, doubtSpacingMsMax);
    this.#lastMs = nowMs;
    return true;
  }
}
