import { ownText } from './own-copy.js';

/** One level of a path in a tree. The last level of a path has the value; deeper levels are its children. */
export abstract class LevelNode<Value, Node> {
  readonly level: string;
  value: Value | undefined = undefined;

  constructor(level: string) {
    this.level = level;
  }

  /** A single child is stored directly: a list of one takes 110 bytes, and a long path has a node for each level. */
  abstract readonly children: object | undefined;
  abstract child(level: string): Node | undefined;
  abstract add(child: Node): void;
  abstract remove(child: Node): void;
}

/**
 * Values by path, with a node for each level (`a/b` has two). The filters of subscriptions are in one such tree
 * (TopicTree), the retained messages in another (RetainedTree). Their nodes have different fields. A node without a
 * value and children is removed, so the tree takes only the memory of its content. Nothing here is recursive: a path
 * may have any number of levels.
 */
export abstract class LevelTree<Value, Node extends LevelNode<Value, Node>> {
  readonly root: Node;
  #size = 0;
  #nodes = 0;

  constructor(root: Node) {
    this.root = root;
  }

  /** Makes the node of a new level, which owns its text. */
  protected abstract nodeOf(level: string): Node;
  /** Called after a path has grown. @param first its first new node; at least 1, because 0 is the root */
  protected grew(_path: readonly Node[], _first: number): void {}
  /** Called after the end of a path was removed. @param first its first removed node */
  protected shrank(_path: readonly Node[], _first: number): void {}

  /** Paths with a value. */
  get size(): number {
    return this.#size;
  }

  /** Levels of all paths; a shared level counts once. */
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

  /** @returns the node with the value */
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
