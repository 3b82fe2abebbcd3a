import { later } from './pause.js';

/** A timer that is later than this shows that the process, or the page, stood still. */
const lateMs = 250;
/** In this time the process reads the bytes that it received meanwhile. */
const secondLookMs = 50;
const secondLookLateMs = 1_000;

/**
 * Aborts an attempt that takes too long. One timer, set anew as often as there is a sign of life. Where the process
 * stood still, the timer is called before what has come is read: so there is a second look before silence is believed.
 */
export class Deadline {
  readonly #abort: AbortController;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(abort: AbortController) {
    this.#abort = abort;
  }

  /** From now on; replaces what was set before. */
  set(timeoutMs: number, errorPast: (timeoutMs: number) => Error): void {
    this.clear();
    const dueMs = performance.now() + timeoutMs;
    this.#timer = later(timeoutMs, () => {
      const late = performance.now() - dueMs > lateMs;
      const end = () => this.#abort.abort(errorPast(timeoutMs));
      this.#timer = setTimeout(end, late ? secondLookLateMs : secondLookMs);
    });
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}
