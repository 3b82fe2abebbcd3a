import { createReadStream, fstatSync, openSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import type { Redis } from 'ioredis';
import { integerBetween, positiveInteger } from '../flag-values.js';
import { ProgressBar, writeAboveBar } from '../progress-bar.js';
import { type GeneratedUsersPlan, generatedUser } from './generated-users.js';
import { ImportLines } from './import-lines.js';
import { BadLine, RecordReader } from './import-record.js';
import { type ImportItem, ImportRun } from './import-run.js';
import { passwordFileHelp, readPassword } from './password-input.js';
import { addUserStoreOptions, failed, type UserStoreFlags, withUserStore } from './user-store-options.js';

interface ImportFlags extends UserStoreFlags {
  fromLine: number;
  generate?: number;
  rules: number;
  userNames: string;
  topics: string;
  passwordFile?: string;
  json?: true;
}

const generateFlags = ['rules', 'userNames', 'topics', 'passwordFile'] as const;

const help = `
A line is a user. The first line says which form the file has:

  {"name":"alice","password":"secret","subs":["user/alice/#"],"pubs":["user/alice/out"],"superuser":false}

  name,password,subs,pubs
  alice,secret,user/alice/#;room/7,user/alice/out

Of password and hash one is given: a password is hashed as --auth-redis-password-hash says; a hash is stored as it is,
with its salt, if it has one. In CSV filters are separated by ; and a cell with a comma stands in quotes. Where keys have
%c, clientId is needed.

A user that is there already is replaced, and its rules with it. Bad lines are named and left out; the exit code then
is 1. An import that was stopped says with which --from-line it goes on.

Examples:
  encke user import users.csv
  zcat users.ndjson.gz | encke user import - --auth-redis-password-hash bcrypt
  encke user import users.csv --from-line 1200001
  encke user import --generate 100000 --rules 20`;

export function importCommand(): Command {
  const command = new Command('import')
    .description('write the users of a file into Redis, millions if need be')
    .argument('[file]', 'NDJSON or CSV; - is standard input')
    .option('--from-line <n>', 'leave out the lines before this one', positiveInteger, 1)
    .option('--generate <n>', 'make so many users for a test, in the place of a file', positiveInteger)
    .option('--rules <n>', 'with --generate: rules of each', integerBetween(0, 1_000), 20)
    .option(
      '--user-names <name>',
      'with --generate: {n} is the number of the user',
      withNumber,
      'device_user{n}',
    )
    .option(
      '--topics <filter>',
      'with --generate: {n} is the number of the user, {m} that of the rule',
      withNumber,
      'topic/device_user{n}/t_{m}',
    )
    .option('--password-file <path>', `with --generate: ${passwordFileHelp} (default: each has its name)`)
    .option('--json', 'print a JSON object at the end')
    .addHelpText('after', help)
    .action(importUsers);
  return addUserStoreOptions(command, false);
}

function withNumber(text: string): string {
  if (text.includes('{n}')) return text;
  throw new InvalidArgumentError('Give a text with {n} in it, such as device_user{n}.');
}

async function importUsers(file: string | undefined, flags: ImportFlags, command: Command): Promise<void> {
  const wrong = (sentence: string) => command.error(`error: ${sentence}`, { exitCode: 2 });
  if ((file === undefined) === (flags.generate === undefined)) wrong('give a file, or --generate.');
  const other = generateFlags.find((name) => command.getOptionValueSource(name) === 'cli');
  if (flags.generate === undefined && other !== undefined)
    wrong('--rules, --user-names, --topics and --password-file go with --generate.');
  const source = file === undefined ? await generated(flags, command) : lines(file, flags, command);
  if (source === undefined) return;
  let run: ImportRun | undefined;
  let isComplete = false;
  await withUserStore(flags, command, async (store, redis) => {
    run = new ImportRun(store, flags.authRedisPasswordHash, flags.fromLine - 1, nameBadLine);
    isComplete = await runWithProgress(run, source, redis, flags.json === true);
  });
  if (run === undefined) return;
  if (!isComplete)
    process.stderr.write(
      `encke user: all up to line ${run.doneLine} is done: go on with --from-line ${run.doneLine + 1}.\n`,
    );
  else if (run.bad > 0) failed(command, `${run.bad} lines are bad and were left out: see above.`);
}

function nameBadLine(line: number, problem: string): void {
  writeAboveBar(`line ${line}: ${problem}`);
}

/** @returns whether the import came to its end */
async function runWithProgress(
  run: ImportRun,
  source: ImportSource,
  redis: Redis,
  json: boolean,
): Promise<boolean> {
  const stop = () => run.stop();
  process.once('SIGINT', stop).once('SIGTERM', stop); // a second one ends the process at once
  const before = await memoryOf(redis);
  const startedMs = performance.now();
  const bar = new ProgressBar('users', () => ({
    done: run.imported,
    bad: run.bad,
    share: source.share(run),
  }));
  try {
    await run.run(source.items);
  } finally {
    bar.stop();
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
  const seconds = (performance.now() - startedMs) / 1000;
  const grown = before === undefined ? undefined : ((await memoryOf(redis)) ?? before) - before;
  process.stdout.write(
    `${json ? JSON.stringify(summaryOf(run, seconds, grown)) : textOf(run, seconds, grown)}\n`,
  );
  if (run.stopped) process.exitCode = 130;
  return !run.stopped;
}

interface ImportSource {
  readonly items: AsyncIterable<ImportItem> | Iterable<ImportItem>;
  readonly share: (run: ImportRun) => number | undefined;
}

async function generated(flags: ImportFlags, command: Command): Promise<ImportSource | undefined> {
  const { generate: count = 0, rules: rulesEach, userNames, topics, passwordFile, fromLine } = flags;
  if (`${flags.authRedisUserKey}${flags.authRedisAclKey}`.includes('%c'))
    command.error('error: --generate makes users without client ids, and the keys have %c.', { exitCode: 2 });
  const password =
    passwordFile === undefined
      ? undefined
      : await readPassword({ passwordFile }, 'all', (sentence) => failed(command, sentence));
  if (passwordFile !== undefined && password === undefined) return undefined;
  if (password === undefined)
    process.stderr.write('Note: the password of each user is its name, which is for tests alone.\n');
  const plan: GeneratedUsersPlan = { count, userNames, topics, rulesEach, password };
  return { items: generatedItems(plan, fromLine), share: (run) => run.doneLine / count };
}

function* generatedItems(plan: GeneratedUsersPlan, from: number): Generator<ImportItem> {
  for (let n = from; n <= plan.count; n++) yield { line: n, user: generatedUser(plan, n) };
}

function lines(file: string, flags: ImportFlags, command: Command): ImportSource {
  if (file === '-') {
    const input = new ImportLines(process.stdin);
    return { items: linesAsItems(input, flags, command), share: () => undefined };
  }
  try {
    const descriptor = openSync(file, 'r');
    const { size } = fstatSync(descriptor);
    const input = new ImportLines(createReadStream(file, { fd: descriptor }));
    return {
      items: linesAsItems(input, flags, command),
      share: () => (size === 0 ? undefined : input.bytes / size),
    };
  } catch (error) {
    return command.error(`error: ${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`, {
      exitCode: 2,
    });
  }
}

async function* linesAsItems(
  input: ImportLines,
  {
    authRedisUserKey: userKey,
    authRedisAclKey: aclKey,
    authRedisPasswordHash: passwordHash,
    fromLine,
  }: ImportFlags,
  command: Command,
): AsyncGenerator<ImportItem> {
  let reader: RecordReader | undefined;
  for await (const { number: line, text, problem } of input) {
    if (reader === undefined) {
      try {
        reader = new RecordReader(text ?? '', { userKey, aclKey, passwordHash });
      } catch (error) {
        if (!(error instanceof BadLine)) throw error;
        command.error(`error: line 1: ${problem ?? error.message}`, { exitCode: 2 });
      }
      if (reader!.hasHeader) continue;
    }
    if (line < fromLine || text === '') continue;
    if (text === undefined) yield { line, problem: problem! };
    else yield itemOf(line, text, reader!);
  }
}

function itemOf(line: number, text: string, reader: RecordReader): ImportItem {
  try {
    return { line, user: reader.read(text) };
  } catch (error) {
    if (error instanceof BadLine) return { line, problem: error.message };
    throw error;
  }
}

/** @returns the bytes that Redis has allocated; undefined where it does not say */
async function memoryOf(redis: Redis): Promise<number | undefined> {
  const info = await redis.info('memory').catch(() => '');
  const [, bytes] = /^used_memory:(\d+)/m.exec(info) ?? [];
  return bytes === undefined ? undefined : Number(bytes);
}

function summaryOf(
  { imported, rules, bad, doneLine }: ImportRun,
  seconds: number,
  redisBytes: number | undefined,
) {
  return {
    imported,
    rules,
    bad,
    doneLine,
    seconds: Number(seconds.toFixed(3)),
    redisBytes: redisBytes ?? null,
  };
}

function textOf(
  { imported, rules, bad }: ImportRun,
  seconds: number,
  redisBytes: number | undefined,
): string {
  const grouped = (value: number) => Math.round(value).toLocaleString('en');
  const memory =
    redisBytes === undefined || imported === 0
      ? ''
      : `; Redis took ${(redisBytes / 1e6).toFixed(1)} MB more, ${grouped(redisBytes / imported)} B a user`;
  return `imported ${grouped(imported)} users with ${grouped(rules)} rules in ${seconds.toFixed(1)} s (${grouped(imported / seconds)}/s), ${grouped(bad)} bad lines${memory}`;
}
