/**
 * Sends by the global name of a router: a function on Redis, which nodes have loaded there. This code is the tools'
 * own: they share with the server only how to log in at Redis.
 */
import { Redis } from 'ioredis';
import type { Access } from '../redis-access/access.js';
import { redisOptionsOf, type ShardAddress } from '../redis-access/addresses.js';
import { connectionRemedyOf, withoutOpensslCode } from '../redis-access/remedy.js';
import { shardOf } from '../redis-access/shards.js';

/** The Redis servers, and the name of the router on them. */
export interface NameAddress extends Access {
  readonly name: string;
}

const connectTimeoutMs = 5_000;

/**
 * A connection that is not open yet and reports no errors by itself.
 * @param lasting reconnects when the server is back
 */
export function connectionTo(shard: ShardAddress, { connection }: Access, lasting: boolean): Redis {
  const redis = new Redis({
    ...redisOptionsOf(shard, connection, 'encke-tool'),
    lazyConnect: true,
    connectTimeout: connectTimeoutMs,
    enableOfflineQueue: false,
    enableReadyCheck: false,
    autoResendUnfulfilledCommands: false, // it may have run
    maxRetriesPerRequest: 0,
    disableClientInfo: true, // not in Redis 7.0
    retryStrategy: () => (lasting ? 250 : null),
    sentinelRetryStrategy: () => (lasting ? 250 : null),
  } as never);
  redis.on('error', () => {}); // the pending command reports it
  return redis;
}

/** A connection for a few calls, which is not open yet. */
export class BriefConnection {
  readonly redis: Redis;
  #trouble: Error | undefined;

  constructor(shard: ShardAddress, access: Access) {
    this.redis = connectionTo(shard, access, false);
    this.redis.on('error', (error: Error) => {
      this.#trouble ??= error;
    });
  }

  /** @returns the first error of the connection where there was one: then that of a call only follows from it */
  causeOf(error: unknown): unknown {
    return this.#trouble ?? error;
  }

  end(): void {
    this.redis.disconnect();
    this.redis.stream?.destroy(); // a server that stands still would not answer a QUIT
  }
}

/** The index of the server that has an id. */
export function indexOf(id: string, { shards }: NameAddress): number {
  return shardOf(id, shards.length);
}

/** @returns why a server cannot be used, or does not know the name; undefined when all is well */
export async function whyNoName(shard: ShardAddress, address: NameAddress): Promise<string | undefined> {
  const connection = new BriefConnection(shard, address);
  const { redis } = connection;
  try {
    await within(connectTimeoutMs, redis.connect());
    await within(connectTimeoutMs, redis.fcall(`${address.name}_version`, 0));
    return undefined;
  } catch (error) {
    return whyRefused(shard, address, connection.causeOf(error));
  } finally {
    connection.end();
  }
}

/** Rejects when the answer takes longer. */
export async function within<T>(ms: number, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new NoAnswer(`no answer within ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

export class NoAnswer extends Error {}

/** The sentence for a call that failed or was refused. */
export function whyRefused(shard: ShardAddress, { name }: NameAddress, error: unknown): string {
  const reason = error instanceof Error ? error.message : String(error);
  const where = `Redis at ${shard.name}`;
  if (/Function not found/.test(reason))
    return `Nobody answers to the name "${name}" on ${where}. Start a node with "encke start --engine redis --name ${name}", or give another name with --name.`;
  if (error instanceof NoAnswer)
    return `${where} has not answered (${reason}): it may have done what it was asked, or not.`;
  const sentence = refusalSentence(reason);
  if (sentence !== undefined) return sentence;
  const code = (error as NodeJS.ErrnoException).code ?? withoutOpensslCode(reason).replace(/\.$/, '');
  return `${where} cannot be reached or refuses (${code}). ${remedyOf(reason, shard) ?? otherwise}`;
}

function remedyOf(reason: string, { tls }: ShardAddress): string | undefined {
  if (/^(NOAUTH|WRONGPASS)/.test(reason)) return login;
  return connectionRemedyOf(reason, tls);
}

const login =
  'Say who this is: --redis-user and --redis-password-file, or user and password in the URL of --redis.';
const otherwise = 'Start it with "redis-server", or name another with --redis.';

/** The sentence of a function that refuses its arguments. */
export function refusalSentence(reason: string): string | undefined {
  const [, word, text] = /^(ID|TOOBIG|ARGUMENT|SHARD|NONODE|FORMAT|NOPERM|UNKNOWN) (.*)$/s.exec(reason) ?? [];
  if (text === undefined) return undefined;
  const capital = `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, '')}`;
  if (word === 'SHARD')
    return `${capital}: give the same servers in --redis as the nodes have, in the same order.`;
  return `${capital}.`;
}
