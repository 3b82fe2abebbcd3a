import type { Logger } from 'pino';
import { FileError, readNamed } from '../nats-access/named-file.js';
import type { NodeRole } from '../router/engine/cluster.js';
import { shardAddressOf } from '../router/engine/redis/addresses.js';
import { RedisEngine } from '../router/engine/redis/engine.js';
import type { EngineEvent } from '../router/engine/redis/options.js';
import type { HistoryRules } from '../router/history/history-rules.js';
import { ReplicatedHistory } from '../router/history/replicated-history.js';
import { type Config, ConfigError } from './config.js';
import { type Carrier, type OnGap, payloadBytesMax } from './engine.js';
import { flagOf } from './setting.js';
import { workerGroupVariable } from './workers/variables.js';

/**
 * The engine on Redis that the settings ask for, connected.
 * @throws ConfigError, EngineError
 */
export async function redisCarrier(
  config: Config,
  role: NodeRole,
  rules: HistoryRules,
  log: Logger,
  onGap: OnGap,
): Promise<Carrier> {
  const { name, nodeName, redis, redisUser, redisSentinels, redisPendingBytesMax, countWaitMs } = config;
  const historyBytesMax = config.historyBytesTotalMax;
  const password = passwordOf(config);
  const sentinelPassword = secretIn('redisSentinelPasswordFile', config);
  const [ca, cert, key] = [
    contentOf('redisCaFile', config),
    contentOf('redisCertFile', config),
    contentOf('redisKeyFile', config),
  ];
  const engine = new RedisEngine({
    name,
    node: { name: nodeName, group: process.env[workerGroupVariable] ?? '', role },
    shards: redis.map((url) => shardAddressOf(url, redisUser, password)),
    connection: {
      sentinels: redisSentinels.map(sentinelAddress),
      ...(sentinelPassword === '' ? {} : { sentinelPassword }),
      ...(ca === '' ? {} : { ca }),
      ...(cert === '' ? {} : { cert }),
      ...(key === '' ? {} : { key }),
    },
    rules,
    historyBytesMax,
    countWaitMs,
    pendingBytesMax: Math.floor(redisPendingBytesMax / redis.length),
    heldBytesMax: Math.floor(config.redisHeldBytesMax / redis.length),
    idBytesMax: config.idBytesMax,
    topicLevelsMax: config.topicLevelsMax,
    payloadBytesMax: payloadBytesMax(config, role),
    onEvent: (event, detail) => {
      tell(log, event, detail);
      // What is here is no longer complete; it is, once it is read anew.
      if (event === 'lost' || event === 'gap') historyStore.forgetAll();
    },
    onGap,
  });
  const historyStore = new ReplicatedHistory(rules, engine.history, historyBytesMax);
  await engine.open();
  return { engine, historyStore };
}

function tell(log: Logger, event: EngineEvent, detail: string): void {
  if (event === 'complaint') log.error(detail);
  else if (event === 'back') log.info({ detail }, 'redis: back');
  else log.warn({ detail }, `redis: ${event}`);
}

/** @throws ConfigError */
function passwordOf(config: Config): string {
  if (config.redisPasswordFile === '') return config.redisPassword;
  if (config.redisPassword !== '')
    throw new ConfigError('--redis-password and --redis-password-file are both set: leave one of them out.');
  return secretIn('redisPasswordFile', config);
}

/** Editors and `echo` end a file with a line break. */
function secretIn(key: 'redisPasswordFile' | 'redisSentinelPasswordFile', config: Config): string {
  return contentOf(key, config).replace(/[\r\n]+$/, '');
}

function contentOf(
  key: 'redisPasswordFile' | 'redisSentinelPasswordFile' | 'redisCaFile' | 'redisCertFile' | 'redisKeyFile',
  config: Config,
): string {
  const path = config[key];
  if (path === '') return '';
  try {
    return readNamed(flagOf(key), path);
  } catch (error) {
    throw error instanceof FileError ? new ConfigError(error.message, { cause: error }) : error;
  }
}

function sentinelAddress(text: string): { host: string; port: number } {
  const [, host, port] = /^(.*):(\d+)$/.exec(text)!;
  return { host: host!.replace(/^\[|\]$/g, ''), port: Number(port) };
}
