import { Redis } from 'ioredis';
import { Anonymous } from '../access/anonymous.js';
import type { Authenticator } from '../access/authenticator.js';
import { ClientCertificates } from '../access/client-certificates.js';
import { IdentityCache } from '../access/identity-cache.js';
import { JwtAuthenticator } from '../access/jwt.js';
import { type JwtKeys, keysOfFile, keysOfSecret, keysOfServer } from '../access/jwt-keys.js';
import { passwordCheckOf } from '../access/password-check.js';
import { RedisUsers } from '../access/redis-users.js';
import { ruleOf } from '../access/rules.js';
import { SlowChecks } from '../access/slow-checks.js';
import { accessOf } from '../redis-access/access.js';
import { redisOptionsOf } from '../redis-access/addresses.js';
import { readNamed } from '../redis-access/named-file.js';
import type { AuthenticatorParts } from './authenticator-parts.js';
import type { Config } from './config.js';
import { ConfigError, readingFiles } from './config-error.js';
import type { SampledLog } from './sampled-log.js';

/** Redis has so long for an answer; less than --auth-timeout-ms by default, so that clients are told the reason. */
const redisTimeoutMs = 3_000;
const redisRetryMsMax = 2_000;

/**
 * The authenticators that the settings ask for, ready to be asked.
 * @throws ConfigError
 */
export async function authenticatorsOf(config: Config, log: SampledLog): Promise<Authenticator[]> {
  const cache = new IdentityCache({ bytesMax: config.authCacheBytesTotalMax, ageSec: config.authCacheSec });
  const parts: AuthenticatorParts = { config, cache, slowChecks: new SlowChecks(), log };
  const authenticators: Authenticator[] = [];
  for (const kind of config.auth) authenticators.push(await authenticatorOf(kind, parts));
  return authenticators;
}

/** Authenticators that bring libraries along are imported only where they are used. */
async function authenticatorOf(kind: string, parts: AuthenticatorParts): Promise<Authenticator> {
  switch (kind) {
    case 'jwt':
      return jwtOf(parts);
    case 'redis':
      return redisUsersOf(parts);
    case 'file':
      return (await import('./file-authenticator.js')).fileUsersOf(parts);
    case 'http':
      return (await import('./hook-authenticator.js')).hookUsersOf(parts);
    case 'ldap':
      return (await import('./ldap-authenticator.js')).ldapUsersOf(parts);
    case 'certificate':
      return new ClientCertificates();
    default:
      return new Anonymous(parts.config.aclRulesAnonymous.map(ruleOf));
  }
}

function jwtOf({ config, cache, log }: AuthenticatorParts): Authenticator {
  return new JwtAuthenticator({
    ...jwtKeysOf(config, log),
    issuers: config.authJwtIssuer,
    audiences: config.authJwtAudience,
    leewaySec: config.authJwtLeewaySec,
    userClaim: config.authJwtUserClaim,
    cache,
  });
}

function jwtKeysOf(
  { authJwtSecret, authJwtKeyFile, authJwtJwks, authJwtAudience }: Config,
  log: SampledLog,
): JwtKeys {
  if (authJwtSecret !== '') return keysOfSecret(authJwtSecret);
  if (authJwtKeyFile !== '') return keysIn(authJwtKeyFile);
  if (authJwtAudience.length === 0)
    log.warn(
      'jwks-without-audience',
      { url: authJwtJwks },
      '--auth-jwt-audience is not set: tokens that the server of --auth-jwt-jwks signs for other services let in here, too',
    );
  return keysOfServer(authJwtJwks, (error) =>
    log.warn(
      'jwks-unavailable',
      { url: authJwtJwks, detail: messageOf(error) },
      'the key set of --auth-jwt-jwks cannot be fetched: keys that are known go on, tokens with others are answered 503 or CONNACK 3',
    ),
  );
}

function keysIn(path: string): JwtKeys {
  const text = readingFiles(() => readNamed('--auth-jwt-key-file', path));
  try {
    return keysOfFile(text);
  } catch (error) {
    throw new ConfigError(
      `--auth-jwt-key-file ${path} cannot be used (${(error as Error).message}): it holds a public key or a certificate in PEM, or a key set (JWKS) in JSON.`,
    );
  }
}

async function redisUsersOf(parts: AuthenticatorParts): Promise<Authenticator> {
  const { config, cache, slowChecks, log } = parts;
  const onTrouble = (error: unknown) =>
    log.warn(
      'auth-redis',
      { detail: messageOf(error) },
      'users cannot be read in the Redis of --auth-redis: look whether it runs, and whether the keys of --auth-redis-user-key and --auth-redis-acl-key are hashes. New clients are answered 503 or CONNACK 3',
    );
  const redis = new Redis({
    ...redisOptionsIn(config),
    lazyConnect: true,
    enableOfflineQueue: false, // a client is told at once that it cannot be checked
    maxRetriesPerRequest: 0,
    connectTimeout: redisTimeoutMs,
    commandTimeout: redisTimeoutMs,
    socketTimeout: redisTimeoutMs,
    disableClientInfo: true, // not in Redis 7.0
    retryStrategy: (attempt: number) => Math.min(redisRetryMsMax, attempt * 100),
  } as never);
  redis.on('error', onTrouble);
  await connected(redis);
  return new RedisUsers({
    redis,
    userKey: config.authRedisUserKey,
    aclKey: config.authRedisAclKey,
    check: passwordCheckOf(config.authRedisPasswordHash),
    cache,
    slowChecks,
    timeoutMs: config.authTimeoutMs,
    sharePerAddress: config.budgetSharePerAddress,
    onTrouble,
  });
}

/**
 * Waits for the first connection, but not for long: a Redis that loads its data, or hangs, is asked again and again, and
 * the gateway has other clients.
 */
async function connected(redis: Redis): Promise<void> {
  const connecting = redis.connect().catch(() => undefined); // onTrouble was told of the error, and ioredis goes on trying
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, redisTimeoutMs);
  });
  await Promise.race([connecting, tooLong]);
  clearTimeout(timer);
}

/** Not the error itself: that of a refused AUTH has the password with it. */
function messageOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}

function redisOptionsIn(config: Config) {
  const own = {
    redis: [config.authRedis],
    redisUser: '',
    redisPassword: '',
    redisPasswordFile: config.authRedisPasswordFile,
    redisPasswordFileFlag: '--auth-redis-password-file',
  };
  const { shards, connection } = readingFiles(() => accessOf({ ...config, ...own }));
  return redisOptionsOf(shards[0]!, connection, `${config.name}:${config.nodeName}:users`);
}
