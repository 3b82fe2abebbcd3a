/** One tick of the only timer there is for connections: coarse, so that idle costs nothing. */
export const tickMs = 250;
export const ticksPerSec = 1000 / tickMs;

/** Heartbeats come up to this share early, each stream by its own amount, so that they do not come all at once. */
const jitter = 0.2;

/**
 * An event stream has its first heartbeat so soon, so that a client sees early whether a proxy keeps back what comes
 * behind the greeting. Not where heartbeats are about as frequent anyway.
 */
const firstHeartbeatSec = 3;

/** `Encke-Heartbeat`, on event streams: seconds without a message after which one comes, and until the first; 0 = never. */
export function heartbeatHeader(heartbeatSec: number): string {
  return hasEarlyOne(heartbeatSec) ? `${heartbeatSec}; first=${firstHeartbeatSec}` : String(heartbeatSec);
}

function hasEarlyOne(heartbeatSec: number): boolean {
  return heartbeatSec > 2 * firstHeartbeatSec;
}

/** Time in ticks, and when an idle stream is due for its heartbeat. Moved on by the sweeper, read by the write path. */
export class Clock {
  /** Never 0, which in the columns means "not due at all". */
  tick = 1;
  readonly #idleTicks: number;
  readonly #jitterTicks: number;
  /** 0 = no early one. */
  readonly #firstTicks: number;

  /** @param heartbeatSec 0 = no heartbeats */
  constructor(heartbeatSec: number) {
    this.#idleTicks = heartbeatSec * ticksPerSec;
    this.#jitterTicks = Math.floor(this.#idleTicks * jitter);
    this.#firstTicks = hasEarlyOne(heartbeatSec) ? firstHeartbeatSec * ticksPerSec : 0;
  }

  /** The tick at which an event stream that opens now is due for its first heartbeat. */
  firstHeartbeatDue(slot: number): number {
    return this.#firstTicks === 0 ? this.heartbeatDue(slot) : this.tick + this.#firstTicks;
  }

  /** The tick for a stream that was written to just now, and was due before: what is due soon may be the first one, and stays. */
  heartbeatDueAfter(due: number, slot: number): number {
    return due - this.tick <= this.#firstTicks && due !== 0 ? due : this.heartbeatDue(slot);
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
