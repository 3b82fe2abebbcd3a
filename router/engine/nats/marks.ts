/** For one through the stream and back: some 0.3 ms when nothing is wrong. Each that does not come back doubles it. */
export const markTimeoutMsMin = 2_000;
const markTimeoutMsMax = 16_000;
/**
 * Of all nodes together: one mark is 30 us of the server and as much of the node. 54 nodes with 5,000 logins/s in all sent
 * one for nearly each of them, until nats-server had no time left; so who asks soon after another waits a little, and
 * shares one: 2 ms with two nodes, 54 ms with 54.
 */
const marksPerSecMax = 1_000;

/**
 * Marks that this node sends through a stream to learn what has come: when its own mark is back, all that the stream
 * had published on before it is here, too.
 *
 *     this node   mark 5 ──> stream: 41 41:mark 42 ──> this node   40, 41:mark 5: up to 41 all is here
 *
 * And all that it was subscribed to before it was sent is in effect. Who asks while one is on its way waits for the
 * next, so that a storm of questions is few marks.
 */
export class Marks {
  readonly #send: (number: number) => boolean;
  readonly #nodes: () => number;
  #timeoutMs = markTimeoutMsMin;
  #number = 0;
  /** The last that has come back, in time or not. */
  #back = 0;
  #waiting: ((position: number | undefined) => void)[] = [];
  #next: ((position: number | undefined) => void)[] = [];
  /** Of the mark that is on its way; or of the next one, where it has to wait. */
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #underWay = false;
  #sentMs = Number.NEGATIVE_INFINITY;

  /**
   * @param send hands a mark to the stream; false = it cannot
   * @param nodes in the cluster, this one included
   */
  constructor(send: (number: number) => boolean, nodes: () => number) {
    this.#send = send;
    this.#nodes = nodes;
  }

  /** Of the last that was sent. */
  get number(): number {
    return this.#number;
  }

  /** Whether one that was sent, or a later one, has come back, be it too late. */
  isBack(number: number): boolean {
    return this.#back >= number;
  }

  /** @returns the position that a mark sent from now on had; undefined when it did not come back in time */
  pass(): Promise<number | undefined> {
    return new Promise((resolve) => {
      this.#next.push(resolve);
      if (this.#next.length === 1 && !this.#underWay) this.#schedule();
    });
  }

  /** A mark of this node is back. */
  arrived(number: number, position: number): void {
    this.#back = Math.max(this.#back, number);
    if (!this.#underWay || number !== this.#number) return;
    this.#timeoutMs = markTimeoutMsMin;
    this.#end(position);
  }

  /** NATS is away: none will come back. */
  failAll(): void {
    const all = [...this.#waiting, ...this.#next];
    this.#next = [];
    this.#end(undefined);
    for (const resolve of all) resolve(undefined);
  }

  /** At the end of the turn, so that all who ask in it have one mark. */
  #schedule(): void {
    const spacingMs = (this.#nodes() * 1_000) / marksPerSecMax;
    const waitMs = Math.ceil(this.#sentMs + spacingMs - performance.now());
    if (waitMs > 0) this.#timer = setTimeout(() => this.#begin(), waitMs);
    else this.#immediate = setImmediate(() => this.#begin());
  }

  #begin(): void {
    this.#waiting = this.#next;
    this.#next = [];
    this.#number++;
    this.#sentMs = performance.now();
    this.#underWay = true;
    this.#timer = setTimeout(() => this.#giveUp(), this.#timeoutMs);
    if (!this.#send(this.#number)) this.#end(undefined);
  }

  #giveUp(): void {
    this.#timeoutMs = Math.min(this.#timeoutMs * 2, markTimeoutMsMax);
    this.#end(undefined);
  }

  #end(position: number | undefined): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#underWay = false;
    const waited = this.#waiting;
    this.#waiting = [];
    for (const resolve of waited) resolve(position);
    if (this.#next.length > 0) this.#schedule();
  }
}
