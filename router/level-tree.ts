import { ownText } from './own-copy.js';

/** One level of a path in a tree. The last level of a path has its value; the levels below it are its children. */
export abstract class LevelNode<Value, Node> {
  readonly level: string;
  value: Value | undefined = undefined;

  constructor(level: string) {
    this.level = level;
  }

  /** A lone child stands here itself: a list of one costs 110 bytes, and a long path has a node for each level. */
  abstract readonly children: object | undefined;
  abstract child(level: string): Node | undefined;
  abstract add(child: Node): void;
  abstract remove(child: Node): void;
}

/**
 * Values by path, with a node for each level (`a/b` has two). The filters of subscriptions are in one such tree
 * (TopicTree), the retained messages in another (RetainedTree); they differ in what a node remembers. A node without
 * value and children is taken out, so the tree costs what is in it now. Nothing here is recursive: a path may have any
 * number of levels.
 */
export abstract class LevelTree<Value, Node extends LevelNode<Value, Node>> {
  readonly root: Node;
  #size = 0;
  #nodes = 0;

  constructor(root: Node) {
    this.root = root;
  }

  /** Makes the node of a level that is not there yet. The text is its own. */
  protected abstract nodeOf(level: string): Node;
  /** Called after a path has grown. @param first the first of its nodes that is new; at least 1, as 0 is the root */
  protected grew(_path: readonly Node[], _first: number): void {}
  /** Called after the end of a path was taken out. @param first the first of its nodes that is gone */
  protected shrank(_path: readonly Node[], _first: number): void {}

  /** Paths with a value. */
  get size(): number {
    return this.#size;
  }

  /** Levels of all paths; one that several paths share counts once. */
  get nodes(): number {
    return this.#nodes;
  }

  get(path: string): Value | undefined {
    let node: Node | undefined = this.root;
    for (let from = 0; from <= path.length && node !== undefined; ) {
      const slash = path.indexOf('/', from);
      const end = slash === -1 ? path.length : slash;
      node = node.child(path.slice(from, end));
      from = end + 1;
    }
    return node?.value;
  }

  /** @returns the node that has the value now */
  set(path: string, value: Value): Node {
    const nodes = [this.root];
    let firstNew = 0;
    for (const level of path.split('/')) {
      const parent = nodes.at(-1)!;
      let node = parent.child(level);
      if (node === undefined) {
        node = this.nodeOf(ownText(level));
        parent.add(node);
        if (firstNew === 0) firstNew = nodes.length;
      }
      nodes.push(node);
    }
    const node = nodes.at(-1)!;
    if (node.value === undefined) this.#size++;
    node.value = value;
    if (firstNew > 0) {
      this.#nodes += nodes.length - firstNew;
      this.grew(nodes, firstNew);
    }
    return node;
  }

  /** Does nothing where the path has no value. */
  delete(path: string): void {
    const nodes = [this.root];
    for (const level of path.split('/')) {
      const child = nodes.at(-1)!.child(level);
      if (child === undefined) return;
      nodes.push(child);
    }
    const node = nodes.at(-1)!;
    if (node.value === undefined) return;
    node.value = undefined;
    this.#size--;
    this.#prune(nodes);
  }

  #prune(nodes: readonly Node[]): void {
    let depth = nodes.length - 1;
    for (; depth > 0; depth--) {
      const node = nodes[depth]!;
      if (node.value !== undefined || node.children !== undefined) break;
      nodes[depth - 1]!.remove(node);
    }
    const first = depth + 1;
    if (first === nodes.length) return;
    this.#nodes -= nodes.length - first;
    this.shrank(nodes, first);
  }
}
