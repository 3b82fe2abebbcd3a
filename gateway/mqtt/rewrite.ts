import { matches } from '../../router/topic-filter.js';
import { ConfigError } from '../config.js';

interface Rule {
  readonly filter: string;
  readonly pattern: RegExp;
  readonly replacement: string;
}

/** Topics that are changed as they come in, by the operator's rules: the first whose filter and pattern both fit. */
export class Rewrite {
  readonly #publish: Rule[] = [];
  readonly #subscribe: Rule[] = [];

  /**
   * @param rules `pub|sub|all <filter> <regular expression> <topic with $1>`
   * @throws ConfigError
   */
  constructor(rules: readonly string[]) {
    for (const text of rules) {
      const [what, filter, pattern, replacement] = text.split(' ') as [string, string, string, string];
      const rule = { filter, pattern: compile(pattern, text), replacement };
      if (what !== 'sub') this.#publish.push(rule);
      if (what !== 'pub') this.#subscribe.push(rule);
    }
  }

  publishTopic(topic: string): string {
    return this.#publish.length === 0 ? topic : apply(this.#publish, topic);
  }

  subscribeFilter(filter: string): string {
    return this.#subscribe.length === 0 ? filter : apply(this.#subscribe, filter);
  }
}

function compile(pattern: string, rule: string): RegExp {
  try {
    return new RegExp(pattern, 'u');
  } catch (error) {
    throw new ConfigError(
      `--mqtt-rewrite must hold rules with a regular expression, not ${JSON.stringify(rule)}: ${(error as Error).message}.`,
    );
  }
}

function apply(rules: readonly Rule[], topic: string): string {
  for (const { filter, pattern, replacement } of rules) {
    if (matches(filter, topic) && pattern.test(topic)) return topic.replace(pattern, replacement);
  }
  return topic;
}
