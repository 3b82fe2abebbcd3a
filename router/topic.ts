/**
 * The shape of an id. An id is an MQTT topic name: a browser on `/test/123` receives what a device publishes to topic
 * `123`. All transports share one namespace.
 */

/** [MQTT-4.7.3-3] allows 65,535, but an id must also fit into a request head. */
export const idBytesMaxDefault = 1024;

/**
 * The trees of filters and of retained messages have a node for each level: 65,535 bytes of slashes would take 5 MB.
 */
export const topicLevelsMaxDefault = 128;

export type IdProblem = 'empty' | 'too-long' | 'too-many-levels' | 'wildcard' | 'nul' | 'not-unicode';

/** A sentence with the remedy for each kind of bad id. */
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
 * @returns the fault of `id`; undefined if it is valid
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

/** Checks for ids and filters: the limit in bytes, and well-formed Unicode. */
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

/** Thrown by the router's calls for a value that is no id. */
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

/**
 * Only the server speaks under `$SYS`. A PUBLISH to it from a client is acknowledged and goes nowhere [MQTT-3.3.5-2];
 * a send to it through the router API or the global name is refused.
 */
export function isServerTopic(topic: string): boolean {
  return topic === '$SYS' || topic.startsWith('$SYS/');
}

/**
 * Characters that MQTT advises against in a string, and lets a receiver close the connection for (1.5.3): control characters,
 * U+0001 to U+001F and U+007F to U+009F, and the code points that Unicode says are no characters.
 */
const inadvisable = /[\p{Cc}\p{Noncharacter_Code_Point}]/u;

export function hasControlCharacter(text: string): boolean {
  return inadvisable.test(text);
}
