import type { Link } from './link.js';

/** Longer than that nobody waits; a server that does not answer pings is given up after some 5 s. */
const waitMsMax = 1_000;

/**
 * Tells when the NATS server has what this node has subscribed to: it answers a PING that was sent behind it. One PING
 * for all who ask in a turn of the loop, and none where nothing was subscribed to since the last. Where history is kept,
 * it is known by then from which place in it each of them begins, too.
 */
export class InEffect {
  readonly #link: Link;
  /** Subscriptions made, and how many of them the server is known to have. */
  #made = 0;
  #known = 0;
  /** Of all that has no known place in history yet. */
  #beginning: Promise<void> | undefined;
  /** Each is of a request or a packet that waits. */
  #waiting: (() => void)[] = [];

  constructor(link: Link) {
    this.#link = link;
  }

  /** One more is made. */
  noteSubscribed(): void {
    this.#made++;
  }

  /** @param begun when the place of one is known; never rejects */
  noteBeginning(begun: Promise<unknown>): void {
    // With no value: in a storm there is always one more, and each would hold the values of all before it.
    const all = Promise.all([this.#beginning, begun]).then(() => {
      if (this.#beginning === all) this.#beginning = undefined;
    });
    this.#beginning = all;
  }

  /** Calls back when all that was made before is in effect, or that cannot be known now; before it returns, where it is. */
  when(ready: () => void): void {
    const isKnown = this.#known === this.#made && this.#beginning === undefined;
    if (isKnown || !this.#link.connected) return ready();
    if (this.#waiting.push(ready) === 1) setImmediate(() => void this.#ask());
  }

  async #ask(): Promise<void> {
    const waiting = this.#waiting;
    const made = this.#made;
    this.#waiting = [];
    if (await this.#answers()) this.#known = made;
    for (const ready of waiting) ready();
  }

  async #answers(): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), waitMsMax);
    });
    const answers = Promise.all([this.#link.flush(), this.#beginning]).then(([answered]) => answered);
    const answered = await Promise.race([answers, tooLate]);
    clearTimeout(timer);
    return answered;
  }
}
