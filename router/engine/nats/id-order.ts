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
/** Come too early, in all. Past it nothing waits. */
export const earlyMax = 10_000;
/** Ids with messages since the last turn, 100 bytes each. Past it they are taken for settled sooner. */
export const recentMax = 100_000;

export interface IdOrderEvents {
  handOut(come: Come): void;
  /** One of this id has not come, and what is behind it is handed out next. */
  onMissing(id: string): void;
  /** One of this id has come too late to be handed out, or is of another stream. */
  onLate(id: string): void;
}

export class IdOrder {
  readonly #events: IdOrderEvents;
  /** Of each id, the last that is out; and where somebody has begun: what is older is not waited for. */
  readonly #out = new RecentPositions();
  readonly #begun = new RecentPositions();
  readonly #turnMs: number;
  #turnedMs = performance.now();
  /** The highest of all: now, and at the last turn. */
  #highest = 0;
  #highestThen = 0;
  /** All up to here has come: nothing on its way is as old. */
  settled = 0;
  /** Some filter's subscriber began here, with ids that nothing has been heard of yet. */
  #filterBegun = 0;
  /** All up to here was read, and may still come besides, for two turns. */
  #readTo = 0;
  #readTurns = 0;
  /** Wait for what comes before them; few. */
  #early: { come: Come; untilMs: number }[] = [];
  /** Had to wait; and came when nothing waited for them any more. */
  reordered = 0;
  late = 0;

  /** @param turnMs nothing that is older than this is on its way */
  constructor(position: number, turnMs: number, events: IdOrderEvents) {
    this.#turnMs = turnMs;
    this.#events = events;
    this.restart(position);
  }

  /** All of an id up to here is out, or was never for anybody here. */
  positionOf(id: string): number {
    return Math.max(this.settled, this.#out.of(id), this.#begun.of(id));
  }

  /** The same comes once for each of id and filters that match. */
  take(come: Come): void {
    const out = this.#out.of(come.id);
    if (come.sequence === out || this.#early.some((early) => isSame(early.come, come))) return;
    if (come.sequence <= this.#readTo) return;
    if (come.sequence < out || come.sequence <= this.settled) {
      this.late++;
      return this.#events.onLate(come.id);
    }
    if (this.#isNext(come)) {
      this.#handOut(come);
      this.#followers(come.id);
    } else if (this.#early.length < earlyMax) this.#wait(come);
    else this.#waitNoLonger(come);
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
    for (const id of new Set(this.#early.map(({ come }) => come.id))) this.#followers(id);
  }

  /** All of an id up to a position was read from the stream itself: nothing that is here waits for what lies before. */
  know(id: string, position: number): void {
    const due = this.#early.filter(({ come }) => come.id === id && come.sequence <= position);
    this.#early = this.#early.filter((early) => !due.includes(early));
    for (const { come } of due.sort(bySequence)) this.takeRead(come);
    if (position > this.#out.of(id)) this.#out.set(id, position);
    this.#followers(id);
  }

  /** One that was read from the stream itself, in its order. */
  takeRead(come: Come): void {
    if (come.sequence > this.#out.of(come.id)) this.#handOut(come);
  }

  /** Something of the stream that is for no id has come. */
  pass(sequence: number): void {
    if (sequence > this.#highest) this.#highest = sequence;
  }

  /** A few times a second. */
  tick(nowMs: number): void {
    if (nowMs - this.#turnedMs >= this.#turnMs || this.#out.size > recentMax) this.#turn(nowMs);
    if (this.#early.length === 0) return;
    const due = this.#early.filter(({ untilMs }) => untilMs <= nowMs);
    this.#early = this.#early.filter((early) => !due.includes(early));
    for (const { come } of due.sort(bySequence)) this.#waitNoLonger(come);
  }

  /** All up to a position is known to be out, as it was read from the stream itself. */
  restart(position: number): void {
    this.#early = [];
    this.#out.clear();
    this.#begun.clear();
    this.#highest = position;
    this.#highestThen = position;
    this.settled = position;
    this.#filterBegun = 0;
    this.#readTo = position;
    this.#readTurns = 2;
  }

  #turn(nowMs: number): void {
    this.#turnedMs = nowMs;
    // What is waited for is on its way.
    const waitedFor = this.#early.map(({ come }) => come.last - 1);
    this.settled = Math.max(this.settled, Math.min(this.#highestThen, ...waitedFor));
    this.#highestThen = this.#highest;
    this.#out.turn();
    this.#begun.turn();
    if (--this.#readTurns === 0) this.#readTo = 0;
  }

  /** Whether the one before it is out, or was for nobody here. */
  #isNext({ id, last }: Come): boolean {
    const out = this.#out.of(id);
    return last <= Math.max(out, this.#begun.of(id), this.settled, out === 0 ? this.#filterBegun : 0);
  }

  #wait(come: Come): void {
    this.reordered++;
    const kept = { ...come, data: Uint8Array.from(come.data) };
    this.#early.push({ come: kept, untilMs: performance.now() + waitMs });
  }

  /** The one before it did not come. That is told first, so that nobody has a cursor behind what is missing. */
  #waitNoLonger(come: Come): void {
    if (come.sequence <= this.#out.of(come.id)) return;
    if (!this.#isNext(come)) this.#events.onMissing(come.id);
    this.takeRead(come);
    this.#followers(come.id);
  }

  /** What waited for one that is out now. */
  #followers(id: string): void {
    while (this.#early.length > 0) {
      const next = this.#early.findIndex(({ come }) => come.id === id && this.#isNext(come));
      if (next === -1) return;
      const { come } = this.#early[next]!;
      this.#early.splice(next, 1);
      this.takeRead(come);
    }
  }

  #handOut(come: Come): void {
    this.pass(come.sequence);
    this.#out.set(come.id, come.sequence);
    this.#events.handOut(come);
  }
}

function isSame(a: Come, b: Come): boolean {
  return a.sequence === b.sequence && a.id === b.id;
}

function bySequence(a: { come: Come }, b: { come: Come }): number {
  return a.come.sequence - b.come.sequence;
}
