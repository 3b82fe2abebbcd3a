/** Upper bounds of the buckets. Messages have their time in whole milliseconds, so there is nothing below one. */
export const latencyBoundsMs = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000] as const;

/** At most so many publications are measured together; the next ones of the same turn are about as old as these. */
const waitingMax = 4096;

/**
 * Time from the publish of a message until this node has written it to the last of its subscribers here, slow consumers
 * left out: they have a backlog. A message counts once, whatever the number of its recipients, so that a delivery costs
 * nothing. With several machines the time of the publish is by another machine's clock.
 *
 * Messages from history, from a queue or retained ones are not in it: it is not known when their client wanted them.
 */
export class DeliveryLatency {
  /** The number of messages in each bucket, not cumulative; the last bucket has no upper bound. */
  readonly counts = new Float64Array(latencyBoundsMs.length + 1);
  sumMs = 0;
  /** The publish times of the messages of this turn. */
  readonly #waiting = new Float64Array(waitingMax);
  #waits = 0;

  /** A message was handed out; it is written at the end of the turn. @param timeMs the time of its publish */
  handedOut(timeMs: number): void {
    if (this.#waits === waitingMax) this.written();
    this.#waiting[this.#waits++] = timeMs;
  }

  /** All that was handed out is written. */
  written(): void {
    const waits = this.#waits;
    if (waits === 0) return;
    this.#waits = 0;
    const nowMs = Date.now();
    for (let i = 0; i < waits; i++) this.#note(Math.max(0, nowMs - this.#waiting[i]!));
  }

  #note(ms: number): void {
    let bucket = 0;
    while (bucket < latencyBoundsMs.length && ms > latencyBoundsMs[bucket]!) bucket++;
    this.counts[bucket]!++;
    this.sumMs += ms;
  }

  /** @returns for `/stats` the messages by upper bound in seconds, and the sum of all their times */
  stats() {
    const bounds = [...latencyBoundsMs.map((ms) => String(ms / 1000)), '+Inf'];
    const buckets = Object.fromEntries(bounds.map((bound, i) => [bound, this.counts[i]!]));
    return { buckets, sumSec: this.sumMs / 1000 };
  }
}
