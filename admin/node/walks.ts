/** At most so many lists are read page by page at the same time: past it the one that was read longest ago is dropped. */
const walksMax = 32;

/** A walk that nobody goes on with for so long is dropped, as it may keep sessions in memory that have ended since. */
const idleMs = 60_000;

/** A walk makes at most so many steps in one turn of the loop. */
const stepsMax = 5_000;

interface Walk<Item> {
  readonly items: Iterator<Item>;
  timer?: NodeJS.Timeout;
}

export interface WalkStep<Entry> {
  readonly entries: Entry[];
  /** The name of the rest of the walk; undefined at its end. */
  readonly next: string | undefined;
}

/** Walks through something that has no positions, such as a Map, over several requests. */
export class Walks<Item> {
  readonly #walks = new Map<string, Walk<Item>>();
  #number = 0;

  /**
   * @param name the name of the rest of a walk; undefined = a new walk @param begin begins a new walk
   * @param entryOf makes the entry of an item; undefined = the item is left out
   * @returns undefined if the walk is not known any more
   */
  step<Entry>(
    name: string | undefined,
    begin: () => Iterable<Item>,
    most: number,
    entryOf: (item: Item) => Entry | undefined,
  ): WalkStep<Entry> | undefined {
    const walk: Walk<Item> | undefined =
      name === undefined ? { items: begin()[Symbol.iterator]() } : this.#walks.get(name);
    if (walk === undefined) return undefined;
    if (name !== undefined) this.#drop(name);
    const entries: Entry[] = [];
    for (let steps = 0; steps < stepsMax && entries.length < most; steps++) {
      const { done, value } = walk.items.next();
      if (done === true) return { entries, next: undefined };
      const entry = entryOf(value);
      if (entry !== undefined) entries.push(entry);
    }
    return { entries, next: this.#keep(walk) };
  }

  #keep(walk: Walk<Item>): string {
    const [oldest] = this.#walks.keys();
    if (this.#walks.size === walksMax) this.#drop(oldest!);
    const name = (++this.#number).toString(36);
    walk.timer = setTimeout(() => this.#drop(name), idleMs).unref();
    this.#walks.set(name, walk);
    return name;
  }

  #drop(name: string): void {
    clearTimeout(this.#walks.get(name)?.timer);
    this.#walks.delete(name);
  }
}
