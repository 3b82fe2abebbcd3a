import type { Credentials } from './authenticator.js';

/** Functions for keys of users in Redis, which templates describe, such as `mqtt_user:%u`: `%u` is the user name, `%c` the client id. */

export type NamesInKey = Pick<Credentials, 'userName' | 'clientId'>;

const placeholders = /%[uc]/g;

/** All names that are in the template are given, and no other names would make the same key. */
export function isFilled(template: string, names: NamesInKey): boolean {
  const { userName = '', clientId = '' } = names;
  if (template.includes('%u') && userName === '') return false;
  if (template.includes('%c') && clientId === '') return false;
  return !isAmbiguous(template, names);
}

/** The replacement is a function, as `$&` in a name would mean something in a text. */
export function keyOf(template: string, names: NamesInKey): string {
  return template.replace(placeholders, (placeholder) => nameOf(placeholder, names));
}

/** `%u:%c` makes one key of `a` and `b:c`, and of `a:b` and `c`: the password of the one would let in as the other. */
export function isAmbiguous(template: string, names: NamesInKey): boolean {
  if (!template.includes('%u') || !template.includes('%c')) return false;
  for (const { before, separator, behind } of joinsOf(template)) {
    const joined = `${nameOf(before, names)}${separator}${nameOf(behind, names)}`;
    const at = nameOf(before, names).length;
    if (joined.indexOf(separator) !== at || joined.lastIndexOf(separator) !== at) return true;
  }
  return false;
}

/** Whether nothing stands between the user name and the client id: no names would be safe in such a key. */
export function hasJoinedNames(template: string): boolean {
  return joinsOf(template).some(({ separator }) => separator === '');
}

interface Join {
  readonly before: string;
  readonly separator: string;
  readonly behind: string;
}

/** The places of a template where one name ends and another one follows. */
function joinsOf(template: string): Join[] {
  const parts = template.split(/(%[uc])/); // text, placeholder, text, …
  const joins: Join[] = [];
  for (let at = 1; at + 2 < parts.length; at += 2) {
    const [before, separator, behind] = [parts[at]!, parts[at + 1]!, parts[at + 2]!];
    if (before !== behind) joins.push({ before, separator, behind });
  }
  return joins;
}

function nameOf(placeholder: string, { userName = '', clientId = '' }: NamesInKey): string {
  return placeholder === '%u' ? userName : clientId;
}

/** A glob of Redis for the keys of all users. */
export function globOf(template: string): string {
  return template
    .split(/%[uc]/)
    .map((text) => text.replace(/[\\*?[\]^]/g, '\\$&'))
    .join('*');
}

/** @returns the names in a key, or undefined where the template does not make such a key */
export function namesInKeyOf(template: string): (key: string) => NamesInKey | undefined {
  const seen = new Set<string>();
  const source = template.split(/(%[uc])/).map((part) => {
    if (part !== '%u' && part !== '%c') return part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    const group = part === '%u' ? 'userName' : 'clientId';
    if (seen.has(part)) return `\\k<${group}>`;
    seen.add(part);
    return `(?<${group}>.*?)`;
  });
  const pattern = new RegExp(`^${source.join('')}$`, 's');
  return (key) => pattern.exec(key)?.groups as NamesInKey | undefined;
}
