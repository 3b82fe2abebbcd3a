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

  /** @throws RangeError for a filter that is none */
  of(rules: readonly Rule[]): Rules {
    if (rules.length === 0) return Rules.none;
    const text = JSON.stringify(rules);
    let found = this.#byText.get(text);
    if (found === undefined) {
      found = Rules.denyFirst(rules);
      this.#byText.set(text, found);
    }
    return found;
  }
}
