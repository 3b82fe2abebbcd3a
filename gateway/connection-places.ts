/**
 * Counts open connections by a key, such as an address or a user name, and says when a key has as many as it may. With a
 * limit of 0 nothing is stored. Otherwise a key with an open connection takes a Map entry, and a connection a reference.
 */
export class ConnectionPlaces {
  readonly #max: number;
  readonly #taken = new Map<string, number>();
  readonly #keyOfSlot: (string | undefined)[] = [];

  /** @param max of each key; 0 = no limit */
  constructor(max: number) {
    this.#max = max;
  }

  get limited(): boolean {
    return this.#max > 0;
  }

  /** @param besides the slot of a connection that is about to go */
  isFull(key: string, besides?: number): boolean {
    if (this.#max === 0) return false;
    const taken = this.#taken.get(key) ?? 0;
    return taken >= this.#max + (besides !== undefined && this.#keyOfSlot[besides] === key ? 1 : 0);
  }

  take(slot: number, key: string): void {
    if (this.#max === 0) return;
    this.give(slot);
    this.#keyOfSlot[slot] = key;
    this.#taken.set(key, (this.#taken.get(key) ?? 0) + 1);
  }

  /** The connection has gone. A second call does nothing. */
  give(slot: number): void {
    const key = this.#keyOfSlot[slot];
    if (key === undefined) return;
    this.#keyOfSlot[slot] = undefined;
    const taken = this.#taken.get(key)! - 1;
    if (taken === 0) this.#taken.delete(key);
    else this.#taken.set(key, taken);
  }
}
