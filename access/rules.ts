import { coversAll, type Names, overlaps } from './rule-match.js';

export type AccessAction = 'publish' | 'subscribe';
export type Permission = 'allow' | 'deny';

/** One line of what a user may do. */
export interface Rule {
  readonly permission: Permission;
  readonly action: AccessAction | 'all';
  /** A topic filter. `%u` in it stands for the user name, `%c` for the client id. */
  readonly filter: string;
}

/**
 * The rules of a user, in order: the first one that is about what is asked decides, as in EMQ's `acl.conf`. An allow
 * rule has to match all topics of a filter that is subscribed to, a deny rule only one of them; else a subscription to
 * `#` would read what `deny secret/#` keeps.
 *
 * Users by the hundred thousand have 20 rules each, so all rules of one are a single string, and a rule costs its filter
 * and three bytes:
 *
 *     bits, length, length of what stands before the first wildcard or name, filter, bits, …
 */
export class Rules {
  static readonly none = new Rules('');
  readonly #packed: string;

  private constructor(packed: string) {
    this.#packed = packed;
  }

  /** @throws RangeError for what `problemOfRuleFilter` finds wrong */
  static inOrder(rules: readonly Rule[]): Rules {
    return new Rules(rules.map(pack).join(''));
  }

  /** Packs rules that have no order, such as fields of a hash in Redis or claims of a token. */
  static denyFirst(rules: readonly Rule[]): Rules {
    const denies = rules.filter(({ permission }) => permission === 'deny');
    return Rules.inOrder([...denies, ...rules.filter(({ permission }) => permission === 'allow')]);
  }

  /** Takes back what `text` gave, as on another node. */
  static ofText(text: string): Rules {
    return text === '' ? Rules.none : new Rules(text);
  }

  /** All of them, in the form in which they are kept. */
  get text(): string {
    return this.#packed;
  }

  /** About the bytes that the rules take in memory. */
  get bytes(): number {
    return 48 + this.#packed.length;
  }

  /** @returns undefined where no rule is about it */
  permissionOf(
    userName: string | undefined,
    clientId: string | undefined,
    action: AccessAction,
    topicOrFilter: string,
  ): Permission | undefined {
    const packed = this.#packed;
    if (packed === '') return undefined;
    const actionBit = bitOf[action];
    const isTopic = !topicOrFilter.includes('+') && !topicOrFilter.includes('#');
    let names: Names = noNames;
    for (let start = 0; start < packed.length; ) {
      const bits = packed.charCodeAt(start);
      const from = start + 3;
      const end = from + packed.charCodeAt(start + 1);
      const literal = packed.charCodeAt(start + 2);
      start = end;
      if ((bits & actionBit) === 0) continue;
      // The rules of a device begin alike: a look at where they differ spares most walks.
      if (isTopic && literal > 0) {
        if (literal === end - from && literal !== topicOrFilter.length) continue;
        if (packed.charCodeAt(from + literal - 1) !== topicOrFilter.charCodeAt(literal - 1)) continue;
      }
      if ((bits & templateBit) !== 0 && names === noNames)
        names = { user: safeName(userName), client: safeName(clientId) };
      if ((bits & denyBit) === 0) {
        if (coversAll(packed, from, end, topicOrFilter, names)) return 'allow';
      } else if (overlaps(packed, from, end, topicOrFilter, names)) return 'deny';
    }
    return undefined;
  }
}

const bitOf = { publish: 1, subscribe: 2, all: 3 } as const;
const denyBit = 4;
const templateBit = 8;

/** Most rules that one user brings along: fields of a hash in Redis, or entries of a claim. */
export const rulesMax = 1_000;

/** A topic filter has at most so many characters [MQTT-4.7.3-3]; and one UTF-16 unit says how many. */
const filterLengthMax = 65_535;

function pack({ permission, action, filter }: Rule): string {
  const problem = problemOfRuleFilter(filter);
  if (problem !== undefined) throw new RangeError(`${problem} Got ${JSON.stringify(filter.slice(0, 80))}.`);
  const bits =
    bitOf[action] | (permission === 'deny' ? denyBit : 0) | (/%[uc]/.test(filter) ? templateBit : 0);
  return String.fromCharCode(bits, filter.length, literalLength(filter)) + filter;
}

/** Length of the part that a topic must begin with; "a/#" matches "a", too. */
function literalLength(filter: string): number {
  const special = filter.search(/[+#]|%[uc]/);
  if (special === -1) return filter.length;
  return filter[special] === '#' && special > 0 ? special - 1 : special;
}

/** Says what keeps this text from being the filter of a rule, or undefined. */
export function problemOfRuleFilter(filter: string): string | undefined {
  if (filter === '') return 'The topic filter of a rule is at least one character long.';
  if (filter.length > filterLengthMax)
    return `The topic filter of a rule has at most ${filterLengthMax} characters.`;
  if (filter.includes('\0')) return 'The topic filter of a rule has no NUL character.';
  if (/[^/]#|#.|[^/]\+|\+[^/]/s.test(filter))
    return 'In a topic filter, + is a whole level, and # is the whole last level.'; // [MQTT-4.7.1-2], [MQTT-4.7.1-3]
  return undefined;
}

/** @param text as in --acl-rules: `allow subscribe user/%u/#` */
export function ruleOf(text: string): Rule {
  const [permission, action, filter] = text.split(' ');
  return { permission, action, filter } as Rule;
}

/** For rules without placeholders; in others they are looked at first. */
const noNames: Names = { user: undefined, client: undefined };

/** A name that is more than one level, or a wildcard, must not widen a rule. @returns '' for such a name */
function safeName(name: string | undefined): string | undefined {
  return name !== undefined && /[/+#\0]/.test(name) ? '' : name;
}
