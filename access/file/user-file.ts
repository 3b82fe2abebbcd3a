import { isUtf8 } from 'node:buffer';
import { constants, open } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Rule, Rules, rulesMax } from '../rules.js';
import { shown, type UserLine, userLineOf } from './user-line.js';

/** A user, or a client id. */
export interface FileUser {
  /** The password in a form that `passwordInFileOf` reads. '': a client id that needs none. */
  readonly password: string;
  readonly isSuperuser: boolean;
  readonly rules: Rules;
}

/** All that a file of users says. */
export interface UserFile {
  readonly users: ReadonlyMap<string, FileUser>;
  readonly clients: ReadonlyMap<string, FileUser>;
  /** Rules for all users, of whichever authenticator. */
  readonly commonRules: readonly Rule[];
}

/** The file cannot be used. The message names the line and the remedy, and no password. */
export class UserFileError extends Error {
  override readonly name = 'UserFileError';
}

/** Longest time in which the loop does nothing else. */
const sliceMs = 5;
const linesBetweenLooks = 64;

/** @throws UserFileError, or that of the file system */
export async function readUserFile(path: string, bytesMax: number): Promise<UserFile> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK); // a pipe would wait for a writer
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw new UserFileError('it is no file.');
    if (stats.size > bytesMax)
      throw new UserFileError(
        `it has ${stats.size} bytes, and at most ${bytesMax} are read: raise --auth-file-bytes-max.`,
      );
    const bytes = Buffer.allocUnsafe(stats.size);
    const { bytesRead } = await file.read(bytes, 0, stats.size, 0);
    return await parseUserFile(bytes.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}

/**
 * Reads a file of users. In slices: a hundred thousand users take longer than a turn of the loop may.
 *
 *     deny all secret/#                      rules for all stand before the first user
 *     user alice $2y$10$…
 *       allow all user/%u/#                  rules of alice, in order
 *     bob:$2y$10$…                           as htpasswd and mosquitto_passwd write it
 *     user root {plain}secret
 *       superuser
 *     client sensor-17                       let in by its client id alone
 *     client "sensor 18" {sha256}5e88…
 *
 * @throws UserFileError
 */
export async function parseUserFile(bytes: Buffer): Promise<UserFile> {
  if (!isUtf8(bytes)) throw new UserFileError('it is not UTF-8: save it as UTF-8.');
  const reading = new UserFileReading();
  const start = bytes.indexOf(byteOrderMark) === 0 ? byteOrderMark.length : 0;
  let sliceEndMs = performance.now() + sliceMs;
  for (let from = start, lineNumber = 1; from < bytes.length; lineNumber++) {
    const lineFeed = bytes.indexOf('\n', from);
    const end = lineFeed === -1 ? bytes.length : lineFeed;
    reading.take(userLineOf(bytes.toString('utf8', from, end)), lineNumber);
    from = end + 1;
    if (lineNumber % linesBetweenLooks !== 0 || performance.now() < sliceEndMs) continue;
    await nextTurn();
    sliceEndMs = performance.now() + sliceMs;
  }
  return reading.end();
}

const byteOrderMark = Buffer.from('\ufeff');

/** A user whose lines are being read. */
interface OpenEntry {
  readonly entries: Map<string, FileUser>;
  readonly name: string;
  readonly password: string;
  isSuperuser: boolean;
  readonly rules: Rule[];
}

class UserFileReading {
  readonly #users = new Map<string, FileUser>();
  readonly #clients = new Map<string, FileUser>();
  readonly #commonRules: Rule[] = [];
  /** Rules by their text: many users have the same ones, as these have `%u` in them. */
  readonly #rulesByText = new Map<string, Rules>();
  #open: OpenEntry | undefined;

  take(line: UserLine, lineNumber: number): void {
    const problem = this.#problemOf(line);
    if (problem !== undefined) throw new UserFileError(`line ${lineNumber}: ${problem}`);
  }

  end(): UserFile {
    this.#close();
    return { users: this.#users, clients: this.#clients, commonRules: this.#commonRules };
  }

  #problemOf(line: UserLine): string | undefined {
    if (line.kind === 'bad') return line.problem;
    if (line.kind === 'superuser') return this.#makeSuperuser();
    if (line.kind === 'rule') return this.#addRule(line.rule);
    if (line.kind === 'nothing') return undefined;
    this.#close();
    const { kind, name, password } = line;
    const entries = kind === 'user' ? this.#users : this.#clients;
    this.#open = { entries, name, password, isSuperuser: false, rules: [] };
    return entries.has(name)
      ? `${kind} ${shown(name)} is in the file already: leave one of them out.`
      : undefined;
  }

  #makeSuperuser(): string | undefined {
    if (this.#open === undefined) return '"superuser" stands below the user that is one.';
    if (this.#open.password === '')
      return '"superuser" is for those that have a password: anybody can give a client id.';
    this.#open.isSuperuser = true;
    return undefined;
  }

  #addRule(rule: Rule): string | undefined {
    const rules = this.#open?.rules ?? this.#commonRules;
    rules.push(rule);
    return rules.length > rulesMax ? `A user has at most ${rulesMax} rules.` : undefined;
  }

  #close(): void {
    if (this.#open === undefined) return;
    const { entries, name, password, isSuperuser, rules } = this.#open;
    entries.set(name, { password, isSuperuser, rules: this.#shared(rules) });
    this.#open = undefined;
  }

  #shared(rules: readonly Rule[]): Rules {
    if (rules.length === 0) return Rules.none;
    const text = JSON.stringify(rules);
    let found = this.#rulesByText.get(text);
    if (found === undefined) {
      found = Rules.inOrder(rules);
      this.#rulesByText.set(text, found);
    }
    return found;
  }
}
