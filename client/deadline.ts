/** Aborts an attempt that takes too long. One timer, set anew as often as there is a sign of life. */
export class Deadline {
  readonly #abort: AbortController;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(abort: AbortController) {
    this.#abort = abort;
  }

  /** From now on; replaces what was set before. */
  set(timeoutMs: number, errorPast: (timeoutMs: number) => Error): void {
    this.clear();
    this.#timer = setTimeout(() => this.#abort.abort(errorPast(timeoutMs)), timeoutMs);
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}
