import { EarlyMessages } from './early-messages.js';

/**
 * The order of each id's messages as they come out of a stream. nats-server stores in order, but publishes on without:
 * of 100,000 messages that three connections published, 25 came behind a later one of the same id, by one place (2.9.10).
 * Each says what the one before it of its id was (Nats-Last-Sequence), so one that comes too early waits for that:
 *
 *     come      41 (behind 37)   44 (behind 43)   43 (behind 41)
 *     out       41               -                43 44
 *
 * It does not wait for one that is older than anything that can still be on its way, nor for one that was stored before
 * this node asked to be sent the id. Where that one does not come, something is missing, and that is said before anything
 * from behind it is out.
 */

export interface Come {
  readonly id: string;
  readonly sequence: number;
  /** Of the message of this id before it; 0 = there was none. */
  readonly last: number;
  readonly data: Uint8Array;
}

export interface IdOrderEvents {
  handOut(come: Come): void;
  /** Messages of these ids are missing: did not come in time, or came when newer ones were out, and were left out. */
  onMissing(ids: ReadonlySet<string>): void;
  /**
   * Those that wait for what does not come are about to be given up. @returns whether all that is missing is going to be
   * read from the stream: then they are left to that
   */
  onStuck(): boolean;
  /** Something has come that was read from the stream before; or the stream counts from 1 again. */
  onOld(): void;
}

/** Far longer than one place takes: a goroutine of the server was put off between two steps. */
export const settleMs = 100;
/** Ids that this node has just asked for. Past it nothing waits that could be behind what was before that. */
export const freshMax = 10_000;
/** Of what was last out, to know copies by: one comes for each of id and filters that match, and others between them. */
const lastOutCount = 64;

export class IdOrder {
  readonly #events: IdOrderEvents;
  /** The last of each id that came out in this period, and of those in the one before. */
  #recent = new Map<string, number>();
  #before = new Map<string, number>();
  /** Ids that this node is sent since then; undefined = any may be. */
  #fresh: Set<string> | undefined = new Set();
  #freshBefore: Set<string> | undefined = new Set();
  /** The highest of all when this period began. */
  #highestBefore: number;
  /** The highest of all: now, when the clock went on, and the time before. */
  #highest: number;
  #highestThen: number;
  /** All up to here has come: nothing on its way is as old. */
  settled: number;
  /** All up to here was read from the stream itself. */
  #read: number;
  readonly #early = new EarlyMessages();
  readonly #lastOut = new Float64Array(lastOutCount);
  #outCount = 0;
  /** Had to wait; and came when newer ones were out. */
  reordered = 0;
  late = 0;

  constructor(position: number, events: IdOrderEvents) {
    this.#highest = position;
    this.#highestThen = position;
    this.#highestBefore = position;
    this.settled = position;
    this.#read = position;
    this.#events = events;
  }

  /** Wait for what comes before them. */
  get waiting(): number {
    return this.#early.count;
  }

  /** Of the last message of an id that is out, as far as that is not older than `settled`. */
  lastOf(id: string): number {
    return this.#recent.get(id) ?? this.#before.get(id) ?? 0;
  }

  /** From now on this node is sent the id; undefined: any number of ids. */
  begin(id: string | undefined): void {
    if (id === undefined || (this.#fresh?.size ?? 0) >= freshMax) this.#fresh = undefined;
    else this.#fresh?.add(id);
  }

  /** The same comes once for each of id and filters that match. */
  take(come: Come): void {
    const { id, sequence, last } = come;
    const out = this.lastOf(id);
    if (sequence === out || this.#early.has(come)) return;
    if (sequence < out || sequence <= this.settled) return this.#takeOld(come);
    if (last <= out || last <= this.settled || this.#isFresh(id, out)) {
      this.#out(come);
      return this.#followers(id);
    }
    this.reordered++;
    if (this.#early.add(come, performance.now() + settleMs)) return;
    const all = [...this.#early.takeUpTo(id, Number.POSITIVE_INFINITY), come];
    this.#giveUp(all.sort((a, b) => a.sequence - b.sequence));
  }

  /** All of an id up to a position was read from the stream itself: nothing that is here waits for what lies before. */
  know(id: string, position: number): void {
    for (const come of this.#early.takeUpTo(id, position)) this.takeRead(come);
    if (position > this.lastOf(id)) this.#recent.set(id, position);
    this.#followers(id);
  }

  /** One that was read from the stream itself, in its order. */
  takeRead(come: Come): void {
    if (come.sequence > this.lastOf(come.id)) this.#out(come);
  }

  /** Something of the stream that is for no id has come. */
  pass(sequence: number): void {
    if (sequence > this.#highest) this.#highest = sequence;
  }

  /** All up to a position has come: what was stored before it has had time enough to overtake. */
  confirm(position: number): void {
    this.pass(position);
    this.#settle(position);
  }

  /** Every `settleMs`. */
  tick(nowMs: number): void {
    this.#settle(this.#highestThen);
    this.#highestThen = this.#highest;
    if (this.settled > this.#highestBefore) this.#nextPeriod();
    const due = this.#early.takeDue(nowMs);
    if (due.length > 0) this.#giveUp(due);
  }

  /** All up to a position is known to be out, as it was read from the stream itself. */
  restart(position: number): void {
    this.#early.clear();
    this.#recent.clear();
    this.#before.clear();
    this.#lastOut.fill(0);
    this.#highest = position;
    this.#highestThen = position;
    this.#highestBefore = position;
    this.settled = position;
    this.#read = position;
  }

  /** What an early one waits for has not come, so that it is not settled, whatever the clock says. */
  #settle(position: number): void {
    this.settled = Math.max(this.settled, Math.min(position, this.#early.lowestLast - 1));
  }

  /** All that came out before this one began is settled, and all that was stored before what this node asked for then. */
  #nextPeriod(): void {
    this.#highestBefore = this.#highest;
    if (this.#recent.size > 0 || this.#before.size > 0) {
      this.#before = this.#recent;
      this.#recent = new Map();
    }
    if (this.#fresh?.size === 0 && this.#freshBefore?.size === 0) return;
    this.#freshBefore = this.#fresh;
    this.#fresh = new Set();
  }

  /** Whether what is before a message of this id may be from before this node asked for it. */
  #isFresh(id: string, out: number): boolean {
    if (this.#fresh === undefined || this.#freshBefore === undefined) return out === 0;
    return this.#fresh.has(id) || this.#freshBefore.has(id);
  }

  #takeOld({ id, sequence }: Come): void {
    if (sequence <= this.#read) return this.#events.onOld();
    if (this.#lastOut.includes(sequence)) return;
    this.late++;
    this.#events.onMissing(new Set([id]));
  }

  /** @param comes in the order of the stream */
  #giveUp(comes: readonly Come[]): void {
    if (this.#events.onStuck()) return;
    this.#events.onMissing(new Set(comes.map(({ id }) => id)));
    for (const come of comes) {
      this.takeRead(come);
      this.#followers(come.id);
    }
  }

  #followers(id: string): void {
    if (this.#early.count === 0) return;
    for (;;) {
      const next = this.#early.takeBehind(id, this.lastOf(id));
      if (next === undefined) return;
      this.takeRead(next);
    }
  }

  #out(come: Come): void {
    this.pass(come.sequence);
    this.#recent.set(come.id, come.sequence);
    this.#fresh?.delete(come.id);
    this.#freshBefore?.delete(come.id);
    this.#lastOut[this.#outCount++ % lastOutCount] = come.sequence;
    this.#events.handOut(come);
  }
}
