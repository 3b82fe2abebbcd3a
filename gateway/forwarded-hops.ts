import { isEscaped } from './escaped.js';

/** The `for` of an element of `Forwarded`, and the list without that element. */
export interface ForwardedHop {
  /** Undefined where the element does not say it, or is malformed; then nothing further left is to be read. */
  readonly node: string | undefined;
  readonly rest: string;
}

const tokenCharacter = /[!#$%&'*+.^_`|~\w-]/;
/** More than a token: many proxies write IPv6 and ports without the quotes that RFC 7239 6 wants. */
const bareCharacter = /[^\s",;=\\]/;

/**
 * Reads the last element of a `Forwarded` list (RFC 7239 4), from its end: a proxy has added it to what a client may have
 * written, and a quote that the client leaves open, or escapes, is not to hide or to change it. Read from the end, a quote
 * that has no backslash before it begins a value, and must stand behind `=`.
 */
export function lastForwardedHop(list: string): ForwardedHop {
  let node: string | undefined;
  let left = list.trimEnd();
  for (;;) {
    const value = left.endsWith('"') ? quotedAtEnd(left) : runAtEnd(left, bareCharacter);
    if (value === '') return malformed;
    left = left.slice(0, -value.length);
    if (!left.endsWith('=')) return malformed;
    left = left.slice(0, -1);
    const name = runAtEnd(left, tokenCharacter);
    if (name === '') return malformed;
    left = left.slice(0, -name.length).trimEnd();
    if (name.toLowerCase() === 'for') {
      if (node !== undefined) return malformed; // once in each element
      node = value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value;
    }
    if (left === '' || left.endsWith(',')) return { node, rest: left.slice(0, -1) };
    if (!left.endsWith(';')) return malformed;
    left = left.slice(0, -1).trimEnd();
  }
}

const malformed: ForwardedHop = { node: undefined, rest: '' };

/** Character by character from the end: a regular expression would begin at each one of the text. */
function runAtEnd(text: string, character: RegExp): string {
  let from = text.length;
  while (from > 0 && character.test(text[from - 1]!)) from--;
  return text.slice(from);
}

/** Reads the quoted string at the end of a text, with its quotes. @returns nothing where it has no begin or no end */
function quotedAtEnd(text: string): string {
  if (isEscaped(text, text.length - 1)) return '';
  for (let at = text.lastIndexOf('"', text.length - 2); at > 0; at = text.lastIndexOf('"', at - 1))
    if (!isEscaped(text, at)) return text.slice(at);
  return '';
}
