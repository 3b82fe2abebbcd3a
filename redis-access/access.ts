import { createSecureContext } from 'node:tls';
import { type ConnectionOptions, type ShardAddress, shardAddressOf } from './addresses.js';
import { FileError, readNamed } from './named-file.js';

/** The flags for the Redis servers. Settings of the server and flags of the tools have the same names. */
export interface AccessFlags {
  readonly redis: readonly string[];
  readonly redisUser: string;
  readonly redisPassword: string;
  readonly redisPasswordFile: string;
  /** The name of the flag that names the password file, if it is not `--redis-password-file`. */
  readonly redisPasswordFileFlag?: string;
  readonly redisSentinels: readonly string[];
  readonly redisSentinelPasswordFile: string;
  readonly redisCaFile: string;
  readonly redisCertFile: string;
  readonly redisKeyFile: string;
}

/** The servers, in the order of their shards, and the options of their connections. */
export interface Access {
  readonly shards: readonly ShardAddress[];
  readonly connection: ConnectionOptions;
}

/** Reads the files that are named. @throws FileError */
export function accessOf(flags: AccessFlags): Access {
  const password = passwordOf(flags);
  const sentinelPassword = secretIn('--redis-sentinel-password-file', flags.redisSentinelPasswordFile);
  return {
    shards: flags.redis.map((url) => shardAddressOf(url, flags.redisUser, password)),
    connection: {
      sentinels: flags.redisSentinels.map(sentinelAddress),
      ...(sentinelPassword === '' ? {} : { sentinelPassword }),
      ...pemOf(flags),
    },
  };
}

function passwordOf({
  redisPassword,
  redisPasswordFile,
  redisPasswordFileFlag = '--redis-password-file',
}: AccessFlags): string {
  if (redisPasswordFile === '') return redisPassword;
  if (redisPassword !== '')
    throw new FileError(`--redis-password and ${redisPasswordFileFlag} are both set: leave one of them out.`);
  return secretIn(redisPasswordFileFlag, redisPasswordFile);
}

/** Editors and `echo` end a file with a line break. */
function secretIn(flag: string, path: string): string {
  if (path === '') return '';
  const secret = readNamed(flag, path).replace(/[\r\n]+$/, '');
  if (secret === '') throw new FileError(`${flag} ${path} is empty: put the password into it.`);
  return secret;
}

const certificate = /BEGIN (TRUSTED |X509 )?CERTIFICATE/;
const privateKey = /BEGIN [A-Z ]*PRIVATE KEY/;

/** Checks PEM files before use: node:tls accepts a file without a certificate as an authority that trusts nobody. */
function pemOf({ redisCaFile, redisCertFile, redisKeyFile }: AccessFlags): Partial<ConnectionOptions> {
  const ca = readPem('--redis-ca-file', redisCaFile, certificate);
  const cert = readPem('--redis-cert-file', redisCertFile, certificate);
  const key = readPem('--redis-key-file', redisKeyFile, privateKey);
  if ((cert === undefined) !== (key === undefined))
    throw new FileError('--redis-cert-file and --redis-key-file go together: give both, or none.');
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    const reason = (cause as Error).message.replace(/^error:[0-9A-F]+:/, '');
    throw new FileError(
      `--redis-cert-file ${redisCertFile} and --redis-key-file ${redisKeyFile} cannot be used (${reason}): give a certificate and its own private key.`,
      { cause },
    );
  }
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}

function readPem(flag: string, path: string, pattern: RegExp): string | undefined {
  if (path === '') return undefined;
  const pem = readNamed(flag, path);
  if (pattern.test(pem)) return pem;
  throw new FileError(
    `${flag} ${path} does not hold what it should, in PEM: a file that says "-----BEGIN …".`,
  );
}

/** `10.0.0.1:26379`, `[::1]:26379` */
function sentinelAddress(text: string): { host: string; port: number } {
  const [, host, port] = /^(.*):(\d+)$/.exec(text)!;
  return { host: host!.replace(/^\[|\]$/g, ''), port: Number(port) };
}
