import type { Link } from './link.js';

/** Longer than that nobody waits; a server that does not answer pings is given up after some 5 s. */
const waitMsMax = 1_000;

/**
 * Tells when the NATS server has what this node has subscribed to: it answers a PING that was sent behind it. One PING
 * for all who ask in a turn of the loop, and none where nothing was subscribed to since the last.
 */
export class InEffect {
  readonly #link: Link;
  /** Subscriptions made, and how many of them the server is known to have. */
  #made = 0;
  #known = 0;
  /** Each is of a request or a packet that waits. */
  #waiting: (() => void)[] = [];

  constructor(link: Link) {
    this.#link = link;
  }

  /** One more is made. */
  noteSubscribed(): void {
    this.#made++;
  }

  /** Calls back when all that was made before is in effect, or that cannot be known now; before it returns, where it is. */
  when(ready: () => void): void {
    if (this.#known === this.#made || !this.#link.connected) return ready();
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
    const answered = await Promise.race([this.#link.flush(), tooLate]);
    clearTimeout(timer);
    return answered;
  }
}
