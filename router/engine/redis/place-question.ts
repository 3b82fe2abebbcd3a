/** One question for all who ask in a turn of the loop. */
export class PlaceQuestion {
  readonly #ask: () => Promise<number>;
  #waiting: { resolve: (place: number) => void; reject: (error: Error) => void }[] = [];

  /** @param ask called at the end of the turn */
  constructor(ask: () => Promise<number>) {
    this.#ask = ask;
  }

  answer(): Promise<number> {
    if (this.#waiting.length === 0) setImmediate(() => this.#end());
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Whoever waits for the end of this turn is told so. */
  fail(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { reject } of waiting) reject(error);
  }

  #end(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    if (waiting.length === 0) return;
    this.#ask().then(
      (place) => {
        for (const { resolve } of waiting) resolve(place);
      },
      (error: Error) => {
        for (const { reject } of waiting) reject(error);
      },
    );
  }
}
