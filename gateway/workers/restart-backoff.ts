/** The wait doubles after each end. Otherwise a worker that always fails would keep a core busy. */
const shortestMs = 250;
const longestMs = 30_000;
/** After a life of this length, the wait is the shortest again. */
export const livedMsForReset = 60_000;

/** The wait of one worker before it is started again. */
export class RestartBackoff {
  #nextMs = shortestMs;

  /** @param livedMs how long it has lived this time */
  waitMs(livedMs: number): number {
    if (livedMs >= livedMsForReset) this.#nextMs = shortestMs;
    const waitMs = this.#nextMs;
    this.#nextMs = Math.min(longestMs, 2 * waitMs);
    return waitMs;
  }
}
