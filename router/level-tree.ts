import { mapBytes, mapEntryBytes, objectBytes, textBytes } from './heap-cost.js';
import { ownText } from './own-copy.js';
import { addVisits, removeVisits } from './tree-visits.js';

/** Of one node in V8's heap, without its level's text and its children. */
export const levelNodeBytes = objectBytes(4);

/** A level of a path. What it stands for, if anything, is its value; what is below it are its children. */
export class LevelNode<Value> {
  readonly level: string;
  value: Value | undefined = undefined;
  /** A lone child is itself, as a Map costs 200 bytes and a long path has a node for each level. */
  children: LevelNode<Value> | Map<string, LevelNode<Value>> | undefined = undefined;
  /** See tree-visits. */
  visits = 1;

  constructor(level: string) {
    this.level = level;
  }

  child(level: string): LevelNode<Value> | undefined {
    const { children } = this;
    if (children instanceof Map) return children.get(level);
    return children?.level === level ? children : undefined;
  }

  addChild(level: string): LevelNode<Value> {
    const node = new LevelNode<Value>(ownText(level));
    const { children } = this;
    if (children === undefined) this.children = node;
    else if (children instanceof Map) children.set(node.level, node);
    else
      this.children = new Map([
        [children.level, children],
        [node.level, node],
      ]);
    return node;
  }

  removeChild(node: LevelNode<Value>): void {
    const { children } = this;
    if (!(children instanceof Map)) {
      this.children = undefined;
      return;
    }
    children.delete(node.level);
    if (children.size === 1) for (const remaining of children.values()) this.children = remaining;
  }
}

/**
 * Values by path, a node for each level (`a/b` has two). A node without value and children is taken out, so the tree
 * costs what is in it now. Nothing here is recursive: a path may have as many levels as it likes.
 */
export class LevelTree<Value> {
  readonly root = new LevelNode<Value>('');
  #size = 0;
  #bytes = 0;
  #removals = 0;

  /** Paths with a value. */
  get size(): number {
    return this.#size;
  }

  /** What its nodes take in V8's heap at most, without the values. */
  get bytes(): number {
    return this.#bytes;
  }

  get(path: string): Value | undefined {
    let node: LevelNode<Value> | undefined = this.root;
    for (let from = 0; from <= path.length && node !== undefined; ) {
      const slash = path.indexOf('/', from);
      const end = slash === -1 ? path.length : slash;
      node = node.child(path.slice(from, end));
      from = end + 1;
    }
    return node?.value;
  }

  set(path: string, value: Value): void {
    const nodes = [this.root];
    let firstNew = 0;
    for (const level of path.split('/')) {
      const parent = nodes.at(-1)!;
      const child = parent.child(level);
      if (child === undefined && firstNew === 0) firstNew = nodes.length;
      nodes.push(child ?? this.#grow(parent, level));
    }
    const node = nodes.at(-1)!;
    if (node.value === undefined) this.#size++;
    node.value = value;
    if (firstNew > 0) addVisits(nodes, firstNew);
  }

  /** @returns what was there */
  delete(path: string): Value | undefined {
    const nodes = [this.root];
    for (const level of path.split('/')) {
      const child = nodes.at(-1)!.child(level);
      if (child === undefined) return undefined;
      nodes.push(child);
    }
    const node = nodes.at(-1)!;
    const { value } = node;
    if (value === undefined) return undefined;
    node.value = undefined;
    this.#size--;
    this.#prune(nodes);
    return value;
  }

  #grow(parent: LevelNode<Value>, level: string): LevelNode<Value> {
    const before = childrenBytes(parent);
    const node = parent.addChild(level);
    this.#bytes += levelNodeBytes + textBytes(level) + childrenBytes(parent) - before;
    return node;
  }

  #prune(nodes: LevelNode<Value>[]): void {
    let depth = nodes.length - 1;
    for (; depth > 0; depth--) {
      const node = nodes[depth]!;
      if (node.value !== undefined || node.children !== undefined) break;
      const parent = nodes[depth - 1]!;
      const before = childrenBytes(parent);
      parent.removeChild(node);
      this.#bytes -= levelNodeBytes + textBytes(node.level) + before - childrenBytes(parent);
    }
    if (depth < nodes.length - 1) removeVisits(nodes, depth + 1, this.#removals++);
  }
}

function childrenBytes<Value>({ children }: LevelNode<Value>): number {
  return children instanceof Map ? mapBytes + children.size * mapEntryBytes : 0;
}
