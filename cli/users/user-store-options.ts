import { type Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { Redis } from 'ioredis';
import { hasJoinedNames, type NamesInKey } from '../../access/key-template.js';
import { problemOfRuleFilter } from '../../access/rules.js';
import { problemOfNames, warningsOfNames } from '../../access/user-names.js';
import { UserStore, UserStoreError } from '../../access/user-store.js';
import { accessSettings } from '../../gateway/access-settings.js';
import { environmentNameOf, flagOf } from '../../gateway/config.js';
import { BriefConnection, NoAnswer, within } from '../../msggen/global-name.js';
import { type Access, accessOf } from '../../redis-access/access.js';
import { FileError } from '../../redis-access/named-file.js';
import { connectionRemedyOf, withoutOpensslCode } from '../../redis-access/remedy.js';
import { redisUrls, sentinelAddresses } from '../flag-values.js';

/** The flags that say where the users are, with the names and variables of settings of `encke start`. */
export interface UserStoreFlags {
  readonly clientId?: string;
  readonly authRedis?: string[];
  readonly authRedisPasswordFile?: string;
  readonly authRedisUserKey: string;
  readonly authRedisAclKey: string;
  readonly authRedisPasswordHash: string;
  readonly redisSentinels?: string[];
  readonly redisSentinelPasswordFile?: string;
  readonly redisCaFile?: string;
  readonly redisCertFile?: string;
  readonly redisKeyFile?: string;
}

const urlDefault = ['redis://127.0.0.1:6379'];
/** Redis has so long to answer a command, or a batch of an import. */
const answerTimeoutMs = 30_000;

/** @param takesNames whether the command is about one user */
export function addUserStoreOptions(command: Command, takesNames: boolean): Command {
  const of = (key: string, value: string, help: string) =>
    new Option(`${flagOf(key)} <${value}>`, help).env(environmentNameOf(key));
  const template = (key: 'authRedisUserKey' | 'authRedisAclKey', help: string) =>
    of(key, 'key', help).default(accessSettings[key].default).argParser(textOf(key));
  const options = [
    ...(takesNames
      ? [new Option('--client-id <id>', 'its client id, where the keys have both %u and %c')]
      : []),
    of('authRedis', 'url', `Redis server with the users (default: ${urlDefault})`).argParser(redisUrls),
    of('authRedisPasswordFile', 'path', 'a file that holds the password of Redis, for a URL without one'),
    template('authRedisUserKey', 'key of a user; %u user name, %c client id'),
    template('authRedisAclKey', 'key of the rules of a user'),
    of(
      'authRedisPasswordHash',
      'hash',
      `how passwords are stored: ${accessSettings.authRedisPasswordHash.expects}`,
    )
      .default(accessSettings.authRedisPasswordHash.default)
      .argParser(textOf('authRedisPasswordHash')),
    of('redisSentinels', 'addresses', 'Sentinels that know the master of a redis+sentinel:// URL').argParser(
      sentinelAddresses,
    ),
    of('redisSentinelPasswordFile', 'path', 'a file that holds their password'),
    of('redisCaFile', 'file', 'certificate authority of Redis'),
    of('redisCertFile', 'file', 'certificate to show to Redis'),
    of('redisKeyFile', 'file', 'its private key'),
  ];
  for (const option of options) command.addOption(option);
  return command;
}

function textOf(key: keyof typeof accessSettings): (text: string) => string {
  const { schema, expects } = accessSettings[key];
  return (text) => {
    const { success } = schema.safeParse(text);
    if (success) return text;
    throw new InvalidArgumentError(`Give ${expects}.`);
  };
}

/** @returns the names of the user that the command is about; names that cannot be end the command with a sentence */
export function namesOf(name: string, flags: UserStoreFlags, command: Command): NamesInKey {
  const { authRedisUserKey: userKey, authRedisAclKey: aclKey, clientId } = flags;
  const wrong = (sentence: string): never => command.error(`error: ${sentence}`, { exitCode: 2 });
  const joined = [userKey, aclKey].find(hasJoinedNames);
  if (joined !== undefined) wrong(`the key ${joined} has nothing between %u and %c: put a separator there.`);
  const has = (placeholder: string) => userKey.includes(placeholder) || aclKey.includes(placeholder);
  const byClientId = !has('%u');
  if (clientId !== undefined && byClientId)
    wrong('the keys have no %u, so the name that is given is the client id: leave out --client-id.');
  if (clientId !== undefined && !has('%c')) wrong('the keys have no %c: leave out --client-id.');
  if (clientId === undefined && !byClientId && has('%c'))
    wrong('the keys have %c: say which client it is, with --client-id.');
  const names: NamesInKey = byClientId
    ? { clientId: name }
    : { userName: name, ...(clientId === undefined ? {} : { clientId }) };
  // Node has put U+FFFD where an argument was not UTF-8: the name would not be the intended one.
  if (name.includes('\ufffd') || clientId?.includes('\ufffd'))
    wrong('a name is not UTF-8, or has U+FFFD in it.');
  const problem = problemOfNames([userKey, aclKey], names);
  if (problem !== undefined) wrong(problem);
  return names;
}

/** A filter that cannot be that of a rule ends the command with a sentence. */
export function checkFilters(filters: readonly string[], command: Command): void {
  for (const filter of filters) {
    const problem = problemOfRuleFilter(filter);
    if (problem === undefined) continue;
    command.error(`error: ${JSON.stringify(filter.slice(0, 80))} cannot be a rule. ${problem}`, {
      exitCode: 2,
    });
  }
}

/** Says what a new user with these names cannot do. */
export function warnOfNames(names: NamesInKey): void {
  for (const warning of warningsOfNames(names)) process.stderr.write(`Note: ${warning}\n`);
}

/** Connects to Redis, acts, and disconnects. A sentence says what has failed, and the exit code is then 1. */
export async function withUserStore(
  flags: UserStoreFlags,
  command: Command,
  act: (store: UserStore, redis: Redis) => Promise<void>,
): Promise<void> {
  const access = accessIn(flags, command);
  const shard = access.shards[0]!;
  const connection = new BriefConnection(shard, access);
  const { redis } = connection;
  try {
    await answered(redis.connect());
    await act(new UserStore(redis, flags.authRedisUserKey, flags.authRedisAclKey), redis);
  } catch (error) {
    if (error instanceof CommanderError) throw error;
    failed(
      command,
      error instanceof UserStoreError ? error.message : sentenceOf(connection.causeOf(error), access),
    );
  } finally {
    connection.end();
  }
}

/** Rejects when Redis takes too long. */
export function answered<T>(answer: Promise<T>): Promise<T> {
  return within(answerTimeoutMs, answer);
}

export function failed(command: Command, sentence: string): void {
  process.stderr.write(`encke ${command.parent!.name()}: ${sentence}\n`);
  process.exitCode = 1;
}

function accessIn(flags: UserStoreFlags, command: Command): Access {
  const { authRedis = urlDefault } = flags;
  if (authRedis.length > 1)
    command.error('error: --auth-redis has several servers: users are on one.', { exitCode: 2 });
  try {
    return accessOf({
      redis: authRedis,
      redisUser: '',
      redisPassword: '',
      redisPasswordFile: flags.authRedisPasswordFile ?? '',
      redisPasswordFileFlag: '--auth-redis-password-file',
      redisSentinels: flags.redisSentinels ?? [],
      redisSentinelPasswordFile: flags.redisSentinelPasswordFile ?? '',
      redisCaFile: flags.redisCaFile ?? '',
      redisCertFile: flags.redisCertFile ?? '',
      redisKeyFile: flags.redisKeyFile ?? '',
    });
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    return command.error(`error: ${error.message}`, { exitCode: 2 });
  }
}

/** The sentence for a call that Redis has refused or not answered; it has no password in it. */
function sentenceOf(error: unknown, { shards }: Access): string {
  const { name, tls } = shards[0]!;
  const reason = error instanceof Error ? error.message : String(error);
  const where = `Redis at ${name}`;
  if (error instanceof NoAnswer)
    return `${where} has not answered (${reason}): it may have done what it was asked, or not.`;
  if (/^(NOAUTH|WRONGPASS)/.test(reason))
    return `${where} wants another password: give it with --auth-redis-password-file, or user and password in the URL of --auth-redis.`;
  if (/^NOPERM/.test(reason))
    return `${where} does not allow it to this user of Redis (${reason}): it takes +@hash +@keyspace +@transaction +scan on the keys of users.`;
  if (/^WRONGTYPE/.test(reason))
    return `a key of that user in ${where} is no hash: look at it with redis-cli, or name other keys with --auth-redis-user-key and --auth-redis-acl-key.`;
  const code = (error as NodeJS.ErrnoException).code ?? withoutOpensslCode(reason).replace(/\.$/, '');
  const remedy =
    connectionRemedyOf(reason, tls) ?? 'Start it with "redis-server", or name another with --redis.';
  return `${where} cannot be reached or refuses (${code}). ${remedy.replaceAll(/--redis(?![\w-])/g, '--auth-redis')}`;
}
