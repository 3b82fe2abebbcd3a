/**
 * How long a poll asks the server to wait. Where a proxy ends requests after 5 s, polls become shorter than that. Now
 * and then a longer one is tried, because the cut may have been a fault of the network.
 */

/** A request that fails sooner was not cut by a proxy's timeout. */
const waitedMinMs = 1_000;
const shareOfCut = 0.8;
const answeredBeforeLonger = 10;

export class PollPace {
  readonly #wantedSec: number | undefined;
  #timeoutSec: number | undefined;
  /** Polls answered since the last one that was cut. */
  #answered = 0;
  #longerAfter = answeredBeforeLonger;

  /** @param wantedSec undefined = the server's own */
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

  /** @returns whether a shorter poll may work */
  cut(afterMs: number): boolean {
    const shorter = Math.max(1, Math.floor((afterMs / 1000) * shareOfCut));
    if (this.#answered === 0 || afterMs < waitedMinMs || shorter >= (this.#timeoutSec ?? 60)) return false;
    this.#answered = 0;
    this.#timeoutSec = shorter;
    return true;
  }
}
