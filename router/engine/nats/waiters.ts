/** Who waits for the same thing, each for as long as it likes. */
export class Waiters {
  readonly #ends = new Set<() => void>();

  /** Resolves with `endAll`, or when the time is over. */
  wait(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#ends.delete(end);
        resolve();
      };
      const timer = setTimeout(end, waitMs);
      this.#ends.add(end);
    });
  }

  endAll(): void {
    for (const end of [...this.#ends]) end();
  }
}
