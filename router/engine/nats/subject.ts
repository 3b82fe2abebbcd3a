/**
 * Topics as NATS subjects and back: `user/123` is `user.123`. Every legal id survives the round trip; what a token may
 * not hold, or would mean something else in, is percent-encoded:
 *
 *     a/b            a.b           a level is a token
 *     a//b           a.%.b         a token is never empty; % alone is nothing else
 *     10.5 kg/>*     10%2E5%20kg.%3E%2A
 *     a/+/b   a/#    a.*.b   a and a.>      # matches its parent, too; > does not  [MQTT-4.7.1-2]
 */

/** The client refuses all that \s matches, which is more than the server minds. */
const encoded = /[\s.*>%\u0000-\u001f\u007f]/gu;
const needsEncoding = /[\s.*>%\u0000-\u001f\u007f]|^\/|\/\/|\/$|^$/u;

/** @param id a valid one */
export function subjectOfId(id: string): string {
  if (!needsEncoding.test(id)) return id.replaceAll('/', '.');
  return id.split('/').map(tokenOf).join('.');
}

/** @param filter a valid id or filter @returns what to subscribe to, so that every id that it matches is received */
export function subjectsOfFilter(filter: string): string[] {
  const levels = filter.split('/');
  const many = levels.at(-1) === '#';
  if (many) levels.pop();
  const tokens = levels.map((level) => (level === '+' ? '*' : tokenOf(level)));
  if (!many) return [tokens.join('.')];
  return tokens.length === 0 ? ['>'] : [tokens.join('.'), `${tokens.join('.')}.>`];
}

/**
 * @param subject made by `subjectOfId`
 * @throws URIError for one that was not
 */
export function idOfSubject(subject: string): string {
  if (!subject.includes('%')) return subject.replaceAll('.', '/');
  return subject.split('.').map(levelOf).join('/');
}

function tokenOf(level: string): string {
  return level === '' ? '%' : level.replace(encoded, percentEncoded);
}

/** encodeURIComponent leaves some of them as they are. */
function percentEncoded(character: string): string {
  let text = '';
  for (const byte of Buffer.from(character)) text += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return text;
}

function levelOf(token: string): string {
  return token === '%' ? '' : decodeURIComponent(token);
}
