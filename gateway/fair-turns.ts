import type { Engine } from '../router/engine/engine.js';
import type { Outbound } from './outbound.js';

/** The shortest slice of a turn: a shorter one would be mostly overhead. */
const sliceMsMin = 0.1;
/**
 * A turn also ends after so many deliveries. A write to 10,000 connections takes some 60 ms, whether each gets one
 * message or several. So seven messages to each of 10,000 still go together.
 */
const deliveriesPerTurn = 65_536;
/** One question in so many looks at the clock, which costs 40 ns; a small packet costs 1 us. */
const clockEvery = 4;
/** Work that waits for the engine looks again after this time, ms. */
const behindMs = 1;

/** Work that may take more than one turn. */
export interface SlicedWork {
  /** Works until it is done or `FairTurns.over`, and for one piece at least. @returns whether some work is left */
  goOn(): boolean;
  /** More of this work has come than may wait: it goes on, however long the turn becomes. */
  readonly overdue: boolean;
}

/**
 * Shares the turns of the event loop: a connection that sends much is handled in slices and delays no other:
 *
 *     poll    frames and requests that come: small ones are handled whole; after 5 ms the rest of large ones waits
 *     check   flush; what waits goes on by turns, 5 ms in all; flush
 *
 * While the engine is behind, waiting work goes on a millisecond later, by turns as well: a connection that publishes
 * more than the engine carries delays itself, and not the messages of all others.
 */
export class FairTurns {
  readonly #outbound: Outbound;
  #turnMs: number;
  readonly #engine: Pick<Engine, 'isBehind'>;
  #waiting: SlicedWork[] = [];
  #begun = false;
  #full = false;
  #endMs = 0;
  #asked = 0;

  /** Called at the end of each turn in which something has waited. */
  onTurn: () => void = () => {};

  /** @param turnMs the time of a turn for new frames and requests, and as much again for those that wait */
  constructor(outbound: Outbound, turnMs: number, engine: Pick<Engine, 'isBehind'>) {
    this.#outbound = outbound;
    this.#turnMs = turnMs;
    this.#engine = engine;
  }

  /** From now on a turn has this time. */
  limitTo(turnMs: number): void {
    this.#turnMs = turnMs;
  }

  /** New work has to wait: this turn is used up. */
  get full(): boolean {
    return this.#full;
  }

  /** True: the caller is to stop and let others have their turn. Ask behind each piece of work, a few us at most. */
  get over(): boolean {
    if (this.#outbound.turnDeliveries < deliveriesPerTurn && this.#engine.isBehind !== true) {
      if (++this.#asked % clockEvery !== 0) return false;
      const nowMs = performance.now();
      if (!this.#begun) this.#begin(nowMs);
      if (nowMs < this.#endMs) return false;
    }
    if (!this.#begun) this.#begin(performance.now());
    this.#full = true;
    return true;
  }

  /** The work goes on in this turn's check phase, and in each turn until it is done. Never add the same work twice. */
  add(work: SlicedWork): void {
    this.#waiting.push(work);
    if (!this.#begun) this.#begin(performance.now());
  }

  #begin(nowMs: number): void {
    this.#begun = true;
    this.#endMs = nowMs + this.#turnMs;
    setImmediate(this.#goOn);
  }

  readonly #goOn = (): void => {
    // Not in a handler: nobody holds uWS's one cork buffer here.
    this.#outbound.flushTurn();
    const works = this.#waiting;
    this.#waiting = [];
    const sliceMs = Math.max(sliceMsMin, this.#turnMs / works.length);
    let nowMs = performance.now();
    const turnEndMs = nowMs + this.#turnMs;
    const left: SlicedWork[] = [];
    const unreached: SlicedWork[] = [];
    for (const work of works) {
      let more = true;
      const reached = nowMs < turnEndMs && this.#engine.isBehind !== true;
      if (reached) more = this.#slice(work, nowMs + sliceMs);
      while (more && work.overdue) more = this.#slice(work, performance.now() + sliceMs);
      if (more) (reached ? left : unreached).push(work);
      nowMs = performance.now();
    }
    this.#outbound.flushTurn();
    this.onTurn();
    this.#waiting = [...unreached, ...left, ...this.#waiting];
    if (this.#waiting.length > 0 && this.#engine.isBehind === true) {
      this.#full = true;
      setTimeout(this.#goOn, behindMs);
      return;
    }
    this.#begun = false;
    this.#full = false;
    if (this.#waiting.length > 0) this.#begin(performance.now());
  };

  #slice(work: SlicedWork, endMs: number): boolean {
    this.#endMs = endMs;
    const more = work.goOn();
    if (this.#outbound.turnDeliveries >= deliveriesPerTurn) this.#outbound.flushTurn();
    return more;
  }
}
