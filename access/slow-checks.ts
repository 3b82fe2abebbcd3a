import { AddressTurns } from './address-turns.js';

/** A check that waits until a thread is free. */
interface WaitingCheck {
  readonly deadlineMs: number;
  /** @param isMade false: it is dropped */
  readonly decide: (isMade: boolean) => void;
}

/** Most checks that run or wait: more would only wait. */
const checksMax = 256;

/**
 * Password checks that hold a thread for long (bcrypt, pbkdf2). Node has few threads (UV_THREADPOOL_SIZE, 4 by default),
 * and the signatures of tokens are checked in them, too. So one is always left to others, and checks wait here:
 *
 *     check ──> threads - 1 at once
 *        └────> waits; addresses take turns ──> dropped where its client has been answered meanwhile
 *
 * Where no more may wait, an address gives way to one of which fewer wait.
 */
export class SlowChecks {
  readonly #atOnceMax: number;
  #atOnce = 0;
  readonly #waiting = new AddressTurns<WaitingCheck>();

  constructor(threads = Number(process.env.UV_THREADPOOL_SIZE) || 4) {
    this.#atOnceMax = Math.max(1, threads - 1);
  }

  /**
   * @param deadlineMs of `performance.now()`
   * @returns undefined where the check was not made: too many wait, or it would have come too late
   */
  run(
    address: string,
    deadlineMs: number,
    check: () => boolean | Promise<boolean>,
  ): Promise<boolean | undefined> {
    const turn = this.#turn(address, deadlineMs);
    if (turn === true) return this.#make(check);
    return turn.then((isMade) => (isMade ? this.#make(check) : undefined));
  }

  async #make(check: () => boolean | Promise<boolean>): Promise<boolean> {
    try {
      return await check();
    } finally {
      this.#startNext();
    }
  }

  #turn(address: string, deadlineMs: number): true | Promise<boolean> {
    if (deadlineMs <= performance.now()) return Promise.resolve(false);
    if (this.#atOnce < this.#atOnceMax) {
      this.#atOnce++;
      return true;
    }
    if (this.#isFull) this.#dropLate();
    if (this.#isFull && !this.#takeFromLargest(address)) return Promise.resolve(false);
    return new Promise((decide) => this.#waiting.push(address, { deadlineMs, decide }));
  }

  get #isFull(): boolean {
    return this.#atOnce + this.#waiting.count >= checksMax;
  }

  /** Hands the thread of a check that has ended to the next one. */
  #startNext(): void {
    for (let next = this.#waiting.next(); next !== undefined; next = this.#waiting.next()) {
      const isInTime = next.deadlineMs > performance.now();
      next.decide(isInTime);
      if (isInTime) return;
    }
    this.#atOnce--;
  }

  /** All have waited equally long at most, so the late ones of an address are its first. */
  #dropLate(): void {
    const nowMs = performance.now();
    for (const late of this.#waiting.takeFirst(({ deadlineMs }) => deadlineMs <= nowMs)) late.decide(false);
  }

  /** @returns false where no address has more of them waiting than this one would have */
  #takeFromLargest(address: string): boolean {
    const taken = this.#waiting.takeFromLargest(this.#waiting.countOf(address) + 1);
    taken?.decide(false);
    return taken !== undefined;
  }
}
