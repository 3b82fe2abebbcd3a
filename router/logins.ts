import { arrayBytes, objectBytes, setBytes, setEntryBytes } from './heap-cost.js';
import { loginBytes, Shapes, shapeOf } from './login-cost.js';
import type { SubscriptionOptions } from './subscription-options.js';

/** Up to here an array is smaller than a Set, and looking through it no slower. */
const listedMax = 16;

/**
 * The ids and filters of a subscriber that has more than one: in an array, or in a Set when there are many, as a
 * client that unsubscribes from thousands one by one would otherwise take the square of that.
 */
export class Logins {
  #filters: string[] | Set<string>;
  /** The fan-out that has found this subscriber last, so that it is delivered to once; see FanOut. */
  fanOut = 0;
  /** The options of all filters that this fan-out has found for it, see overlapOf. */
  options: SubscriptionOptions = 0;

  /** The cost of its ids and filters, each as if nobody else had it. */
  costBytes = 0;
  #shapes: Shapes | undefined = undefined;

  constructor(first: string) {
    this.#filters = [];
    this.add(first);
  }

  get size(): number {
    return Array.isArray(this.#filters) ? this.#filters.length : this.#filters.size;
  }

  /** Its bytes in V8's heap at most, without the filters. */
  get bytes(): number {
    const filters = this.#filters;
    const list = Array.isArray(filters)
      ? arrayBytes(filters.length)
      : setBytes + filters.size * setEntryBytes;
    return objectBytes(5) + list + (this.#shapes?.bytes ?? 0);
  }

  /** Nodes of the tree of filters that a message may have to look at because of this subscriber, with this filter too. */
  visitsWith(filter: string): number {
    const shape = shapeOf(filter);
    if (shape === undefined) return this.#shapes?.visits ?? 0;
    return (this.#shapes ?? new Shapes()).visitsWith(shape);
  }

  get first(): string | undefined {
    for (const filter of this.#filters) return filter;
    return undefined;
  }

  /** The caller knows that it is not there yet. */
  add(filter: string): void {
    this.costBytes += loginBytes(filter);
    const shape = shapeOf(filter);
    if (shape !== undefined) {
      this.#shapes ??= new Shapes();
      this.#shapes.add(shape);
    }
    if (!Array.isArray(this.#filters)) {
      this.#filters.add(filter);
      return;
    }
    this.#filters.push(filter);
    if (this.#filters.length > listedMax) this.#filters = new Set(this.#filters);
  }

  delete(filter: string): void {
    this.costBytes -= loginBytes(filter);
    const shape = shapeOf(filter);
    if (shape !== undefined) {
      this.#shapes!.delete(shape);
      if (this.#shapes!.visits === 0) this.#shapes = undefined;
    }
    if (Array.isArray(this.#filters)) this.#filters.splice(this.#filters.indexOf(filter), 1);
    else this.#filters.delete(filter);
  }

  [Symbol.iterator](): Iterator<string> {
    return this.#filters[Symbol.iterator]();
  }

  /** So that a log line shows a list. */
  toJSON(): string[] {
    return [...this.#filters];
  }
}
