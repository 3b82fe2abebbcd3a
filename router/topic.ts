/**
 * The shape of an id. An id is an MQTT topic name, so that what a device publishes to topic `123`
 * is what a browser on `/test/123` receives: one namespace for all transports.
 */

/** [MQTT-4.7.3-3] allows 65,535; an id also has to fit a request line, whose head is 4,096 bytes by default. */
export const idBytesMaxDefault = 1024;

/** Levels are what the trees of filters and of retained messages have nodes for: 65,535 bytes of slashes would be 5 MB. */
export const topicLevelsMaxDefault = 128;

export type IdProblem = 'empty' | 'too-long' | 'too-many-levels' | 'wildcard' | 'nul' | 'not-unicode';

/** The fault of each kind of bad id, as a sentence that says how to mend it. */
export const idProblemText: Record<IdProblem, string> = {
  empty: 'An id is at least one character long.',
  'too-long': 'The id is longer than this server accepts.',
  'too-many-levels': 'The id has more levels (parts between slashes) than this server accepts.',
  wildcard: 'An id has no + and no #: those are wildcards of topic filters.', // [MQTT-4.7.1-1]
  nul: 'An id has no NUL character.', // [MQTT-4.7.3-2]
  'not-unicode': 'An id is well-formed UTF-8.', // [MQTT-1.5.3-1]
};

const nul = 0x00;
const hash = 0x23;
const plus = 0x2b;
const slash = 0x2f;

/**
 * Says what keeps `id` from being one, or undefined when it is fine.
 * @param bytesMax limit in bytes of UTF-8
 */
export function problemOfId(
  id: string,
  bytesMax: number,
  levelsMax = topicLevelsMaxDefault,
): IdProblem | undefined {
  if (id.length === 0) return 'empty';
  let ascii = true;
  let levels = 1;
  for (let i = 0; i < id.length; i++) {
    const unit = id.charCodeAt(i);
    if (unit === plus || unit === hash) return 'wildcard';
    if (unit === nul) return 'nul';
    if (unit === slash) levels++;
    if (unit > 0x7f) ascii = false;
  }
  return problemOfSize(id, ascii, bytesMax) ?? (levels > levelsMax ? 'too-many-levels' : undefined);
}

/** The part that ids and filters have in common: the limit in bytes, and that all of it can be written as UTF-8. */
export function problemOfSize(
  text: string,
  ascii: boolean,
  bytesMax: number,
): 'too-long' | 'not-unicode' | undefined {
  if (ascii) return text.length > bytesMax ? 'too-long' : undefined;
  if (!isWellFormed(text)) return 'not-unicode';
  return Buffer.byteLength(text) > bytesMax ? 'too-long' : undefined;
}

/** String.prototype.isWellFormed is in Node 20, but not in the ES2023 library types. */
export function isWellFormed(text: string): boolean {
  return (text as string & { isWellFormed(): boolean }).isWellFormed();
}

/** Thrown by the router's own calls when a program hands them something that is not an id. */
export class InvalidIdError extends RangeError {
  readonly code = 'ERR_ENCKE_INVALID_ID';
  readonly problem: IdProblem;

  constructor(id: string, problem: IdProblem) {
    super(`${idProblemText[problem]} Got ${JSON.stringify(id.slice(0, 80))}.`);
    this.name = 'InvalidIdError';
    this.problem = problem;
  }
}

/** The levels of an id or topic filter: one more than it has slashes. */
export function levelsOf(text: string): number {
  let levels = 1;
  for (let at = text.indexOf('/'); at !== -1; at = text.indexOf('/', at + 1)) levels++;
  return levels;
}
