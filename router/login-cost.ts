import { mapBytes, mapEntryBytes, objectBytes, textBytes } from './heap-cost.js';
import { levelsOf } from './topic.js';
import { hasWildcard } from './topic-filter.js';

/**
 * The cost of one login, from its text alone, as if nobody else had a part of it. So the sum of a subscriber does not
 * depend on others, and can be compared with its share of the common budget.
 */

/** A node of the tree of filters, without its level's text and its children. */
export const filterNodeBytes = objectBytes(4);
/** With its QoS, see Grant. */
const grantBytes = objectBytes(2);
/** A level's text: its header, and its length rounded up. */
const levelTextBytes = 24;

/**
 * Most bytes in V8's heap, without the entry of its subscriber. A filter adds a node for each of its levels. At most
 * one of them becomes the second child of a node, which then needs a Map.
 */
export function loginBytes(filter: string): number {
  const text = textBytes(filter);
  if (!hasWildcard(filter)) return 2 * text + mapEntryBytes + grantBytes;
  return (
    2 * text +
    levelsOf(filter) * (filterNodeBytes + levelTextBytes) +
    mapBytes +
    2 * mapEntryBytes +
    grantBytes
  );
}

/**
 * The shape of a filter, without its words: `+//+` for `+/x/+`. A message visits at most one node for each prefix of
 * each shape, whatever words the filters have.
 *
 * @returns undefined if no limit is needed: with at most one `+`, and perhaps `#`, all shapes of 32 levels have 1,120
 * prefixes
 */
export function shapeOf(filter: string): string | undefined {
  const first = filter.indexOf('+');
  if (first === -1 || filter.indexOf('+', first + 1) === -1) return undefined;
  return filter.replace(/[^+#/]+/g, '');
}

/** The shapes of one subscriber's filters, and the number of filters of each. */
export class Shapes {
  readonly #filters = new Map<string, number>();
  /**
   * Nodes that a message visits because of these shapes. Each shape has a prefix for each of its levels. Shared
   * prefixes count in full.
   */
  visits = 0;

  get bytes(): number {
    return (
      objectBytes(2) +
      mapBytes +
      this.#filters.size * mapEntryBytes +
      4 * this.visits +
      24 * this.#filters.size
    );
  }

  add(shape: string): void {
    const filters = this.#filters.get(shape) ?? 0;
    if (filters === 0) this.visits += levelsOf(shape);
    this.#filters.set(shape, filters + 1);
  }

  delete(shape: string): void {
    const filters = this.#filters.get(shape)! - 1;
    if (filters > 0) {
      this.#filters.set(shape, filters);
      return;
    }
    this.#filters.delete(shape);
    this.visits -= levelsOf(shape);
  }

  /** `visits` with this shape. */
  visitsWith(shape: string): number {
    return this.visits + (this.#filters.has(shape) ? 0 : levelsOf(shape));
  }
}
