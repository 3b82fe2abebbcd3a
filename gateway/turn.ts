import { type Connection, messageOf, type Outgoing, ownedBySession, type Source } from './connection.js';

/**
 * Most deliveries that wait for the end of the turn, 12 bytes each. At this number they are written at once. This is
 * correct but costs more: the publisher's own socket may then hold the one cork buffer.
 */
export const turnDeliveriesMax = 262_144;

/**
 * Deliveries of this turn of the event loop, by connection, in order. Linked lists in typed arrays, so that a delivery
 * allocates nothing but its entry here:
 *
 *     dirty     streamA          streamB
 *     first[A] -> 1 -> 4 -> 5    first[B] -> 2 -> 3        outgoing[1…5], next[1…5]
 *
 * Index 0 is unused, so that zeroed columns mean "none".
 */
export class Turn {
  readonly #outgoing: (Outgoing | undefined)[] = [undefined];
  readonly #next = new Uint32Array(turnDeliveriesMax + 1);
  readonly #first: Uint32Array;
  readonly #last: Uint32Array;
  /** Connections with deliveries, in the order of their first one. Some may have closed since. */
  readonly dirty: Connection[] = [];
  /** The list that is being written; see `open`. */
  readonly source = new TurnSource(this.#outgoing, this.#next);

  constructor(capacity: number) {
    this.#first = new Uint32Array(capacity);
    this.#last = new Uint32Array(capacity);
  }

  get deliveries(): number {
    return this.#outgoing.length - 1;
  }

  /** @returns how many deliveries the turn has now */
  add(connection: Connection, outgoing: Outgoing): number {
    const { slot } = connection;
    const delivery = this.#outgoing.push(outgoing) - 1;
    this.#next[delivery] = 0;
    if (this.#first[slot] === 0) {
      this.#first[slot] = delivery;
      this.dirty.push(connection);
    } else {
      this.#next[this.#last[slot]!] = delivery;
    }
    this.#last[slot] = delivery;
    return delivery;
  }

  has(slot: number): boolean {
    return this.#first[slot] !== 0;
  }

  /** Removes the slot's list from the turn. `source` reads it until the next `open`. */
  open(slot: number): TurnSource {
    this.source.at = this.#first[slot]!;
    this.#first[slot] = 0;
    this.#last[slot] = 0;
    return this.source;
  }

  /** Forgets the slot's list. @returns the number of lost messages */
  drop(slot: number): number {
    let lost = 0;
    for (let each = this.#first[slot]!; each !== 0; each = this.#next[each]!) {
      if (!ownedBySession(this.#outgoing[each]!)) lost++;
    }
    this.#first[slot] = 0;
    this.#last[slot] = 0;
    return lost;
  }

  /** Frees the encodings of messages that may outlive the turn: in a session's queue, or retained. */
  clear(): void {
    for (let i = 1; i < this.#outgoing.length; i++) {
      const message = messageOf(this.#outgoing[i]!);
      if (message !== undefined && (message.qos > 0 || message.retain)) message.wire = undefined;
    }
    this.dirty.length = 0;
    this.#outgoing.length = 1;
  }
}

/** One connection's deliveries of this turn. */
export class TurnSource implements Source {
  readonly #outgoing: (Outgoing | undefined)[];
  readonly #next: Uint32Array;
  /** The delivery that comes next; 0 = none. */
  at = 0;

  constructor(outgoing: (Outgoing | undefined)[], next: Uint32Array) {
    this.#outgoing = outgoing;
    this.#next = next;
  }

  get single(): boolean {
    return this.at !== 0 && this.#next[this.at] === 0;
  }

  peek(): Outgoing | undefined {
    return this.#outgoing[this.at];
  }

  take(): void {
    this.at = this.#next[this.at]!;
  }

  /** @returns the number of lost messages */
  dropRest(): number {
    let lost = 0;
    for (; this.at !== 0; this.at = this.#next[this.at]!) {
      if (!ownedBySession(this.#outgoing[this.at]!)) lost++;
    }
    return lost;
  }
}
