import { problemOfRuleFilter, type Rule } from '../rules.js';
import { passwordInFileOf } from './password-in-file.js';

/** One line of a file of users. */
export type UserLine =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'superuser' }
  | { readonly kind: 'rule'; readonly rule: Rule }
  /** @param password '': by its client id alone */
  | { readonly kind: 'user' | 'client'; readonly name: string; readonly password: string }
  /** @param problem a sentence that says what to do, without the password */
  | { readonly kind: 'bad'; readonly problem: string };

/** A string of MQTT has at most so many; a user name in CONNECT has fewer. */
const nameBytesMax = 65_535;

/** @param text without its line break */
export function userLineOf(text: string): UserLine {
  const line = text.trim();
  if (line === '' || line.startsWith('#')) return nothing;
  if (line === 'superuser') return superuser;
  const [word] = /^[^\s:]+(?=\s|$)/.exec(line) ?? [];
  const rest = line.slice(word?.length ?? 0).trimStart();
  if (word === 'allow' || word === 'deny') return ruleLineOf(word, rest);
  if (word === 'user' || word === 'client') return namedLineOf(word, rest);
  const colon = line.indexOf(':');
  if (colon > 0) return entryOf('user', line.slice(0, colon), line.slice(colon + 1));
  return bad(
    'It is none that is known: write "user <name> <password hash>", "client <client id>", "superuser", "allow subscribe <filter>", or "<name>:<password hash>" as htpasswd does.',
  );
}

function ruleLineOf(permission: Rule['permission'], rest: string): UserLine {
  const [, action, filter] = /^(publish|subscribe|all)\s+(\S.*)$/s.exec(rest) ?? [];
  if (action === undefined || filter === undefined)
    return bad(
      `A rule says "${permission} publish", "${permission} subscribe" or "${permission} all", and a topic filter.`,
    );
  const problem = problemOfRuleFilter(filter);
  if (problem !== undefined) return bad(problem);
  return { kind: 'rule', rule: { permission, action: action as Rule['action'], filter } };
}

/** A name with spaces in it stands in double quotes, as a string of JSON. */
function namedLineOf(kind: 'user' | 'client', rest: string): UserLine {
  const [, quoted, plain, password = ''] =
    /^(?:("(?:[^"\\]|\\.)*")|([^\s"]\S*))(?:\s+(\S.*))?$/s.exec(rest) ?? [];
  const name = quoted === undefined ? plain : textIn(quoted);
  if (name === undefined)
    return bad(`Behind "${kind}" is a name, in double quotes where there is a space in it: ${kind} "a b".`);
  if (kind === 'client' && password === '') return checkedName(kind, name, '');
  return entryOf(kind, name, password);
}

function entryOf(kind: 'user' | 'client', name: string, password: string): UserLine {
  if (password === '')
    return bad(
      `User ${shown(name)} has no password: write its hash behind the name. Only a client id does without: "client <client id>".`,
    );
  const stored = passwordInFileOf(password);
  if (typeof stored === 'string') return bad(`${kind} ${shown(name)}: ${stored}`);
  return checkedName(kind, name, password);
}

function checkedName(kind: 'user' | 'client', name: string, password: string): UserLine {
  if (name === '' || name.includes('\0') || Buffer.byteLength(name) > nameBytesMax)
    return bad(`A name has 1 to ${nameBytesMax} bytes, and no NUL character.`);
  return { kind, name, password };
}

function textIn(quoted: string): string | undefined {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return undefined;
  }
}

/** The form of a name in a message. */
export function shown(name: string): string {
  return JSON.stringify(name.slice(0, 80));
}

function bad(problem: string): UserLine {
  return { kind: 'bad', problem };
}

const nothing: UserLine = { kind: 'nothing' };
const superuser: UserLine = { kind: 'superuser' };
