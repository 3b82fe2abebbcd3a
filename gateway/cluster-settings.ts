import { redisUrlShape } from '../redis-access/addresses.js';
import { formerEngineMistake } from './former-settings.js';
import { listOf, mebibyte, oneOf, type Setting, setting, text, wholeNumber } from './setting.js';

/** The settings of a node in a cluster: the engine, its Redis servers, and names. */

const redisUrls =
  'URLs such as redis://127.0.0.1:6379, rediss://… or redis+sentinel://<master>, comma-separated';

function withoutScheme(value: unknown): string | undefined {
  if (String(value).includes('://')) return undefined;
  return `must be ${redisUrls}, not what was given, which is not shown as it may hold a password: write redis:// in front.`;
}
export const clusterSettings = {
  engine: {
    ...setting(
      oneOf(['embedded', 'redis']),
      'embedded',
      'what carries messages between processes: embedded = nothing, there is only this one; redis = the servers of --redis',
    ),
    mistake: formerEngineMistake,
  },
  redis: {
    ...setting(
      listOf(redisUrls, redisUrlShape),
      ['redis://127.0.0.1:6379'],
      'Redis servers (7.0 on, or Valkey 7.2 on): each has its share of the ids, so the list is the same on all nodes; rediss:// with TLS, redis+sentinel://<name of a master> where Sentinels know the address; user and password as in redis://user:password@host:6379',
    ),
    secret: true, // the password
    mistake: withoutScheme,
  },
  redisUser: setting(
    text('a name without spaces', /^\S*$/),
    '',
    'user at the servers whose URL has none; without it, the user "default"',
  ),
  redisPassword: {
    ...setting(text('a password'), '', 'password at the servers whose URL has none'),
    secret: true,
  },
  redisPasswordFile: setting(
    text('the path of a file'),
    '',
    'file that holds the password of --redis-password, which anybody on the machine could read in the list of processes',
  ),
  redisSentinels: setting(
    listOf('addresses such as 10.0.0.1:26379, comma-separated', /^[^\s/@]+:\d+$/),
    [],
    'Sentinels that know the masters of redis+sentinel:// URLs',
  ),
  redisSentinelPasswordFile: setting(
    text('the path of a file'),
    '',
    'file that holds the password of the Sentinels, where they want one',
  ),
  redisCaFile: setting(
    text('the path of a PEM file'),
    '',
    'certificate authority of the Redis servers; with rediss:// URLs, where it is not one that the system knows',
  ),
  redisCertFile: setting(text('the path of a PEM file'), '', 'certificate that this node shows to Redis'),
  redisKeyFile: setting(text('the path of a PEM file'), '', 'its private key'),
  redisPendingBytesMax: setting(
    wholeNumber(mebibyte, 1024 * 1024 * mebibyte),
    64 * mebibyte,
    'messages not yet known to be in Redis, bytes, over all servers. Past it sends are refused with 503',
  ),
  redisHeldBytesMax: setting(
    wholeNumber(mebibyte, 1024 * 1024 * mebibyte),
    32 * mebibyte,
    'messages that arrive while a node reads what it missed, bytes, over all servers. Past it they are read again later, and ids without history lose them',
  ),
  name: setting(
    text('1 to 64 letters, digits, - or _', /^[A-Za-z0-9_-]{1,64}$/),
    'encke',
    'name of the cluster, and global name of its router; nodes with another name belong to another cluster',
  ),
  countWaitMs: setting(
    wholeNumber(1, 60_000),
    250,
    'longest wait of a send for the counts of the other nodes, ms; it ends as soon as all have answered',
  ),
  workers: setting(
    wholeNumber(0, 1024),
    0,
    'processes that share the ports, as nodes of one cluster with --engine redis; limits such as --connections-max hold for each; a process that ends is started again; 0 = this process only',
  ),
} satisfies Record<string, Setting>;
