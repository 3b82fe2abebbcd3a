import { LevelNode, LevelTree } from './level-tree.js';
import type { Message } from './message.js';

/** `since` of a removed node. */
const gone = -1;
/** Up to this many siblings are searched one by one: a Map takes 200 bytes. */
const familyMax = 8;

/** One level of an id; its value is the retained message of the id that ends here. */
export class RetainedNode extends LevelNode<Message, RetainedNode> {
  /** Number of the tree's change that added it. */
  readonly born: number;
  /** Number of the change that added its message. */
  since = 0;
  children: RetainedNode | Siblings | undefined = undefined;

  constructor(level: string, born: number) {
    super(level);
    this.born = born;
  }

  child(level: string): RetainedNode | undefined {
    const { children } = this;
    if (children instanceof Siblings) return children.get(level);
    return children?.level === level ? children : undefined;
  }

  /** Index of the first child that is newer than `born`. @param place its former index, which is tried first */
  placeAfter(born: number, place: number): number {
    const { children } = this;
    if (children instanceof Siblings) return children.placeAfter(born, place);
    return children !== undefined && children.born > born ? 0 : 1;
  }

  /** The child at an index of `placeAfter`; undefined past the last one. */
  childAt(place: number): RetainedNode | undefined {
    const { children } = this;
    if (children instanceof Siblings) return children.at(place);
    return place === 0 ? children : undefined;
  }

  add(child: RetainedNode): void {
    const { children } = this;
    if (children instanceof Siblings) children.add(child);
    else this.children = children === undefined ? child : new Siblings(children, child);
  }

  remove(child: RetainedNode): void {
    child.since = gone;
    const { children } = this;
    this.children = children instanceof Siblings ? children.without(child) : undefined;
  }
}

/**
 * Two or more children, by age. A walk remembers the birth of its last child, and finds its place again after any
 * changes. (A paused iterator of a Map would keep all outgrown tables of the Map.)
 */
class Siblings {
  /** Removed children stay in the list until they are more than the others. */
  #byBirth: RetainedNode[];
  #living = 2;
  #byLevel: Map<string, RetainedNode> | undefined = undefined;

  constructor(first: RetainedNode, second: RetainedNode) {
    this.#byBirth = [first, second];
  }

  get(level: string): RetainedNode | undefined {
    if (this.#byLevel !== undefined) return this.#byLevel.get(level);
    for (const node of this.#byBirth) if (node.level === level && node.since !== gone) return node;
    return undefined;
  }

  add(node: RetainedNode): void {
    this.#living++;
    if (this.#byBirth.length < familyMax) {
      this.#byBirth = this.#byBirth.concat(node); // a push adds room for 16 more
      return;
    }
    this.#byBirth.push(node);
    this.#byLevel ??= new Map(this.#alive().map((each) => [each.level, each]));
    this.#byLevel.set(node.level, node);
  }

  /** @returns what is left */
  without(node: RetainedNode): RetainedNode | Siblings {
    this.#living--;
    this.#byLevel?.delete(node.level);
    if (this.#living === 1) return this.#alive()[0]!;
    if (this.#byBirth.length > 2 * this.#living) this.#byBirth = this.#alive();
    if (this.#byBirth.length <= familyMax) this.#byLevel = undefined;
    return this;
  }

  #alive(): RetainedNode[] {
    return this.#byBirth.filter(({ since }) => since !== gone);
  }

  placeAfter(born: number, place: number): number {
    const nodes = this.#byBirth;
    let after = nodes[place]?.born === born ? place + 1 : this.#firstAfter(born);
    while (nodes[after]?.since === gone) after++;
    return after;
  }

  at(place: number): RetainedNode | undefined {
    return this.#byBirth[place];
  }

  #firstAfter(born: number): number {
    let [low, high] = [0, this.#byBirth.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#byBirth[middle]!.born > born) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/**
 * Retained messages by id. Each node and message has the number of the change that added it, so a walk can pause and go
 * on (RetainedCursor).
 */
export class RetainedTree extends LevelTree<Message, RetainedNode> {
  /** Changes so far. */
  changes = 0;

  constructor() {
    super(new RetainedNode('', 0));
  }

  protected override nodeOf(level: string): RetainedNode {
    return new RetainedNode(level, this.changes);
  }

  override set(id: string, message: Message): RetainedNode {
    this.changes++;
    const node = super.set(id, message);
    node.since = this.changes;
    return node;
  }
}
