import { EarlyMessages } from './early-messages.js';
import { RecentPositions } from './recent-positions.js';

/**
 * The order of each id's messages as they come out of a stream. nats-server stores in order, but publishes on without:
 * of 100,000 messages that three connections published, 25 came behind a later one of the same id, by one place (2.9.10).
 * Each says what the one before it of its id was (Nats-Last-Sequence), so one that comes too early waits for that:
 *
 *     come      41 (behind 37)   44 (behind 43)   43 (behind 41)
 *     out       41               -                43 44
 *
 * And it knows up to where all has come, for the cursors of ids that are quiet: what came two turns ago is taken for
 * complete, which by default is 2.5 to 5 s. 200 ms are too short where 100 busy processes share two cores: a thread of
 * the server is put off between storing and publishing on.
 */

export interface Come {
  readonly id: string;
  readonly sequence: number;
  /** Of the message of this id before it; 0 = there was none. */
  readonly last: number;
  readonly data: Uint8Array;
}

/** So long a message waits for the one before it. */
export const waitMs = 1_000;
/** Ids with messages since the last turn, 100 bytes each. Past it they are taken for settled sooner. */
export const recentMax = 100_000;
/** Of what was last out, to know copies by: one comes for each of id and filters that match, and others between them. */
const lastOutCount = 64;

export interface IdOrderEvents {
  handOut(come: Come): void;
  /** One of this id has not come, and what is behind it is handed out next. */
  onMissing(id: string): void;
  /** One of this id has come too late to be handed out, or is of another stream. */
  onLate(id: string): void;
  /** Whether somebody here is for the id itself, and not for a filter that matches it. */
  isExact(id: string): boolean;
}

export class IdOrder {
  readonly #events: IdOrderEvents;
  /** Of each id, the last that is out; and where somebody has begun: what is older is not waited for. */
  readonly #out = new RecentPositions();
  readonly #begun = new RecentPositions();
  readonly #turnMs: number;
  #turnedMs = performance.now();
  #tickedMs = performance.now();
  /** The highest of all that has come: now, and at the last turn. */
  highest = 0;
  #highestThen = 0;
  /** And when positions were forgotten last: those of before that are kept until that is settled. */
  #highestForgotten = 0;
  /** All up to here has come: nothing on its way is as old. */
  settled = 0;
  /** Some filter's subscriber began here, with ids that nothing has been heard of yet. */
  #filterBegun = 0;
  /** A filter has ended here: of what it matched nothing may have come since. */
  #filterEnded = 0;
  /** All up to here was read, and may still come besides, for two turns. */
  #readTo = 0;
  #readTurns = 0;
  /** Wait for what comes before them; few. */
  readonly #early = new EarlyMessages();
  readonly #lastOut = new Float64Array(lastOutCount);
  #outCount = 0;
  /** Had to wait; and came when nothing waited for them any more. */
  reordered = 0;
  late = 0;

  /** @param turnMs nothing that is older than this is on its way */
  constructor(position: number, turnMs: number, events: IdOrderEvents) {
    this.#turnMs = turnMs;
    this.#events = events;
    this.restart(position);
  }

  /** For what comes before them. */
  get waiting(): number {
    return this.#early.count;
  }

