import { mapBytes, mapEntryBytes, objectBytes, textBytes } from './heap-cost.js';
import { levelsOf } from './topic.js';
import { hasWildcard } from './topic-filter.js';

/**
 * The cost of one login, told from its text alone, as if nobody else had any of it. So each subscriber's sum is the same
 * whoever came first and whoever leaves, and one subscriber can be held to its share of what all together may take.
 */

/** A node of the tree of filters, without its level's text and its children. */
export const filterNodeBytes = objectBytes(4);
/** With its QoS, see Grant. */
const grantBytes = objectBytes(2);
/** Of a level's text: its head, and what its length is rounded up to. */
const levelTextBytes = 24;

/**
 * Bytes in V8's heap at most, without its place with its subscriber. A filter brings a node for each of its levels, and
 * at most one of them is a further child of a node that had a single one: a Map of two.
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
 * The places of a filter with its words left out: `+//+` of `+/x/+`. A message gets to one node at most for each
 * beginning of each shape, whatever words the filters have.
 *
 * @returns undefined where no limit is needed: with one `+` at most, and perhaps `#`, all shapes of 32 levels have 1,120
 * beginnings
 */
export function shapeOf(filter: string): string | undefined {
  const first = filter.indexOf('+');
  if (first === -1 || filter.indexOf('+', first + 1) === -1) return undefined;
  return filter.replace(/[^+#/]+/g, '');
}

/** The shapes of one subscriber's filters, and how many filters have each. */
export class Shapes {
  readonly #filters = new Map<string, number>();
  /**
   * Nodes that a message may have to look at because of them: each has a beginning for each of its levels, and those
   * that it shares with others are counted in full.
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

  /** `visits`, with this shape too. */
  visitsWith(shape: string): number {
    return this.visits + (this.#filters.has(shape) ? 0 : levelsOf(shape));
  }
}
