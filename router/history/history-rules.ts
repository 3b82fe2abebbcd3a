import { hasWildcard, InvalidFilterError, matches, problemOfFilter } from '../topic-filter.js';

/** How much history the ids of a topic filter have. */
export interface HistoryRule {
  filter: string;
  /** Number of messages of an id; 0 = these ids have no history. */
  messages: number;
  /** Age, seconds. */
  ageSec: number;
}

/**
 * Of an ordered list, the first rule that matches an id decides. Without a match an id has no history. `#` matches no
 * id that begins with $ [MQTT-4.7.2-1], so those have none unless a rule names them (`$devices/#`).
 */
export const defaultHistoryRules: readonly HistoryRule[] = [
  { filter: '$SYS/#', messages: 0, ageSec: 0 },
  { filter: '#', messages: 100, ageSec: 60 },
];

/** Most rules: each new id, and each message that must make room, searches all of them. */
const rulesMax = 1_000;
const filterBytesMax = 65_535;
/** 2^31 tenths of a second are 6.8 years. */
const ageSecMax = 100_000_000;
const messagesMax = 1_000_000;

/** Finds the rule of an id. Stores nothing for an id, so that ids without history take no memory. */
export class HistoryRules {
  readonly list: readonly HistoryRule[];
  readonly #matchers: ((id: string) => boolean)[];

  /** @throws InvalidFilterError, RangeError */
  constructor(rules: readonly HistoryRule[]) {
    if (rules.length > rulesMax) {
      throw new RangeError(`History has at most ${rulesMax} rules. Got ${rules.length}.`);
    }
    for (const rule of rules) assertRule(rule);
    this.list = rules.map((rule) => ({ ...rule }));
    this.#matchers = this.list.map(({ filter }) => matcherOf(filter));
  }

  /** @returns the index of the rule; -1 = the id has no history */
  of(id: string): number {
    for (let i = 0; i < this.#matchers.length; i++) {
      if (this.#matchers[i]!(id)) return this.list[i]!.messages === 0 ? -1 : i;
    }
    return -1;
  }
}

function assertRule({ filter, messages, ageSec }: HistoryRule): void {
  const problem = problemOfFilter(filter, filterBytesMax);
  if (problem !== undefined) throw new InvalidFilterError(filter, problem);
  if (!Number.isInteger(messages) || messages < 0 || messages > messagesMax) {
    throw new RangeError(
      `History keeps a whole number of messages, 0 to ${messagesMax}, of ${filter}. Got ${messages}.`,
    );
  }
  if (messages > 0 && !(ageSec > 0 && ageSec <= ageSecMax)) {
    throw new RangeError(
      `History keeps messages of ${filter} for more than 0 and at most ${ageSecMax} seconds. Got ${ageSec}.`,
    );
  }
}

/** The usual shapes are matched without splitting the id. */
function matcherOf(filter: string): (id: string) => boolean {
  if (filter === '#') return (id) => !id.startsWith('$');
  if (!hasWildcard(filter)) return (id) => id === filter;
  const parent = filter.slice(0, -2);
  if (filter.endsWith('/#') && !hasWildcard(parent)) {
    return (id) => id.startsWith(parent) && (id.length === parent.length || id[parent.length] === '/');
  }
  return (id) => matches(filter, id);
}
