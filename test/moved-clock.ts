import type { Test } from 'tap';

/** `Date.now` of this process, which a test moves on; real time goes on in it, too. As before when the test ends. */
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
