import { Backlog } from './backlog.js';
import type { Come } from './id-order.js';
import { Waiters } from './waiters.js';

/**
 * Whether a node follows a stream: what comes is what came next. Else it catches up, and what comes meanwhile waits.
 *
 *     on ──interrupt──> off: what comes is kept ──goOn──> on, with what has come behind the place
 */
export class Following {
  #backlog: Backlog | undefined;
  readonly #waiters = new Waiters();
  hasEnded = false;
  /** Times that it went on: with each, what was known to be out is forgotten. */
  times = 0;

  get isOn(): boolean {
    return this.#backlog === undefined;
  }

  interrupt(): void {
    this.#backlog ??= new Backlog();
  }

  /** One that has come while it is off. @returns false where there was no room, and now there is */
  keep(come: Come): boolean {
    return this.#backlog!.push(come);
  }

  /** What has come behind a place is of a stream that is no more. */
  dropBehind(sequence: number): void {
    this.#backlog!.keepUpTo(sequence);
  }

  /** All up to a place is handed out. @returns what has come behind it, in the order of the stream */
  goOn(upTo: number): Come[] {
    const behind = this.#backlog!.behind(upTo);
    this.#backlog = undefined;
    this.times++;
    this.#waiters.endAll();
    return behind;
  }

  /** @returns whether it is on, maybe after a wait; never rejects */
  async within(waitMs: number): Promise<boolean> {
    const untilMs = performance.now() + waitMs;
    while (!this.isOn && !this.hasEnded) {
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) return false;
      await this.#waiters.wait(leftMs); // by when it is over it may be off again
    }
    return !this.hasEnded;
  }

  /** Nobody waits any more. */
  end(): void {
    this.hasEnded = true;
    this.#waiters.endAll();
  }
}
