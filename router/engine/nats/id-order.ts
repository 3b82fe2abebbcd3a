/**
 * The order of each id's messages as they come out of a stream. nats-server stores in order, but publishes on without:
 * of 100,000 messages that three connections published, 25 came behind a later one of the same id, by one place (2.9.10).
 * Each says what the one before it of its id was (Nats-Last-Sequence), so one that comes too early waits for that:
 *
 *     come      41 (behind 37)   44 (behind 43)   43 (behind 41)
 *     out       41               -                43 44
 *
 * It does not wait for one that is older than anything that can still be on its way.
 */

export interface Come {
  readonly id: string;
  readonly sequence: number;
  /** Of the message of this id before it; 0 = there was none. */
  readonly last: number;
  readonly data: Uint8Array;
}

/** Far longer than one place takes: a goroutine of the server was put off between two steps. */
export const settleMs = 100;
/** Come too early, in all. Past it nothing waits. */
const earlyMax = 10_000;

export class IdOrder {
  readonly #handOut: (come: Come) => void;
  readonly #onLate: (id: string) => void;
  /** The last of each id that came out since the clock went on, and of those in the period before that. */
  #recent = new Map<string, number>();
  #before = new Map<string, number>();
  /** The highest of all: now, when the clock went on, and the time before. */
  #highest: number;
  #highestThen: number;
  /** All up to here has come: nothing on its way is as old. */
  settled: number;
  /** Wait for what comes before them; few. */
  #early: { come: Come; untilMs: number }[] = [];
  /** Had to wait; and came when nothing waited for them any more. */
  reordered = 0;
  late = 0;

  /** @param onLate a message of this id has come when nothing waited for it any more, and was left out */
  constructor(position: number, handOut: (come: Come) => void, onLate: (id: string) => void) {
    this.#highest = position;
    this.#highestThen = position;
    this.settled = position;
    this.#handOut = handOut;
    this.#onLate = onLate;
  }

  /** Of the last message of an id that is out, as far as that is not older than `settled`. */
  lastOf(id: string): number {
    return this.#recent.get(id) ?? this.#before.get(id) ?? 0;
  }

  /** The same comes once for each of id and filters that match. */
  take(come: Come): void {
    const out = this.lastOf(come.id);
    if (come.sequence === out || this.#early.some((early) => isSame(early.come, come))) return;
    if (come.sequence < out || come.sequence <= this.settled) {
      this.late++;
      return this.#onLate(come.id);
    }
    if (come.last > out && come.last > this.settled && this.#early.length < earlyMax) {
      this.reordered++;
      const kept = { ...come, data: Uint8Array.from(come.data) };
      this.#early.push({ come: kept, untilMs: performance.now() + settleMs });
      return;
    }
    this.#out(come);
    if (this.#early.length > 0) this.#followers(come.id);
  }

  /** All of an id up to a position was read from the stream itself: nothing that is here waits for what lies before. */
  know(id: string, position: number): void {
    const due = this.#early.filter(({ come }) => come.id === id && come.sequence <= position);
    for (const { come } of due.sort((a, b) => a.come.sequence - b.come.sequence)) {
      this.#early = this.#early.filter((early) => early.come !== come);
      this.takeRead(come);
    }
    if (position > this.lastOf(id)) this.#recent.set(id, position);
    if (this.#early.length > 0) this.#followers(id);
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
    if (position > this.settled) this.settled = position;
  }

  /** Every `settleMs`. */
  tick(nowMs: number): void {
    this.settled = Math.max(this.settled, this.#highestThen);
    this.#highestThen = this.#highest;
    if (this.#recent.size > 0 || this.#before.size > 0) {
      this.#before = this.#recent;
      this.#recent = new Map();
    }
    const due = this.#early.filter(({ untilMs }) => untilMs <= nowMs);
    for (const { come } of due.sort((a, b) => a.come.sequence - b.come.sequence)) {
      this.#early = this.#early.filter((early) => early.come !== come);
      this.#out(come);
      this.#followers(come.id);
    }
  }

  /** All up to a position is known to be out, as it was read from the stream itself. */
  restart(position: number): void {
    this.#early = [];
    this.#recent.clear();
    this.#before.clear();
    this.#highest = position;
    this.#highestThen = position;
    this.settled = position;
  }

  #followers(id: string): void {
    for (;;) {
      const out = this.lastOf(id);
      const next = this.#early.findIndex(({ come }) => come.id === id && come.last <= out);
      if (next === -1) return;
      const { come } = this.#early[next]!;
      this.#early.splice(next, 1);
      if (come.sequence > out) this.#out(come);
    }
  }

  #out(come: Come): void {
    this.pass(come.sequence);
    this.#recent.set(come.id, come.sequence);
    this.#handOut(come);
  }
}

function isSame(a: Come, b: Come): boolean {
  return a.sequence === b.sequence && a.id === b.id;
}
