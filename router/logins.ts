import { arrayBytes, objectBytes, setBytes, setEntryBytes } from './heap-cost.js';
import type { Qos } from './message.js';

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
  /** The highest QoS that fan-out has found for it. */
  qos: Qos = 0;

  constructor(first: string) {
    this.#filters = [first];
  }

  get size(): number {
    return Array.isArray(this.#filters) ? this.#filters.length : this.#filters.size;
  }

  /** What it takes in V8's heap at most, without the filters. */
  get bytes(): number {
    const filters = this.#filters;
    const list = Array.isArray(filters)
      ? arrayBytes(filters.length)
      : setBytes + filters.size * setEntryBytes;
    return objectBytes(3) + list;
  }

  get first(): string | undefined {
    for (const filter of this.#filters) return filter;
    return undefined;
  }

  /** The caller knows that it is not there yet. */
  add(filter: string): void {
    if (!Array.isArray(this.#filters)) {
      this.#filters.add(filter);
      return;
    }
    this.#filters.push(filter);
    if (this.#filters.length > listedMax) this.#filters = new Set(this.#filters);
  }

  delete(filter: string): void {
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
