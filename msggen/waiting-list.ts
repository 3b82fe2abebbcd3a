/**
 * Due messages that wait for their connection: a queue for each connection, in typed arrays of a fixed size, so that a
 * server that is down or slow cannot make the generator grow.
 */
const NONE = -1;

export class WaitingList {
  readonly limit: number;
  readonly #ids: Uint32Array;
  readonly #numbers: Float64Array;
  readonly #next: Int32Array;
  readonly #heads: Int32Array;
  readonly #tails: Int32Array;
  #free = 0;
  #length = 0;

  /** Id and number (index in the schedule) of the message that `take` took. */
  takenId = 0;
  takenNumber = 0;

  constructor(lists: number, limit: number) {
    this.limit = limit;
    this.#ids = new Uint32Array(limit);
    this.#numbers = new Float64Array(limit);
    this.#next = Int32Array.from({ length: limit }, (_, slot) => (slot + 1 < limit ? slot + 1 : NONE));
    this.#heads = new Int32Array(lists).fill(NONE);
    this.#tails = new Int32Array(lists).fill(NONE);
  }

  get length(): number {
    return this.#length;
  }

  /** Visits the numbers of all waiting messages. */
  each(visit: (number: number) => void): void {
    for (const head of this.#heads) {
      for (let slot = head; slot !== NONE; slot = this.#next[slot]!) visit(this.#numbers[slot]!);
    }
  }

  /** @returns false when the limit is reached, and the message is not added */
  add(list: number, id: number, number: number): boolean {
    const slot = this.#free;
    if (slot === NONE) return false;
    this.#free = this.#next[slot]!;
    this.#ids[slot] = id;
    this.#numbers[slot] = number;
    this.#next[slot] = NONE;
    if (this.#heads[list] === NONE) this.#heads[list] = slot;
    else this.#next[this.#tails[list]!] = slot;
    this.#tails[list] = slot;
    this.#length++;
    return true;
  }

  /** Takes the oldest message of a list into `takenId` and `takenNumber`. @returns false when there is none */
  take(list: number): boolean {
    const slot = this.#heads[list]!;
    if (slot === NONE) return false;
    this.#heads[list] = this.#next[slot]!;
    this.takenId = this.#ids[slot]!;
    this.takenNumber = this.#numbers[slot]!;
    this.#next[slot] = this.#free;
    this.#free = slot;
    this.#length--;
    return true;
  }
}
