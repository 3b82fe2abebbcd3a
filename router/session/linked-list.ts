/** An item of a list with its neighbours, for its removal. */
export class ListNode<Item> {
  readonly item: Item;
  before: ListNode<Item> | undefined;
  after: ListNode<Item> | undefined = undefined;

  constructor(item: Item, before: ListNode<Item> | undefined) {
    this.item = item;
    this.before = before;
  }
}

/**
 * Items in the order of their addition, for many changes. A Set keeps the places of deleted items until it grows:
 * finding its first item took 200 µs after many deletions among 100,000 items.
 */
export class LinkedList<Item> {
  #first: ListNode<Item> | undefined;
  #last: ListNode<Item> | undefined;

  get first(): Item | undefined {
    return this.#first?.item;
  }

  *[Symbol.iterator](): Iterator<Item> {
    for (let place = this.#first; place !== undefined; place = place.after) yield place.item;
  }

  append(item: Item): ListNode<Item> {
    const place = new ListNode(item, this.#last);
    if (this.#last === undefined) this.#first = place;
    else this.#last.after = place;
    this.#last = place;
    return place;
  }

  /** @param place of this list; remove it once */
  remove({ before, after }: ListNode<Item>): void {
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
  }
}