  /** All of an id up to here is out, or was never for anybody here. */
  positionOf(id: string): number {
    return Math.max(this.settled, this.#out.of(id), this.#begun.of(id));
  }

  /** The same comes once for each of id and filters that match. */
  take(come: Come): void {
    const out = this.#out.of(come.id);
    if (come.sequence === out || come.sequence <= this.#readTo || this.#early.has(come)) return;
    if (come.sequence < out || come.sequence <= this.settled) {
      if (this.#lastOut.includes(come.sequence)) return;
      this.late++;
      return this.#events.onLate(come.id);
    }
    if (this.#isNext(come)) {
      this.#handOut(come);
      this.#followers(come.id);
    } else if (this.#early.add(come, performance.now() + waitMs)) this.reordered++;
    else this.#waitNoLonger([...this.#early.takeUpTo(come.id, Number.POSITIVE_INFINITY), come]);
  }

  /** Somebody begins with an id here: what was stored up to a position is not for them. */
  begin(id: string, position: number): void {
    if (position <= this.positionOf(id)) return;
    this.#begun.set(id, position);
    this.#followers(id);
  }

  /** The same for all ids that a filter matches. */
  beginFilter(position: number): void {
    this.#filterBegun = Math.max(this.#filterBegun, position);
    for (const id of this.#early.ids()) this.#followers(id);
  }

  /** Nobody here is for an id any more: what is sent to it does not come, and is not waited for by who begins anew. */
  end(id: string): void {
    // Not forgotten: a cursor that is given now must not be behind what its client has got.
    const position = this.positionOf(id);
    if (position > this.settled) this.#begun.set(id, position);
    this.#out.delete(id);
  }

  /** The same for all ids that a filter matches, but not for those that somebody else is for. */
  endFilter(): void {
    this.#filterEnded = this.highest;
  }

  /**
   * All of an id up to a position was read from the stream itself: nothing that is here waits for what lies before. What
   * has not come yet was read for one, and others want it, too.
   * @param unheard of what was read, in its order: what lay behind the id's position
   * @param from all behind it is there; what lies before, and had not come, was too much
   */
  know(id: string, position: number, unheard: readonly Come[] = [], from = 0): void {
    if (this.#isHeard(id) && from > this.positionOf(id)) this.#events.onMissing(id);
    const early = this.#early.takeUpTo(id, position);
    for (const come of [...unheard, ...early].sort((a, b) => a.sequence - b.sequence)) {
      if (early.includes(come)) this.#release(come);
      else this.takeRead(come);
    }
    if (position > this.#out.of(id)) this.#out.set(id, position);
    this.#followers(id);
  }

  /** One that was read from the stream itself, in its order. */
  takeRead(come: Come): void {
    const out = this.#out.of(come.id);
    if (come.sequence > (out === 0 ? this.#begun.of(come.id) : out)) this.#handOut(come);
  }

  /** Something of the stream that is for no id has come. */
  pass(sequence: number): void {
    if (sequence > this.highest) this.highest = sequence;
  }

  /** A few times a second. */
  tick(nowMs: number): void {
    if (nowMs - this.#turnedMs >= this.#turnMs || this.#out.size > recentMax) this.#turn(nowMs);
    const stoodStill = nowMs - this.#tickedMs >= waitMs;
    this.#tickedMs = nowMs;
    if (stoodStill) return; // what is waited for may have come meanwhile, and is not read yet
    const due = this.#early.takeDue(nowMs);
    if (due.length > 0) this.#waitNoLonger(due);
  }

  /** All up to a position is known to be out, as it was read from the stream itself. */
  restart(position: number): void {
    this.#early.clear();
    this.#lastOut.fill(0);
    this.#out.clear();
    this.#begun.clear();
    this.highest = position;
    this.#highestThen = position;
    this.#highestForgotten = position;
    this.settled = position;
    this.#filterBegun = 0;
    this.#filterEnded = 0;
    this.#readTo = position;
    this.#readTurns = 2;
  }

  #turn(nowMs: number): void {
    this.#turnedMs = nowMs;
    // What is waited for is on its way.
    this.settled = Math.max(this.settled, Math.min(this.#highestThen, this.#early.lowestLast - 1));
    this.#highestThen = this.highest;
    if (this.settled >= this.#highestForgotten) {
      this.#highestForgotten = this.highest;
      this.#out.turn();
      this.#begun.turn();
    }
    if (--this.#readTurns === 0) this.#readTo = 0;
  }

  /**
   * Whether the one before it is out, or was for nobody here. Where an id is heard of, somebody is for it already, and
   * who begins besides changes nothing: what was stored before that may be on its way to the other.
   */
  #isNext({ id, last }: Come): boolean {
    if (last <= Math.max(this.#out.of(id), this.settled)) return true;
    return !this.#isHeard(id) && last <= Math.max(this.#begun.of(id), this.#filterBegun);
  }

  /** Whether all that is sent to an id has come since its last one. */
  #isHeard(id: string): boolean {
    const out = this.#out.of(id);
    if (out > this.#filterEnded) return true;
    // Another filter may match it, too; which ones do is not looked up, so who hears it by two waits for less.
    return out > 0 && this.#begun.of(id) <= out && this.#events.isExact(id);
  }

  /** What is before them did not come. That is told first, so that nobody has a cursor behind what is missing. */
  #waitNoLonger(comes: readonly Come[]): void {
    for (const come of comes.toSorted((a, b) => a.sequence - b.sequence)) {
      if (come.sequence <= this.#out.of(come.id)) continue;
      if (!this.#isNext(come)) this.#events.onMissing(come.id);
      this.#release(come);
      this.#followers(come.id);
    }
  }

  /** What waited for one that is out now. */
  #followers(id: string): void {
    while (this.#early.count > 0) {
      const next = this.#early.firstOf(id);
      if (next === undefined || !this.#isNext(next)) return;
      for (const come of this.#early.takeUpTo(id, next.sequence)) this.#release(come);
    }
  }

  /** One that waited: it was sent to this node, so it goes out though somebody has begun behind it since. */
  #release(come: Come): void {
    if (come.sequence > this.#out.of(come.id)) this.#handOut(come);
  }

  #handOut(come: Come): void {
    this.pass(come.sequence);
    this.#out.set(come.id, come.sequence);
    this.#lastOut[this.#outCount++ % lastOutCount] = come.sequence;
    this.#events.handOut(come);
  }
}
