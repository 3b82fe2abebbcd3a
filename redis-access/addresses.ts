import { isIP } from 'node:net';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { RedisOptions } from 'ioredis';

/** One Redis server, or the one that Sentinels name. */
export interface ShardAddress {
  /** Name for messages, without user and password. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** With Sentinels: the name of their master. Host and port are then unused. */
  readonly master?: string;
  readonly user?: string;
  readonly password?: string;
}

export interface ConnectionOptions {
  readonly sentinels: readonly { host: string; port: number }[];
  readonly sentinelPassword?: string;
  /** PEM, for servers with TLS. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** `redis://`; `rediss://` = TLS; `redis+sentinel://<master>` = Sentinels know the address. */
export const redisUrlShape = /^rediss?(\+sentinel)?:\/\/([^\s/@]+@)?[^\s/@]+$/;

const portDefault = 6379;

/** A URL for messages and logs. */
export function withoutUser(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//');
}

/** @param url of that shape @param user, password used if the URL has none */
export function shardAddressOf(url: string, user: string, password: string): ShardAddress {
  const [, scheme, login, rest] = /^(\w+(?:\+\w+)?):\/\/(?:([^@]*)@)?(.*)$/.exec(url)!;
  const { hostname, port } = new URL(`http://${rest}`);
  const [ownUser = '', ownPassword = ''] = (login ?? '').split(/:(.*)/s).map(decodeURIComponent);
  const isSentinel = scheme!.endsWith('+sentinel');
  const given = { user: ownUser || user, password: ownPassword || password };
  return {
    name: isSentinel ? `${rest} (Sentinel)` : rest!,
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port || portDefault),
    tls: scheme!.startsWith('rediss'),
    ...(isSentinel ? { master: rest! } : {}),
    ...(given.user === '' ? {} : { user: given.user }),
    ...(given.password === '' ? {} : { password: given.password }),
  };
}

/** Options for ioredis. */
export function redisOptionsOf(
  { host, port, tls, master, user, password }: ShardAddress,
  { sentinels, sentinelPassword, ca, cert, key }: ConnectionOptions,
  connectionName: string,
): RedisOptions {
  const pem = definedOf({ ca, cert, key });
  const tlsOptions: TlsOptions = {
    ...pem,
    ...(isIP(host) === 0 && master === undefined ? { servername: host } : {}),
  };
  return {
    ...(master === undefined ? { host, port } : { sentinels: [...sentinels], name: master }),
    ...(master !== undefined && tls ? { enableTLSForSentinelMode: true } : {}),
    ...definedOf({ username: user, password, sentinelPassword }),
    ...(tls ? { tls: tlsOptions } : {}),
    connectionName,
    protocol: 3,
  };
}

function definedOf<T extends Record<string, unknown>>(values: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}
