import { problemOfSize, topicLevelsMaxDefault } from './topic.js';

/**
 * The shape of a topic filter: an id whose levels may be `+` (any one level), and whose last level may be `#` (any
 * number of levels, including none). A filter without wildcards is an id, and matches only that id.
 */

export type FilterProblem =
  | 'empty'
  | 'too-long'
  | 'too-many-levels'
  | 'plus-in-level'
  | 'hash-in-level'
  | 'hash-not-last'
  | 'nul'
  | 'not-unicode';

/** A sentence with the remedy for each kind of bad filter. */
export const filterProblemText: Record<FilterProblem, string> = {
  empty: 'A topic filter is at least one character long.', // [MQTT-4.7.3-1]
  'too-long': 'The topic filter is longer than this server accepts.',
  'too-many-levels': 'The topic filter has more levels (parts between slashes) than this server accepts.',
  'plus-in-level': 'In a topic filter, + stands alone between slashes: a/+/b, not a+/b.', // [MQTT-4.7.1-3]
  'hash-in-level': 'In a topic filter, # stands alone after the last slash: a/#, not a#.', // [MQTT-4.7.1-2]
  'hash-not-last': 'In a topic filter, # is the last character: a/#, not a/#/b.', // [MQTT-4.7.1-2]
  nul: 'A topic filter has no NUL character.', // [MQTT-4.7.3-2]
  'not-unicode': 'A topic filter is well-formed UTF-8.', // [MQTT-1.5.3-1]
};

/** Faults of filters that the standard allows, but a limit of this server does not. */
export const beyondThisServer: ReadonlySet<FilterProblem> = new Set(['too-long', 'too-many-levels']);

const nul = 0x00;
const hash = 0x23;
const plus = 0x2b;
const slash = 0x2f;

/**
 * @returns the fault of `filter`; undefined if it is valid
 * @param bytesMax limit in bytes of UTF-8
 */
export function problemOfFilter(
  filter: string,
  bytesMax: number,
  levelsMax = topicLevelsMaxDefault,
): FilterProblem | undefined {
  if (filter.length === 0) return 'empty';
  let ascii = true;
  let levels = 1;
  for (let i = 0; i < filter.length; i++) {
    const unit = filter.charCodeAt(i);
    if (unit === hash && i !== filter.length - 1) return 'hash-not-last';
    if (unit === hash && !beginsLevel(filter, i)) return 'hash-in-level';
    if (unit === plus && !(beginsLevel(filter, i) && endsLevel(filter, i))) return 'plus-in-level';
    if (unit === nul) return 'nul';
    if (unit === slash) levels++;
    if (unit > 0x7f) ascii = false;
  }
  return problemOfSize(filter, ascii, bytesMax) ?? (levels > levelsMax ? 'too-many-levels' : undefined);
}

/** Only of a valid filter. */
export function hasWildcard(filter: string): boolean {
  return filter.includes('+') || filter.endsWith('#');
}

/**
 * Whether a valid filter matches an id (section 4.7), for single pairs (access rules, rewriting). TopicTree matches
 * many filters.
 */
export function matches(filter: string, id: string): boolean {
  const wanted = filter.split('/');
  const levels = id.split('/');
  if (id.startsWith('$') && (wanted[0] === '+' || wanted[0] === '#')) return false; // [MQTT-4.7.2-1]
  for (const [at, level] of wanted.entries()) {
    if (level === '#') return true; // a/# also matches a
    if (at === levels.length || (level !== '+' && level !== levels[at])) return false;
  }
  return wanted.length === levels.length;
}

function beginsLevel(filter: string, i: number): boolean {
  return i === 0 || filter.charCodeAt(i - 1) === slash;
}

function endsLevel(filter: string, i: number): boolean {
  return i === filter.length - 1 || filter.charCodeAt(i + 1) === slash;
}

/** Thrown by the router's calls for a value that is no topic filter. */
export class InvalidFilterError extends RangeError {
  readonly code = 'ERR_ENCKE_INVALID_FILTER';
  readonly problem: FilterProblem;

  constructor(filter: string, problem: FilterProblem) {
    super(`${filterProblemText[problem]} Got ${JSON.stringify(filter.slice(0, 80))}.`);
    this.name = 'InvalidFilterError';
    this.problem = problem;
  }
}
