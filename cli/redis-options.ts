import { type Command, Option } from 'commander';
import type { NameAddress } from '../msggen/global-name.js';
import { accessOf } from '../redis-access/access.js';
import { FileError } from '../redis-access/named-file.js';
import { clusterName, redisUrls, sentinelAddresses } from './flag-values.js';

/** The flags of a tool that sends by the global name of a router, which is a function on Redis. */

export interface RedisFlags {
  redis?: string[];
  name?: string;
  redisUser?: string;
  redisPassword?: string;
  redisPasswordFile?: string;
  redisSentinels?: string[];
  redisSentinelPasswordFile?: string;
  redisCaFile?: string;
  redisCertFile?: string;
  redisKeyFile?: string;
}

export const redisFlagNames = [
  'redis',
  'name',
  'redisUser',
  'redisPassword',
  'redisPasswordFile',
  'redisSentinels',
  'redisSentinelPasswordFile',
  'redisCaFile',
  'redisCertFile',
  'redisKeyFile',
] as const;

const defaultUrls = ['redis://127.0.0.1:6379'];
const defaultName = 'encke';

/** @param what the help says that is sent */
export function addRedisOptions(command: Command, what: string): Command {
  const options = [
    new Option(
      '--redis <urls>',
      `${what}: Redis servers, the same list as the nodes have, such as ${defaultUrls}`,
    ).argParser(redisUrls),
    new Option('--name <name>', `global name of the router on Redis (default: ${defaultName})`)
      .env('ENCKE_NAME')
      .argParser(clusterName),
    new Option('--redis-user <user>', 'user at the servers whose URL has none').env('ENCKE_REDIS_USER'),
    new Option('--redis-password <password>', 'its password').env('ENCKE_REDIS_PASSWORD'),
    new Option('--redis-password-file <path>', 'a file that holds it').env('ENCKE_REDIS_PASSWORD_FILE'),
    new Option('--redis-sentinels <addresses>', 'Sentinels that know the masters of redis+sentinel:// URLs')
      .env('ENCKE_REDIS_SENTINELS')
      .argParser(sentinelAddresses),
    new Option('--redis-sentinel-password-file <path>', 'a file that holds their password').env(
      'ENCKE_REDIS_SENTINEL_PASSWORD_FILE',
    ),
    new Option('--redis-ca-file <file>', 'certificate authority of the Redis servers').env(
      'ENCKE_REDIS_CA_FILE',
    ),
    new Option('--redis-cert-file <file>', 'certificate to show to Redis').env('ENCKE_REDIS_CERT_FILE'),
    new Option('--redis-key-file <file>', 'its private key').env('ENCKE_REDIS_KEY_FILE'),
    new Option('--nats <urls>').hideHelp(),
  ];
  for (const option of options) command.addOption(option);
  return command.on('option:nats', () =>
    command.error('error: --nats was of the engine on NATS, which is gone: use --redis.', { exitCode: 2 }),
  );
}

/** A named file that cannot be used ends the process with a sentence that says why. */
export function nameAddressOf(flags: RedisFlags, command: Command): NameAddress {
  const redis = flags.redis ?? defaultUrls;
  try {
    const access = accessOf({
      redis,
      redisUser: flags.redisUser ?? '',
      redisPassword: flags.redisPassword ?? '',
      redisPasswordFile: flags.redisPasswordFile ?? '',
      redisSentinels: flags.redisSentinels ?? [],
      redisSentinelPasswordFile: flags.redisSentinelPasswordFile ?? '',
      redisCaFile: flags.redisCaFile ?? '',
      redisCertFile: flags.redisCertFile ?? '',
      redisKeyFile: flags.redisKeyFile ?? '',
    });
    return { ...access, name: flags.name || defaultName };
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    return command.error(`error: ${error.message}`, { exitCode: 2 });
  }
}
