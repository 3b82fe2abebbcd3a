import type { Audience } from './audience.js';
import { LevelNode } from './level-tree.js';

/** One level of a topic filter; its value is the audience of the filter that ends here. */
export class FilterNode extends LevelNode<Audience, FilterNode> {
  /** A Map costs 200 bytes. */
  children: FilterNode | Map<string, FilterNode> | undefined = undefined;
  /** Most nodes that a message visits from here on; see tree-visits.ts. */
  visits = 1;

  child(level: string): FilterNode | undefined {
    const { children } = this;
    if (children instanceof Map) return children.get(level);
    return children?.level === level ? children : undefined;
  }

  add(child: FilterNode): void {
    const { children } = this;
    if (children === undefined) this.children = child;
    else if (children instanceof Map) children.set(child.level, child);
    else
      this.children = new Map([
        [children.level, children],
        [child.level, child],
      ]);
  }

  remove(child: FilterNode): void {
    const { children } = this;
    if (!(children instanceof Map)) {
      this.children = undefined;
      return;
    }
    children.delete(child.level);
    if (children.size === 1) for (const remaining of children.values()) this.children = remaining;
  }

  get childCount(): number {
    const { children } = this;
    if (children === undefined) return 0;
    return children instanceof Map ? children.size : 1;
  }
}
