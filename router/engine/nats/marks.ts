/**
 * Marks that this node sends through a stream to learn what has come: when its own mark is back, all that the stream
 * had published on before it is here, too.
 *
 *     this node   mark 5 ──> stream: 41 41:mark 42 ──> this node   40, 41:mark 5: up to 41 all is here
 *
 * Who asks while one is on its way waits for the next, so that a storm of questions is two marks.
 */
export class Marks {
  readonly #send: (number: number) => boolean;
  readonly #timeoutMs: number;
  #number = 0;
  #waiting: ((position: number | undefined) => void)[] = [];
  #next: ((position: number | undefined) => void)[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** @param send hands a mark to the stream; false = it cannot */
  constructor(send: (number: number) => boolean, timeoutMs: number) {
    this.#send = send;
    this.#timeoutMs = timeoutMs;
  }

  /** @returns the position that a mark sent from now on had; undefined when it did not come back in time */
  pass(): Promise<number | undefined> {
    return new Promise((resolve) => {
      this.#next.push(resolve);
      if (this.#timer === undefined && this.#next.length === 1) setImmediate(() => this.#begin());
    });
  }

  /** A mark of this node is back. */
  arrived(number: number, position: number): void {
    if (number === this.#number && this.#timer !== undefined) this.#end(position);
  }

  #begin(): void {
    if (this.#timer !== undefined || this.#next.length === 0) return;
    this.#waiting = this.#next;
    this.#next = [];
    this.#number++;
    this.#timer = setTimeout(() => this.#end(undefined), this.#timeoutMs);
    if (!this.#send(this.#number)) this.#end(undefined);
  }

  #end(position: number | undefined): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const waited = this.#waiting;
    this.#waiting = [];
    for (const resolve of waited) resolve(position);
    this.#begin();
  }
}
