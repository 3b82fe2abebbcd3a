import { assertFilter } from '../arguments.js';
import { matches } from '../topic-filter.js';

/** Says whose messages go to followers where a send does not say. */
export class FollowerFilters {
  readonly #filters: readonly string[];

  /** @throws InvalidFilterError */
  constructor(filters: readonly string[], idBytesMax: number, topicLevelsMax: number) {
    for (const filter of filters) assertFilter(filter, idBytesMax, topicLevelsMax);
    this.#filters = filters;
  }

  has(id: string): boolean {
    return this.#filters.length > 0 && this.#filters.some((filter) => matches(filter, id));
  }
}
