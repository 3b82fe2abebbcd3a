import { Argument, Command } from 'commander';
import type { AllowedBits } from '../../access/user-store.js';
import { shownText } from './shown-text.js';
import {
  addUserStoreOptions,
  answered,
  checkFilters,
  failed,
  namesOf,
  type UserStoreFlags,
  withUserStore,
} from './user-store-options.js';

const help = `
All rules allow. A rule is a topic filter; %u in it is the user name, %c the client id. What no rule of the user and none
of --acl-rules is about is denied, unless --acl-nomatch is allow.

Examples:
  encke acl add alice subscribe 'user/alice/#' 'room/+/news'
  encke acl add alice all room/7
  encke acl list alice --json
  encke acl remove alice room/7`;

const bitsOf = { subscribe: 1, publish: 2, all: 3 } as const satisfies Record<string, AllowedBits>;
const actions = Object.keys(bitsOf) as (keyof typeof bitsOf)[];

/** `encke acl`: the rules of users in Redis. */
export function aclCommand(): Command {
  return new Command('acl')
    .description('add, remove and list the rules of a user of --auth redis')
    .addHelpText('after', help)
    .addCommand(addCommand())
    .addCommand(removeCommand())
    .addCommand(listCommand());
}

function addCommand(): Command {
  const command = new Command('add')
    .description('allow a user more')
    .argument('<name>', 'user name')
    .addArgument(new Argument('<action>', 'the action that is allowed').choices(actions))
    .argument('<filters...>', 'topic filters')
    .action(add);
  return addUserStoreOptions(command, true);
}

async function add(
  name: string,
  action: keyof typeof bitsOf,
  filters: string[],
  flags: UserStoreFlags,
  command: Command,
): Promise<void> {
  const names = namesOf(name, flags, command);
  checkFilters(filters, command);
  await withUserStore(flags, command, async (store) => {
    const count = await answered(store.allow(names, filters, bitsOf[action]));
    process.stdout.write(`${name} has ${count} rules\n`);
  });
}

interface RemoveFlags extends UserStoreFlags {
  every?: true;
}

function removeCommand(): Command {
  const command = new Command('remove')
    .description('remove rules of a user')
    .argument('<name>', 'user name')
    .argument('[filters...]', 'topic filters, as "encke acl list" shows them')
    .option('--every', 'all rules of the user')
    .action(remove);
  return addUserStoreOptions(command, true);
}

async function remove(name: string, filters: string[], flags: RemoveFlags, command: Command): Promise<void> {
  const names = namesOf(name, flags, command);
  if (filters.length > 0 === (flags.every === true))
    command.error('error: give the filters of the rules, or --every for all rules.', { exitCode: 2 });
  await withUserStore(flags, command, async (store) => {
    const wanted = flags.every ? undefined : [...new Set(filters)];
    const removed = await answered(store.disallow(names, wanted));
    process.stdout.write(`removed ${removed} rules of ${name}\n`);
    const missing = (wanted?.length ?? 0) - removed;
    if (missing > 0)
      failed(
        command,
        `${missing} of these rules ${name} did not have: "encke acl list" shows which there are.`,
      );
  });
}

interface ListFlags extends UserStoreFlags {
  json?: true;
}

function listCommand(): Command {
  const command = new Command('list')
    .description('list the rules of a user')
    .argument('<name>', 'user name')
    .option('--json', 'a JSON object for each, one a line')
    .action(list);
  return addUserStoreOptions(command, true);
}

async function list(name: string, flags: ListFlags, command: Command): Promise<void> {
  const names = namesOf(name, flags, command);
  await withUserStore(flags, command, async (store) => {
    const rules = await answered(store.rulesOf(names));
    for (const [filter, allowed] of rules) {
      const action = actions.find((one) => String(bitsOf[one]) === allowed) ?? 'nothing';
      const line = flags.json
        ? JSON.stringify({ action, filter })
        : `${action.padEnd(9)}  ${shownText(filter)}`;
      process.stdout.write(`${line}\n`);
    }
  });
}
