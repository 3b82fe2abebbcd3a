/** One tick of the only timer there is for connections: coarse, so that idle costs nothing. */
export const tickMs = 250;
export const ticksPerSec = 1000 / tickMs;

/** Heartbeats come up to this share early, each stream by its own amount, so that they do not come all at once. */
const jitter = 0.2;

/** Time in ticks, and when an idle stream is due for its heartbeat. Moved on by the sweeper, read by the write path. */
export class Clock {
  /** Never 0, which in the columns means "not due at all". */
  tick = 1;
  readonly #idleTicks: number;
  readonly #jitterTicks: number;

  /** @param heartbeatSec 0 = no heartbeats */
  constructor(heartbeatSec: number) {
    this.#idleTicks = heartbeatSec * ticksPerSec;
    this.#jitterTicks = Math.floor(this.#idleTicks * jitter);
  }

  /** The tick at which a stream that was written to just now is due again; 0 = never. */
  heartbeatDue(slot: number): number {
    if (this.#idleTicks === 0) return 0;
    if (this.#jitterTicks === 0) return this.tick + this.#idleTicks;
    // Knuth's multiplicative hash: neighbours in time of arrival, and so in slot, land far apart.
    const spread = (Math.imul(slot, 2_654_435_761) >>> 0) % this.#jitterTicks;
    return this.tick + this.#idleTicks - spread;
  }
}
