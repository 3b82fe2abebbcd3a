import { isEscaped } from './escaped.js';

const tokenStart = 'eyJ';
/** Base64url of `{"alg":"…"}` is longer. */
const headerLengthMin = 16;
const mark = '[token]';

/**
 * Some clients give a JSON Web Token as client id or as user name, and ids may have one in them. It would let in whoever
 * reads the log, the dashboard or `$SYS`. A token begins with `{"` in base64url, and a dot stands behind its header
 * (RFC 7515 7.1). Looks at each character once, as a client id may have 64 KB.
 * @param text may be JSON, which stays JSON
 */
export function withoutTokens(text: string): string {
  let start = text.indexOf(tokenStart);
  if (start === -1) return text;
  let shown = '';
  let copied = 0;
  while (start !== -1) {
    let end = endOf(header, text, start);
    if (isInEscape(text, start)) end = start + 1;
    else if (text[end] === '.' && end - start >= headerLengthMin) {
      end = endOf(parts, text, end);
      shown += text.slice(copied, start) + mark;
      copied = end;
    }
    start = text.indexOf(tokenStart, end);
  }
  return shown + text.slice(copied);
}

/** The `e` belongs to an escape of JSON such as `\u001e`: without it the text would be no JSON. */
function isInEscape(text: string, at: number): boolean {
  const slash = at - 5;
  if (slash < 0 || !/^\\u[\da-f]{3}$/.test(text.slice(slash, at))) return false;
  return !isEscaped(text, slash); // the backslash may be escaped itself
}

const header = /[\w-]*/y;
const parts = /[\w.-]*/y;

function endOf(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from;
  pattern.test(text);
  return pattern.lastIndex;
}
