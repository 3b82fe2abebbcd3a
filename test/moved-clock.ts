import type { Test } from 'tap';

/** Moves `Date.now` of this process on; real time goes on in it, too. The end of the test puts the real clock back. */
export class MovedClock {
  #aheadMs = 0;

  constructor(t: Test) {
    const { now } = Date;
    Date.now = () => now() + this.#aheadMs;
    t.teardown(() => {
      Date.now = now;
    });
  }

  advance(sec: number): void {
    this.#aheadMs += sec * 1000;
  }

  get nowSec(): number {
    return Math.floor(Date.now() / 1000);
  }
}
