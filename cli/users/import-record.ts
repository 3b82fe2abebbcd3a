import { hasJoinedNames, type NamesInKey } from '../../access/key-template.js';
import { problemOfRuleFilter, rulesMax } from '../../access/rules.js';
import { problemOfPassword, type StoredPassword } from '../../access/stored-password.js';
import { problemOfNames } from '../../access/user-names.js';
import { type AllowedByFilter, rulesAllowing } from '../../access/user-store.js';
import { fieldsOf } from './csv-fields.js';

/** The user of a line. It has a password that is still to be hashed, or one that is hashed already. */
export interface ImportedUser {
  readonly names: NamesInKey;
  readonly password: string | undefined;
  readonly stored: StoredPassword | undefined;
  readonly isSuperuser: boolean;
  readonly rules: AllowedByFilter;
}

/** A line that is no user. The message ends a sentence that begins with the number of the line. */
export class BadLine extends Error {
  override readonly name = 'BadLine';
}

export interface RecordOptions {
  readonly userKey: string;
  readonly aclKey: string;
  readonly passwordHash: string;
}

const columns = ['name', 'clientId', 'password', 'hash', 'salt', 'superuser', 'subs', 'pubs'] as const;
type Column = (typeof columns)[number];
type Fields = Partial<Record<Column, unknown>>;

/** It separates the filters in a cell of CSV. */
const filterSeparator = ';';

/**
 * Reads users of lines, in one of two forms, which the first line tells:
 *
 *     {"name":"alice","password":"secret","superuser":false,"subs":["user/alice/#"],"pubs":["user/alice/out"]}
 *
 *     name,password,superuser,subs,pubs
 *     alice,secret,0,user/alice/#;room/7,user/alice/out
 */
export class RecordReader {
  readonly #options: RecordOptions;
  /** The columns of CSV; undefined where lines are JSON. */
  readonly #header: readonly Column[] | undefined;

  /** @throws BadLine where the first line is neither JSON nor a header */
  constructor(firstLine: string, options: RecordOptions) {
    this.#options = options;
    if (!firstLine.trimStart().startsWith('{')) this.#header = headerOf(firstLine);
  }

  get hasHeader(): boolean {
    return this.#header !== undefined;
  }

  /** @throws BadLine */
  read(line: string): ImportedUser {
    return this.#userOf(this.#header === undefined ? jsonOf(line) : cellsOf(line, this.#header));
  }

  #userOf(fields: Fields): ImportedUser {
    const { userKey, aclKey, passwordHash } = this.#options;
    const names = namesIn(fields, userKey, aclKey);
    const password = textOf('password', fields.password);
    const hash = textOf('hash', fields.hash);
    const salt = textOf('salt', fields.salt);
    if ((password === undefined) === (hash === undefined))
      throw new BadLine('it needs a password or a hash, one of them.');
    if (salt !== undefined && hash === undefined)
      throw new BadLine('a salt goes with a hash: a password is given one of its own.');
    const problem = password === undefined ? undefined : problemOfPassword(passwordHash, password);
    if (problem !== undefined) throw new BadLine(problem);
    return {
      names,
      password,
      stored: hash === undefined ? undefined : { password: hash, salt: salt ?? '' },
      isSuperuser: truthOf(fields.superuser),
      rules: rulesIn(fields),
    };
  }
}

function headerOf(line: string): Column[] {
  const header = fieldsOf(line);
  const known = header?.map((cell) => columns.find((column) => column === cell.trim()));
  if (known === undefined || known.includes(undefined) || new Set(known).size < known.length)
    throw new BadLine(`it is neither JSON nor a header of CSV with columns of: ${columns.join(', ')}.`);
  return known as Column[];
}

function cellsOf(line: string, header: readonly Column[]): Fields {
  const cells = fieldsOf(line);
  if (cells === undefined) throw new BadLine('a quote in it is not closed, or stands within a cell.');
  if (cells.length !== header.length)
    throw new BadLine(`it has ${cells.length} cells, and the header ${header.length}.`);
  const fields: Fields = {};
  for (const [at, column] of header.entries()) {
    const cell = cells[at]!;
    if (cell === '') continue; // an empty cell counts as none
    const isList = column === 'subs' || column === 'pubs';
    fields[column] = isList ? cell.split(filterSeparator).filter((filter) => filter !== '') : cell;
  }
  return fields;
}

function jsonOf(line: string): Fields {
  let found: unknown;
  try {
    found = JSON.parse(line);
  } catch {
    throw new BadLine('it is not JSON.');
  }
  if (typeof found !== 'object' || found === null || Array.isArray(found))
    throw new BadLine('it is not a JSON object.');
  const unknown = Object.keys(found).find((key) => !(columns as readonly string[]).includes(key));
  if (unknown !== undefined)
    throw new BadLine(`${JSON.stringify(unknown.slice(0, 40))} is none of: ${columns.join(', ')}.`);
  return found as Fields;
}

function namesIn(fields: Fields, userKey: string, aclKey: string): NamesInKey {
  const userName = textOf('name', fields.name);
  const clientId = textOf('clientId', fields.clientId);
  const keys = `${userKey}${aclKey}`;
  if (keys.includes('%u') && userName === undefined) throw new BadLine('it has no name.');
  if (keys.includes('%c') && clientId === undefined)
    throw new BadLine('it has no clientId, and the keys have %c.');
  const names = {
    ...(keys.includes('%u') ? { userName: userName! } : {}),
    ...(keys.includes('%c') ? { clientId: clientId! } : {}),
  };
  if (hasJoinedNames(userKey) || hasJoinedNames(aclKey))
    throw new BadLine('the keys have nothing between %u and %c.');
  const problem = problemOfNames([userKey, aclKey], names);
  if (problem !== undefined) throw new BadLine(problem);
  return names;
}

function textOf(column: Column, value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return value;
  throw new BadLine(`${column} is a text.`);
}

function truthOf(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === '0' || value === 'false')
    return false;
  if (value === true || value === '1' || value === 'true') return true;
  throw new BadLine('superuser is true or false (in CSV also 1 or 0).');
}

function rulesIn({ subs, pubs }: Fields): AllowedByFilter {
  const rules = rulesAllowing(filtersIn('subs', subs), filtersIn('pubs', pubs));
  if (rules.size > rulesMax)
    throw new BadLine(`it has ${rules.size} rules, and ${rulesMax} of a user are looked at.`);
  return rules;
}

function filtersIn(column: Column, value: unknown): readonly string[] {
  const filters = value ?? [];
  if (!Array.isArray(filters)) throw new BadLine(`${column} is a list of topic filters.`);
  for (const filter of filters) {
    const problem = typeof filter === 'string' ? problemOfRuleFilter(filter) : 'It is a text.';
    if (problem !== undefined)
      throw new BadLine(
        `${JSON.stringify(String(filter).slice(0, 80))} in ${column} cannot be a rule. ${problem}`,
      );
  }
  return filters;
}
