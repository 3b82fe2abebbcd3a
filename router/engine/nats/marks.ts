/** Sent to the stream: a number, and whether the mark is one that is to be kept. @returns false = it cannot be sent */
export type SendMark = (number: number, kept: boolean) => boolean;

/** For one through the stream and back: some 0.3 ms when nothing is wrong. Each that does not come back doubles it. */
export const markTimeoutMsMin = 2_000;
const markTimeoutMsMax = 16_000;
/**
 * One mark is 30 us of the server and as much of the node. 54 nodes with 5,000 logins/s in all sent one for nearly each
 * of them, until nats-server had no time left; so who asks soon after another waits a little, and shares one.
 */
export const markSpacingMs = 50;

interface Waiting {
  readonly kept: boolean;
  readonly resolve: (position: number | undefined) => void;
}

/**
 * Marks that this node sends through a stream to learn what has come: when its own mark is back, all that the stream
 * had published on before it is here, too.
 *
 *     this node   mark 5 ──> stream: 41 41:mark 42 ──> this node   40, 41:mark 5: up to 41 all is here
 *
 * And all that it was subscribed to before it was sent is in effect. Who asks while one is on its way waits for the
 * next, so that a storm of questions is two marks.
 */
export class Marks {
  readonly #send: SendMark;
  #timeoutMs = markTimeoutMsMin;
  #number = 0;
  /** The last that has come back, in time or not. */
  #back = 0;
  #waiting: Waiting[] = [];
  #next: Waiting[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** The next one is due, or on its way. */
  #due = false;
  #sentMs = Number.NEGATIVE_INFINITY;

  constructor(send: SendMark) {
    this.#send = send;
  }

  /** Of the last that was sent. */
  get number(): number {
    return this.#number;
  }

  /** Whether one that was sent, or a later one, has come back, be it too late. */
  isBack(number: number): boolean {
    return this.#back >= number;
  }

  /**
   * @param kept the stream keeps the mark longer than those that are only asked for
   * @returns the position that a mark sent from now on had; undefined when it did not come back in time
   */
  pass(kept = false): Promise<number | undefined> {
    return new Promise((resolve) => {
      this.#next.push({ kept, resolve });
      this.#schedule();
    });
  }

  /** A mark of this node is back. */
  arrived(number: number, position: number): void {
    this.#back = Math.max(this.#back, number);
    if (number !== this.#number || this.#timer === undefined) return;
    this.#timeoutMs = markTimeoutMsMin;
    this.#end(position);
  }

  /** NATS is away: none will come back. */
  failAll(): void {
    const all = [...this.#waiting, ...this.#next];
    this.#waiting = [];
    this.#next = [];
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const { resolve } of all) resolve(undefined);
  }

  #schedule(): void {
    if (this.#due || this.#timer !== undefined || this.#next.length === 0) return;
    this.#due = true;
    const waitMs = Math.ceil(this.#sentMs + markSpacingMs - performance.now());
    if (waitMs > 0) setTimeout(() => this.#begin(), waitMs);
    else setImmediate(() => this.#begin());
  }

  #begin(): void {
    this.#due = false;
    if (this.#timer !== undefined || this.#next.length === 0) return;
    this.#sentMs = performance.now();
    this.#waiting = this.#next;
    this.#next = [];
    this.#number++;
    this.#timer = setTimeout(() => this.#giveUp(), this.#timeoutMs);
    const kept = this.#waiting.some((waiting) => waiting.kept);
    if (!this.#send(this.#number, kept)) this.#end(undefined);
  }

  #giveUp(): void {
    this.#timeoutMs = Math.min(this.#timeoutMs * 2, markTimeoutMsMax);
    this.#end(undefined);
  }

  #end(position: number | undefined): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const waited = this.#waiting;
    this.#waiting = [];
    for (const { resolve } of waited) resolve(position);
    this.#schedule();
  }
}
