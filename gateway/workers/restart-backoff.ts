/** Twice as long after each end, as a worker that cannot live would else keep a core busy with dying. */
const shortestMs = 250;
const longestMs = 30_000;
/** A worker that has lived so long was all right: its end begins anew. */
export const livedMsForReset = 60_000;

/** How long one worker waits until it is started again. */
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
