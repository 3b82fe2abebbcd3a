import { Command } from 'commander';
import { problemOfPassword, type StoredPassword, storedPasswordOf } from '../../access/stored-password.js';
import { type ListedUser, rulesAllowing } from '../../access/user-store.js';
import { collected, positiveInteger } from '../flag-values.js';
import { importCommand } from './import.js';
import { addPasswordOption, type PasswordFlags, readPassword } from './password-input.js';
import { shownText } from './shown-text.js';
import {
  addUserStoreOptions,
  answered,
  checkFilters,
  failed,
  namesOf,
  type UserStoreFlags,
  warnOfNames,
  withUserStore,
} from './user-store-options.js';

const help = `
Passwords are asked for at the terminal and not shown, or read from standard input or from a file. The flags have the
names of the settings of "encke start --auth redis", and the same variables: set ENCKE_AUTH_REDIS for both.

Gateways know a change at the next login of the user, or --auth-cache-sec after the last one (60 s).

Examples:
  encke user add alice --subs 'user/alice/#' --pubs user/alice/out
  encke user add admin --superuser --password-file /run/secrets/admin
  openssl rand -hex 16 | encke user passwd alice
  htpasswd -nbB bob secret | cut -d: -f2 | encke user add bob --hashed --auth-redis-password-hash bcrypt
  encke user list --json
  encke user import users.csv
  encke user remove alice bob`;

/** `encke user`: users in Redis, in the layout of EMQ, which `encke start --auth redis` reads. */
export function userCommand(): Command {
  return new Command('user')
    .description('add, change, remove, list and import the users of --auth redis')
    .addHelpText('after', help)
    .addCommand(addCommand())
    .addCommand(passwdCommand())
    .addCommand(removeCommand())
    .addCommand(listCommand())
    .addCommand(importCommand());
}

interface HashFlags extends PasswordFlags {
  hashed?: true;
  salt?: string;
}

interface AddFlags extends UserStoreFlags, HashFlags {
  superuser?: true;
  subs?: string[];
  pubs?: string[];
}

function addCommand(): Command {
  const command = new Command('add')
    .description('add a user')
    .argument('<name>', 'user name (client id, where the keys have no %u)')
    .option('--superuser', 'it may do everything; rules are not looked at')
    .option('--subs <filter>', 'topic filter that it may read; several times for several', collected(String))
    .option('--pubs <filter>', 'topic filter that it may publish to; several times', collected(String))
    .action(add);
  return addUserStoreOptions(addHashOptions(command), true);
}

function addHashOptions(command: Command): Command {
  return addPasswordOption(command)
    .option('--hashed', 'what is read is the hash of the password, and is stored as it is')
    .option('--salt <text>', 'the salt of that hash, where it has one');
}

async function add(name: string, flags: AddFlags, command: Command): Promise<void> {
  const names = namesOf(name, flags, command);
  const { subs = [], pubs = [] } = flags;
  checkFilters([...subs, ...pubs], command);
  const stored = await storedOf(name, flags, command);
  if (stored === undefined) return;
  warnOfNames(names);
  await withUserStore(flags, command, async (store) => {
    const user = { names, stored, isSuperuser: flags.superuser === true, rules: rulesAllowing(subs, pubs) };
    const before = await answered(store.add(user));
    if (before > 0)
      process.stderr.write(`Note: it has ${before} rules from before: "encke acl list" shows them.\n`);
    process.stdout.write(`added ${name}\n`);
  });
}

/** @returns undefined where there is no password to store; the command has said why */
async function storedOf(
  name: string,
  flags: UserStoreFlags & HashFlags,
  command: Command,
): Promise<StoredPassword | undefined> {
  const { hashed, salt, authRedisPasswordHash: hash } = flags;
  if (salt !== undefined && hashed === undefined)
    command.error('error: --salt goes with --hashed: other passwords are given a salt of their own.', {
      exitCode: 2,
    });
  const fail = (sentence: string) => failed(command, sentence);
  const password = await readPassword(flags, name, fail);
  if (password === undefined) return undefined;
  if (hashed) {
    if (password !== '') return { password, salt: salt ?? '' };
    fail('The hash is empty: give one, such as that of "htpasswd -nbB".');
    return undefined;
  }
  const problem = problemOfPassword(hash, password);
  if (problem === undefined) return storedPasswordOf(hash, password);
  fail(problem);
  return undefined;
}

function passwdCommand(): Command {
  const command = new Command('passwd')
    .description('change the password of a user')
    .argument('<name>', 'user name')
    .action(passwd);
  return addUserStoreOptions(addHashOptions(command), true);
}

async function passwd(name: string, flags: UserStoreFlags & HashFlags, command: Command): Promise<void> {
  const names = namesOf(name, flags, command);
  const stored = await storedOf(name, flags, command);
  if (stored === undefined) return;
  await withUserStore(flags, command, async (store) => {
    await answered(store.setPassword(names, stored));
    process.stdout.write(`changed the password of ${name}\n`);
  });
}

function removeCommand(): Command {
  const command = new Command('remove')
    .description('remove users, and their rules with them')
    .argument('<names...>', 'user names')
    .action(remove);
  return addUserStoreOptions(command, true);
}

async function remove(names: string[], flags: UserStoreFlags, command: Command): Promise<void> {
  const users = names.map((name) => namesOf(name, flags, command));
  await withUserStore(flags, command, async (store) => {
    for (const [at, user] of users.entries()) {
      const rules = await answered(store.remove(user));
      process.stdout.write(`removed ${names[at]} and ${rules} rules\n`);
    }
  });
}

interface ListFlags extends UserStoreFlags {
  limit?: number;
  json?: true;
}

function listCommand(): Command {
  const command = new Command('list')
    .description('list the users, and how many rules each has')
    .option('--limit <n>', 'at most so many', positiveInteger)
    .option('--json', 'a JSON object for each, one a line')
    .addHelpText(
      'after',
      `
In no order, a page at a time (SCAN), so that Redis goes on with its other work. While users are added, one may be
named twice.`,
    )
    .action(list);
  return addUserStoreOptions(command, false);
}

async function list(flags: ListFlags, command: Command): Promise<void> {
  const { limit = Number.POSITIVE_INFINITY, json } = flags;
  await withUserStore(flags, command, async (store) => {
    const pages = store.list();
    let left = limit;
    while (left > 0) {
      const { value: page, done } = await answered(pages.next());
      if (done) return;
      const shown = page.slice(0, left);
      left -= shown.length;
      const lines = shown.map((user) => (json ? JSON.stringify(jsonOf(user)) : textOfUser(user)));
      await written(`${lines.join('\n')}\n`);
    }
  });
}

/** Writes to standard output, and waits for a slow reader: there may be millions of users. */
function written(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });
}

function jsonOf({ userName, clientId, isSuperuser, ruleCount }: ListedUser): object {
  return {
    ...(userName === undefined ? {} : { name: userName }),
    ...(clientId === undefined ? {} : { clientId }),
    superuser: isSuperuser,
    rules: ruleCount,
  };
}

function textOfUser({ userName, clientId, isSuperuser, ruleCount }: ListedUser): string {
  const names = [userName, clientId].filter((name) => name !== undefined).map(shownText);
  return `${names.join('  ')}  ${isSuperuser ? 'superuser' : `${ruleCount} rules`}`;
}
