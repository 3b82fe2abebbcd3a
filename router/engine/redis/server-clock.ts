/** More than a server's clock may differ from what this node takes it for: the node, too, may be held up for a while. */
const aheadUsMax = 60_000_000;

/**
 * A Redis server's clock, by which it gives places. Its answers are late by a moment, or by as long as this process stood still:
 * so one that comes later says at least what one before it has said.
 */
export class ServerClock {
  /**
   * How far the server's clock is ahead of performance.now(), by the last answer; the next field has it by the quickest
   * answer on this connection.
   */
  #aheadMs = 0;
  #aheadMsMost = -Infinity;

  /** A new connection, which may be to another server. */
  begin(answeredMs: number): void {
    this.#aheadMsMost = -Infinity;
    this.note(answeredMs);
  }

  note(answeredMs: number): void {
    this.#aheadMs = answeredMs - performance.now();
    this.#aheadMsMost = Math.max(this.#aheadMsMost, this.#aheadMs);
  }

  /** At a time of performance.now(), ms: at least this. */
  at(nowMs = performance.now()): number {
    return Math.floor(nowMs + this.#aheadMs);
  }

  /** Now, ms, by the quickest answer: an answer that this process has read late does not make it earlier. */
  now(): number {
    return Math.floor(performance.now() + this.#aheadMsMost);
  }

  /** A place far ahead of the clock is none: all that comes behind it would be taken for old. @param position that it has given */
  mayHaveGiven(place: number, position: number): boolean {
    if (place <= position + aheadUsMax) return true; // it runs ahead where the clock was set back
    return place <= (performance.now() + this.#aheadMsMost) * 1_000 + aheadUsMax;
  }
}
