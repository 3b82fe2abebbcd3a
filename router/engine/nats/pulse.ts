/** How often a node says that it is there, and looks after its own affairs. */
export const beatMs = 1_000;
/** So late a beat says that this process itself stood still: it was stopped, swapped out, or busy. */
const standstillMsMin = 2_500;

/** The beat of this process, by which it knows that it has stood still. */
export class Pulse {
  #beatMs: number;
  #endMs = -Infinity;
  #lengthMs = 0;

  constructor(nowMs: number) {
    this.#beatMs = nowMs;
  }

  /** In each beat. @returns whether it stood still since the last one */
  beat(nowMs: number): boolean {
    const stoodStill = this.#note(nowMs);
    this.#beatMs = nowMs;
    return stoodStill;
  }

  /** @returns how long it stood still, where that ended less than `withinMs` ago; else 0 */
  standstillMs(nowMs: number, withinMs: number): number {
    this.#note(nowMs); // what is read from a socket comes before the late beat
    return nowMs - this.#endMs < withinMs ? this.#lengthMs : 0;
  }

  #note(nowMs: number): boolean {
    const lengthMs = nowMs - this.#beatMs;
    if (lengthMs < standstillMsMin) return false;
    this.#endMs = nowMs;
    this.#lengthMs = lengthMs;
    return true;
  }
}
