import { customerOf } from './address-share.js';

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
  /** Checks that wait, by address; the address whose turn is next is at the front. No list is empty. */
  readonly #waiting = new Map<string, WaitingCheck[]>();
  #waitingCount = 0;

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
    const turn = this.#turn(customerOf(address), deadlineMs);
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

  #turn(share: string, deadlineMs: number): true | Promise<boolean> {
    if (deadlineMs <= performance.now()) return Promise.resolve(false);
    if (this.#atOnce < this.#atOnceMax) {
      this.#atOnce++;
      return true;
    }
    if (this.#isFull) this.#dropLate();
    if (this.#isFull && !this.#takeFromLargest(share)) return Promise.resolve(false);
    return new Promise((decide) => {
      const checks = this.#waiting.get(share);
      if (checks === undefined) this.#waiting.set(share, [{ deadlineMs, decide }]);
      else checks.push({ deadlineMs, decide });
      this.#waitingCount++;
    });
  }

  get #isFull(): boolean {
    return this.#atOnce + this.#waitingCount >= checksMax;
  }

  /** Hands the thread of a check that has ended to the next one. */
  #startNext(): void {
    for (const [share, checks] of this.#waiting) {
      const next = checks.shift()!;
      this.#waitingCount--;
      this.#waiting.delete(share);
      if (checks.length > 0) this.#waiting.set(share, checks); // behind the others
      const isInTime = next.deadlineMs > performance.now();
      next.decide(isInTime);
      if (isInTime) return;
    }
    this.#atOnce--;
  }

  /** All have waited equally long at most, so the late ones of an address are its first. */
  #dropLate(): void {
    const nowMs = performance.now();
    for (const [share, checks] of this.#waiting) {
      while (checks.length > 0 && checks[0]!.deadlineMs <= nowMs) {
        checks.shift()!.decide(false);
        this.#waitingCount--;
      }
      if (checks.length === 0) this.#waiting.delete(share);
    }
  }

  /** @returns false where no address has more of them waiting than this one would have */
  #takeFromLargest(share: string): boolean {
    let largest: WaitingCheck[] = [];
    for (const checks of this.#waiting.values()) if (checks.length > largest.length) largest = checks;
    if (largest.length <= (this.#waiting.get(share)?.length ?? 0) + 1) return false;
    largest.pop()!.decide(false);
    this.#waitingCount--;
    return true;
  }
}
