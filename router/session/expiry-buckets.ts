import { LinkedList, type ListNode } from './linked-list.js';

/**
 * Items by the second at which they are due. Adding, removing and finding one costs the same for any number of items.
 * Items of one second are ordered by the time of their addition.
 */
export class ExpiryBuckets<Item> {
  readonly #bySec = new Map<number, LinkedList<Item>>();
  /** Nothing is due before it. */
  #nextSec = 0;

  /** @returns its place, for `remove` */
  add(item: Item, sec: number): ListNode<Item> {
    if (sec < this.#nextSec) this.#nextSec = sec;
    let bucket = this.#bySec.get(sec);
    if (bucket === undefined) {
      bucket = new LinkedList();
      this.#bySec.set(sec, bucket);
    }
    return bucket.append(item);
  }

  remove(place: ListNode<Item>, sec: number): void {
    const bucket = this.#bySec.get(sec)!;
    bucket.remove(place);
    if (bucket.first === undefined) this.#bySec.delete(sec);
  }

  /** @returns an item that is due at this second or before, which stays until it is removed */
  due(nowSec: number): Item | undefined {
    for (; this.#nextSec <= nowSec && this.#bySec.size > 0; this.#nextSec++) {
      const bucket = this.#bySec.get(this.#nextSec);
      if (bucket !== undefined) return bucket.first;
    }
    return undefined;
  }
}
