import { customerOf } from './address-share.js';

/** Queues of clients that wait for something scarce. Addresses (IPv6: a /64) take turns, whichever has the longest queue. */
export class AddressTurns<T> {
  /** The queues by address; the address whose turn is next is at the front. No queue is empty. */
  readonly #waiting = new Map<string, T[]>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  countOf(address: string): number {
    return this.#waiting.get(customerOf(address))?.length ?? 0;
  }

  push(address: string, one: T): void {
    const customer = customerOf(address);
    const list = this.#waiting.get(customer);
    if (list === undefined) this.#waiting.set(customer, [one]);
    else list.push(one);
    this.#count++;
  }

  /** Takes the next one out. */
  next(): T | undefined {
    for (const [customer, list] of this.#waiting) {
      const next = list.shift()!;
      this.#count--;
      this.#waiting.delete(customer);
      if (list.length > 0) this.#waiting.set(customer, list); // behind the others
      return next;
    }
    return undefined;
  }

  /** Takes out those at the front of each address that are over. */
  *takeFirst(isOver: (one: T) => boolean): Iterable<T> {
    for (const [customer, list] of this.#waiting) {
      while (list.length > 0 && isOver(list[0]!)) {
        this.#count--;
        yield list.shift()!;
      }
      if (list.length === 0) this.#waiting.delete(customer);
    }
  }

  /** Takes the last one out of the address with the most, where that has more than so many. */
  takeFromLargest(moreThan: number): T | undefined {
    let largest: T[] = [];
    for (const list of this.#waiting.values()) if (list.length > largest.length) largest = list;
    if (largest.length <= moreThan) return undefined;
    this.#count--;
    return largest.pop();
  }
}
