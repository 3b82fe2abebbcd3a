import { mosquittoPbkdf2, mosquittoSha512, type PasswordCheck, passwordCheckOf } from '../password-check.js';
import { passwordHashShape } from '../password-hash.js';

/** A password as a file of users has it, with the check that goes with its form. */
export interface PasswordInFile {
  readonly check: PasswordCheck;
  readonly stored: string;
  readonly salt: string;
}

/** A check with a higher cost holds a thread for ten seconds. */
const bcryptCostMax = 16;

const bcryptShape = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
const mosquittoSha512Shape = /^\$6\$[A-Za-z0-9+/]{8,}={0,2}\$[A-Za-z0-9+/]{86}==$/;
const mosquittoPbkdf2Shape = /^\$7\$[1-9]\d{0,6}\$[A-Za-z0-9+/]{8,}={0,2}\$[A-Za-z0-9+/]{86}==$/;
/** `{salt,sha256}NaCl$5e88…`: the name of the form in braces, as Dovecot and LDAP servers write it. */
const namedShape = /^\{([^{}]+)\}(.*)$/s;

/**
 * @param text `$2y$…` (bcrypt), `$6$…` or `$7$…` (mosquitto_passwd), or a form of `passwordHashShape` in braces with what
 * is stored behind it, a salt and `$` before the hash
 * @returns what is wrong with it, as a sentence that does not have it, where something is
 */
export function passwordInFileOf(text: string): PasswordInFile | string {
  const cost = bcryptShape.exec(text)?.[1];
  if (cost !== undefined) return bcryptOf(text, Number(cost));
  if (mosquittoPbkdf2Shape.test(text)) return { check: mosquittoPbkdf2, stored: text, salt: '' };
  if (mosquittoSha512Shape.test(text)) return { check: mosquittoSha512, stored: text, salt: '' };
  const [, form, rest] = namedShape.exec(text) ?? [];
  if (form === undefined || rest === undefined || !passwordHashShape.test(form)) return unknownForm;
  if (form === 'bcrypt') return passwordInFileOf(rest);
  return namedOf(form, rest);
}

function bcryptOf(stored: string, cost: number): PasswordInFile | string {
  if (cost >= 4 && cost <= bcryptCostMax) return { check: passwordCheckOf('bcrypt'), stored, salt: '' };
  return `Its bcrypt hash has a cost of ${cost}: make it with one from 4 to ${bcryptCostMax}, as in "htpasswd -B -C 10".`;
}

function namedOf(form: string, rest: string): PasswordInFile | string {
  if (form === 'plain')
    return rest === ''
      ? 'Its password is empty: write one behind {plain}.'
      : { check: passwordCheckOf(form), stored: rest, salt: '' };
  const dollar = rest.lastIndexOf('$');
  const stored = rest.slice(dollar + 1);
  const salt = rest.slice(0, Math.max(0, dollar));
  const isSalted = form.includes('salt') || form.startsWith('pbkdf2');
  if (isSalted && salt === '') return `{${form}} wants "<salt>$<hash>" behind it.`;
  if (!isSalted && dollar !== -1) return `{${form}} has no salt: write the hash alone behind it.`;
  const digits = 2 * bytesOf(form);
  if (stored.length !== digits || !/^[0-9a-f]*$/i.test(stored))
    return `A hash of {${form}} has ${digits} hexadecimal digits.`;
  return { check: passwordCheckOf(form), stored, salt };
}

function bytesOf(form: string): number {
  if (form.startsWith('pbkdf2')) return Number(form.split(',')[3]);
  return form.includes('md5') ? 16 : 32;
}

const unknownForm =
  'Its password is in no form that is known: make the line with "htpasswd -nB <name>" or "mosquitto_passwd", or write {plain}, {sha256}, {salt,sha256}, {bcrypt} or another form of --auth-redis-password-hash before it.';
