/** One tick of the only timer for connections. Coarse, so that idle connections cost nothing. */
export const tickMs = 250;
export const ticksPerSec = 1000 / tickMs;

/** Heartbeats come up to this share early, by a different amount for each stream, so that they do not come at once. */
const jitter = 0.2;

/**
 * Time until the first heartbeat of an event stream. It is early, so that a client soon sees whether a proxy holds back
 * the bytes behind the greeting. Not used where heartbeats are about as frequent anyway.
 */
const firstHeartbeatSec = 3;

/**
 * `Encke-Heartbeat` of event streams: seconds without a message until a heartbeat, and until the first one; 0 = never.
 */
export function heartbeatHeader(heartbeatSec: number): string {
  return hasEarlyOne(heartbeatSec) ? `${heartbeatSec}; first=${firstHeartbeatSec}` : String(heartbeatSec);
}

function hasEarlyOne(heartbeatSec: number): boolean {
  return heartbeatSec > 2 * firstHeartbeatSec;
}

/** Time in ticks, and the tick of an idle stream's heartbeat. The sweeper advances it, the write path reads it. */
export class Clock {
  /** Never 0, which means "never" in the columns. */
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

  /** The tick of the first heartbeat of an event stream that opens now. */
  firstHeartbeatDue(slot: number): number {
    return this.#firstTicks === 0 ? this.heartbeatDue(slot) : this.tick + this.#firstTicks;
  }

  /** The next tick of a stream that was written to now. An early first heartbeat, which is due soon, keeps its tick. */
  heartbeatDueAfter(due: number, slot: number): number {
    return due - this.tick <= this.#firstTicks && due !== 0 ? due : this.heartbeatDue(slot);
  }

  /** The tick of the next heartbeat of a stream that was written to now; 0 = never. */
  heartbeatDue(slot: number): number {
    if (this.#idleTicks === 0) return 0;
    if (this.#jitterTicks === 0) return this.tick + this.#idleTicks;
    // Knuth's multiplicative hash: streams that open together, and so have neighbouring slots, get distant ticks.
    const spread = (Math.imul(slot, 2_654_435_761) >>> 0) % this.#jitterTicks;
    return this.tick + this.#idleTicks - spread;
  }
}
