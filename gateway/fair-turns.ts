import type { Engine } from '../router/engine/engine.js';
import type { Outbound } from './outbound.js';

/** Less than this at a time is mostly overhead. */
const sliceMsMin = 0.1;
/**
 * Deliveries after which a turn is over, too. To write to 10,000 connections takes some 60 ms whether each gets one message
 * or several, so seven messages to each of them still go together.
 */
const deliveriesPerTurn = 65_536;
/** The clock is looked at every so many times: it costs 40 ns, a small packet 1 us. */
const clockEvery = 4;
/** So often what waits for the router to catch up looks again, ms. */
const behindMs = 1;

/** Work that may take more than one turn. */
export interface SlicedWork {
  /** Works until it is done or `FairTurns.over`, whichever is first, and for one piece at least. @returns whether some is left */
  goOn(): boolean;
  /** More of it has come than may wait: it goes on, however long the turn gets. */
  readonly overdue: boolean;
}

/**
 * Shares the turns of the event loop, so that whoever sends much is handled in slices and holds nobody up:
 *
 *     poll    frames and requests that come: small ones are handled whole; after 5 ms the rest of large ones waits
 *     check   flush; what waits goes on by turns, 5 ms in all; flush
 *
 * While the way to the other nodes is behind, what waits goes on a millisecond later, by turns as well: whoever publishes
 * more than goes there holds itself up, and not the messages of all others.
 */
export class FairTurns {
  readonly #outbound: Outbound;
  readonly #turnMs: number;
  readonly #engine: Pick<Engine, 'isBehind'>;
  #waiting: SlicedWork[] = [];
  #begun = false;
  #full = false;
  #endMs = 0;
  #asked = 0;

  /** Called at the end of each turn in which something has waited. */
  onTurn: () => void = () => {};

  /** @param turnMs what frames and requests that have just come may take of a turn together, and those that wait again */
  constructor(outbound: Outbound, turnMs: number, engine: Pick<Engine, 'isBehind'>) {
    this.#outbound = outbound;
    this.#turnMs = turnMs;
    this.#engine = engine;
  }

  /** New work has to wait: this turn is used up. */
  get full(): boolean {
    return this.#full;
  }

  /** Whether who asks should let others have their turn. Ask behind each piece of work, a few us at most. */
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

  /** Goes on in this turn's check phase, and each turn until it is done. Never twice for the same work. */
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
