import type { FilterNode } from './filter-node.js';

/**
 * Most nodes of the tree of filters that a message visits, for any id. From each visited node it goes on to `+`, `#`
 * and one literal child. So the visits of a node are
 *
 *     1 + those of "+" + those of "#" + the most of any literal child
 *
 * 65,536 filters {a,+}/{a,+}/…/x of 16 levels make 131,071 visits, and a publish to a/a/…/y takes 10 ms. 10,000 filters
 * `+/<n>/+` make 5. Each node stores its number (8 bytes), which is updated as filters change.
 */

/** Up to this many siblings, all are searched when one is removed; with more, only now and then. */
const lookedThroughMax = 32;

/** Visits of the root once the path `levels` is added. */
export function visitsWith(root: FilterNode, levels: readonly string[]): number {
  const nodes: FilterNode[] = [root];
  for (let node = root.child(levels[0]!); node !== undefined; node = node.child(levels[nodes.length - 1]!)) {
    nodes.push(node);
    if (nodes.length > levels.length) return root.visits;
  }
  let before = 0;
  let after = levels.length + 1 - nodes.length; // a chain of new nodes
  for (let depth = nodes.length - 1; depth >= 0; depth--) {
    const node = nodes[depth]!;
    after = withChild(node, levels[depth]!, before, after);
    before = node.visits;
  }
  return after;
}

/** Call after nodes were added to a path. @param from the first new one */
export function addVisits(nodes: readonly FilterNode[], from: number): void {
  let before = 0;
  for (let depth = nodes.length - 2; depth >= 0; depth--) {
    const [node, child] = [nodes[depth]!, nodes[depth + 1]!];
    if (depth + 1 < from && child.visits === before) return;
    const visits = withChild(node, child.level, depth + 1 < from ? before : 0, child.visits);
    before = node.visits;
    node.visits = visits;
  }
}

/** Call after the nodes of a path from `gone` on were removed. */
export function removeVisits(nodes: readonly FilterNode[], gone: number, removals: number): void {
  let before = nodes[gone]!.visits;
  let after = 0;
  for (let depth = gone - 1; depth >= 0 && before !== after; depth--) {
    const node = nodes[depth]!;
    const visits = withoutChild(node, nodes[depth + 1]!.level, before, after, removals);
    before = node.visits;
    node.visits = visits;
    after = visits;
  }
}

function withChild(node: FilterNode, level: string, before: number, after: number): number {
  if (level === '+' || level === '#') return node.visits - before + after;
  return node.visits + Math.max(0, after - mostOfLiterals(node));
}

/** With very many literal siblings the number may stay too high for a while. */
function withoutChild(
  node: FilterNode,
  level: string,
  before: number,
  after: number,
  removals: number,
): number {
  if (level === '+' || level === '#') return node.visits - before + after;
  const { children } = node;
  if (children === undefined) return 1;
  if (!(children instanceof Map)) return 1 + children.visits;
  const wildcards = visitsOf(node.child('+')) + visitsOf(node.child('#'));
  if (removals % Math.ceil(children.size / lookedThroughMax) !== 0) return node.visits;
  let most = 0;
  for (const child of children.values()) {
    if (child.visits > most && child.level !== '+' && child.level !== '#') most = child.visits;
  }
  return 1 + wildcards + most;
}

function mostOfLiterals(node: FilterNode): number {
  return node.visits - 1 - visitsOf(node.child('+')) - visitsOf(node.child('#'));
}

function visitsOf(node: FilterNode | undefined): number {
  return node === undefined ? 0 : node.visits;
}
