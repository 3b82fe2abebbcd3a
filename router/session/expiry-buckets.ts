import { LinkedList, type ListNode } from './linked-list.js';

/**
 * Items that are due at seconds of their own, by that second: one comes, goes or is found at a cost that does not grow with
 * how many there are. Among those of one second, the one that was added first comes first.
 */
export class ExpiryBuckets<Item> {
  readonly #bySec = new Map<number, LinkedList<Item>>();
  /** Nothing is due before it. */
  #nextSec = 0;

  /** @returns where it is; `remove` wants that and the second */
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

  /** @returns one that is due at this second or before; it stays until it is removed */
  due(nowSec: number): Item | undefined {
    for (; this.#nextSec <= nowSec && this.#bySec.size > 0; this.#nextSec++) {
      const bucket = this.#bySec.get(this.#nextSec);
      if (bucket !== undefined) return bucket.first;
    }
    return undefined;
  }
}
