/** Failures in a row after which nothing is asked for a while. */
const failuresMax = 5;
const pauseMs = 2_000;

/**
 * Keeps a service that is away from being asked by every client, each of which would wait for the timeout. After some
 * failures in a row it is left alone for a while; then one request tries whether it is back.
 *
 *     closed ──(5 failures)──> open ──(2 s)──> half-open ──(success)──> closed
 *                                ^───────(failure)──┘
 */
export class CircuitBreaker {
  #failures = 0;
  #closedFromMs = 0;
  #isTrying = false;
  readonly #pauseMs: number;

  constructor(pause = pauseMs) {
    this.#pauseMs = pause;
  }

  get isOpen(): boolean {
    return this.#failures >= failuresMax;
  }

  /** @returns false: do not ask. True: ask, and tell how it went */
  mayAsk(): boolean {
    if (!this.isOpen) return true;
    if (this.#isTrying || performance.now() < this.#closedFromMs) return false;
    this.#isTrying = true;
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#isTrying = false;
  }

  failed(): void {
    this.#failures++;
    this.#isTrying = false;
    this.#closedFromMs = performance.now() + this.#pauseMs;
  }
}
