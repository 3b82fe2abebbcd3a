import type { Audience } from './audience.js';
import { FilterNode } from './filter-node.js';
import { mapBytes, mapEntryBytes, textBytes } from './heap-cost.js';
import { LevelTree } from './level-tree.js';
import { filterNodeBytes } from './login-cost.js';
import { addVisits, removeVisits } from './tree-visits.js';

const dollar = 0x24;

/**
 * The filters with wildcards, by level, with the audience of each: `a/+/c` and `a/#` are
 *
 *     root - a -+- +  - c: audience
 *               +- #: audience
 *
 * An id is matched level by level, with a list of all matching nodes so far. A level's text is cut out only where a
 * node has several children. The lists are used again for the next match.
 */
export class TopicTree extends LevelTree<Audience, FilterNode> {
  #bytes = 0;
  #removals = 0;
  #matches: FilterNode[] = [];
  #matched = 0;
  #front: FilterNode[] = [];
  #next: FilterNode[] = [];
  #nextCount = 0;

  constructor() {
    super(new FilterNode(''));
  }

  /** Most bytes of its nodes in V8's heap, without the audiences. */
  get bytes(): number {
    return this.#bytes;
  }

  protected override nodeOf(level: string): FilterNode {
    return new FilterNode(level);
  }

  protected override grew(path: readonly FilterNode[], first: number): void {
    const { childCount } = path[first - 1]!;
    this.#bytes += nodesBytes(path, first) + childrenBytes(childCount) - childrenBytes(childCount - 1);
    addVisits(path, first);
  }

  protected override shrank(path: readonly FilterNode[], first: number): void {
    const { childCount } = path[first - 1]!;
    this.#bytes -= nodesBytes(path, first) + childrenBytes(childCount + 1) - childrenBytes(childCount);
    removeVisits(path, first, this.#removals++);
  }

  /** Finds the filters that match an id, at the start of `matches`. @returns their number */
  match(id: string, matches: FilterNode[]): number {
    this.#matches = matches;
    this.#matched = 0;
    this.#front[0] = this.root;
    let count = 1;
    // [MQTT-4.7.2-1]: wildcards at the start do not match $-topics
    let wildcards = id.charCodeAt(0) !== dollar;
    for (let from = 0; from <= id.length && count > 0; ) {
      const slash = id.indexOf('/', from);
      const end = slash === -1 ? id.length : slash;
      count = this.#descend(id, from, end, count, wildcards);
      wildcards = true;
      from = end + 1;
    }
    this.#endHere(count);
    return this.#matched;
  }

  /** Moves the front one level down. @returns the number of nodes in the new front */
  #descend(id: string, from: number, end: number, count: number, wildcards: boolean): number {
    const front = this.#front;
    this.#nextCount = 0;
    let level: string | undefined;
    for (let i = 0; i < count; i++) {
      const { children } = front[i]!;
      if (children === undefined) continue;
      if (!(children instanceof Map)) {
        this.#descendToLone(children, id, from, end, wildcards);
        continue;
      }
      if (wildcards) {
        this.#found(children.get('#'));
        this.#reached(children.get('+'));
      }
      level ??= id.slice(from, end);
      this.#reached(children.get(level));
    }
    this.#front = this.#next;
    this.#next = front;
    return this.#nextCount;
  }

  #descendToLone(child: FilterNode, id: string, from: number, end: number, wildcards: boolean): void {
    const { level } = child;
    if (level === '#') {
      if (wildcards) this.#found(child);
    } else if (level === '+') {
      if (wildcards) this.#reached(child);
    } else if (level.length === end - from && id.startsWith(level, from)) {
      this.#reached(child);
    }
  }

  /** The id has no more levels: a filter matches if it also ends here, or goes on with `/#` only. */
  #endHere(count: number): void {
    for (let i = 0; i < count; i++) {
      const node = this.#front[i]!;
      if (node.value !== undefined) this.#matches[this.#matched++] = node;
      this.#found(node.child('#'));
    }
  }

  #found(node: FilterNode | undefined): void {
    if (node !== undefined) this.#matches[this.#matched++] = node;
  }

  #reached(node: FilterNode | undefined): void {
    if (node !== undefined) this.#next[this.#nextCount++] = node;
  }
}

function nodesBytes(path: readonly FilterNode[], first: number): number {
  let bytes = 0;
  for (let depth = first; depth < path.length; depth++)
    bytes += filterNodeBytes + textBytes(path[depth]!.level);
  return bytes;
}

/** A single child is a field of its parent. */
function childrenBytes(count: number): number {
  return count < 2 ? 0 : mapBytes + count * mapEntryBytes;
}
