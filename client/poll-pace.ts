/**
 * How long a poll asks the server to wait. A proxy that ends requests after 5 s is adapted to: polls that are over
 * before that. Now and then a longer one is tried, as it may have been the network for once.
 */

/** A request that fails sooner was not waited for. */
const waitedMinMs = 1_000;
const shareOfCut = 0.8;
const answeredBeforeLonger = 10;

export class PollPace {
  readonly #wantedSec: number | undefined;
  #timeoutSec: number | undefined;
  /** Since the last that was cut. */
  #answered = 0;
  #longerAfter = answeredBeforeLonger;

  /** @param wantedSec undefined: as long as the server holds a poll by itself */
  constructor(wantedSec: number | undefined) {
    this.#wantedSec = wantedSec;
    this.#timeoutSec = wantedSec;
  }

  get timeoutSec(): number | undefined {
    return this.#timeoutSec;
  }

  answered(): void {
    if (++this.#answered % this.#longerAfter !== 0 || this.#timeoutSec === this.#wantedSec) return;
    this.#longerAfter *= 2;
    this.#timeoutSec = this.#wantedSec;
  }

  /** @returns whether the next poll may do better, and nothing else is wrong */
  cut(afterMs: number): boolean {
    const shorter = Math.max(1, Math.floor((afterMs / 1000) * shareOfCut));
    if (this.#answered === 0 || afterMs < waitedMinMs || shorter >= (this.#timeoutSec ?? 60)) return false;
    this.#answered = 0;
    this.#timeoutSec = shorter;
    return true;
  }
}
