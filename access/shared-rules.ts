import { LRUCache } from 'lru-cache';
import { type Rule, Rules } from './rules.js';

const bytesMax = 4 * 1024 * 1024;

/**
 * Equal lists of rules as one object: tokens by the hundred thousand say `user/%u/#`, and each connection is to cost a
 * reference.
 */
export class SharedRules {
  readonly #byText = new LRUCache<string, Rules>({
    maxSize: bytesMax,
    sizeCalculation: (rules, text) => 160 + rules.bytes + text.length,
  });

  /**
   * @param order as it is given, or with the deny rules first, for rules that have none
   * @throws RangeError for a filter that is none
   */
  of(rules: readonly Rule[], order: 'in-order' | 'deny-first' = 'deny-first'): Rules {
    if (rules.length === 0) return Rules.none;
    const text = `${order}${JSON.stringify(rules)}`;
    let found = this.#byText.get(text);
    if (found === undefined) {
      found = order === 'in-order' ? Rules.inOrder(rules) : Rules.denyFirst(rules);
      this.#byText.set(text, found);
    }
    return found;
  }
}
