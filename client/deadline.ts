import { later } from './pause.js';

/** A timer that fires later than this shows that the process or page stood still. */
const lateMs = 250;
/** Time for the process to read the bytes that arrived meanwhile. */
const secondLookMs = 50;
const secondLookLateMs = 1_000;

/**
 * Aborts an attempt that takes too long, with one timer that is set again at each sign of life. When the process stood
 * still, the timer fires before the process reads the bytes that arrived. So there is a second look before the abort.
 */
export class Deadline {
  readonly #abort: AbortController;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(abort: AbortController) {
    this.#abort = abort;
  }

  /** Starts the time; replaces an earlier one. */
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
