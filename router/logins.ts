import { arrayBytes, objectBytes, setBytes, setEntryBytes } from './heap-cost.js';
import { loginBytes, Shapes, shapeOf } from './login-cost.js';
import type { SubscriptionOptions } from './subscription-options.js';

/** Up to this size an array is smaller than a Set, and searching it is no slower. */
const listedMax = 16;

/**
 * The ids and filters of a subscriber that has more than one: in an array, or in a Set if there are many. Otherwise a
 * client that unsubscribes from thousands one by one would take quadratic time.
 */
export class Logins {
  #filters: string[] | Set<string>;
  /** The last fan-out that found this subscriber, so that it gets a message once; see FanOut. */
  fanOut = 0;
  /** The combined options of all filters that this fan-out found for it, see overlapOf. */
  options: SubscriptionOptions = 0;

  /** Cost of its ids and filters, each as if nobody else had it. */
  costBytes = 0;
  #shapes: Shapes | undefined = undefined;

  constructor(first: string) {
    this.#filters = [];
    this.add(first);
  }

  get size(): number {
    return Array.isArray(this.#filters) ? this.#filters.length : this.#filters.size;
  }

  /** Most bytes in V8's heap, without the filters. */
  get bytes(): number {
    const filters = this.#filters;
    const list = Array.isArray(filters)
      ? arrayBytes(filters.length)
      : setBytes + filters.size * setEntryBytes;
    return objectBytes(5) + list + (this.#shapes?.bytes ?? 0);
  }

  /** Visits of a message in the tree of filters because of this subscriber, with this filter. */
  visitsWith(filter: string): number {
    const shape = shapeOf(filter);
    if (shape === undefined) return this.#shapes?.visits ?? 0;
    return (this.#shapes ?? new Shapes()).visitsWith(shape);
  }

  get first(): string | undefined {
    for (const filter of this.#filters) return filter;
    return undefined;
  }

  /** The caller has checked that it is new. */
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

  /** For log lines: a list. */
  toJSON(): string[] {
    return [...this.#filters];
  }
}
