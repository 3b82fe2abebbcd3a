import { redisUrlShape } from '../redis-access/addresses.js';
import { listOf, mebibyte, type Setting, setting, text, wholeNumber } from './setting.js';

/** The settings of `--engine redis`: its servers, and how a node logs in there. */
export const redisSettings = {
  redis: {
    ...setting(
      listOf(
        'URLs such as redis://127.0.0.1:6379, rediss://… or redis+sentinel://<master>, comma-separated',
        redisUrlShape,
      ),
      ['redis://127.0.0.1:6379'],
      'Redis servers (7.0 on, or Valkey 7.2 on): each has its share of the ids, so the list is the same on all nodes; rediss:// with TLS, redis+sentinel://<name of a master> where Sentinels know the address; user and password as in redis://user:password@host:6379',
    ),
    secret: true, // the password
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
    'published and not yet known to be in Redis, bytes, over all servers. Past it sends are refused with 503',
  ),
  redisHeldBytesMax: setting(
    wholeNumber(mebibyte, 1024 * 1024 * mebibyte),
    32 * mebibyte,
    'what comes while a node reads what it has missed, bytes, over all servers. Past it that is read, too, and ids without history lose it',
  ),
} satisfies Record<string, Setting>;
