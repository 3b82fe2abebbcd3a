import { withoutTokens } from '../without-tokens.js';

/** A log line has so many characters of a client id, topic or filter: a client may send one of 64 KB. */
const loggedCharactersMax = 100;

export function loggedText(text: string): string {
  return withoutTokens(text).slice(0, loggedCharactersMax);
}
