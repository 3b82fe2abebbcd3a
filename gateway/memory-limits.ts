import { totalmem } from 'node:os';
import v8 from 'node:v8';
import { streamCapacity } from './descriptors.js';
import { flagOf } from './setting.js';
import type { Config } from './settings.js';

/**
 * All limits in bytes together fit the memory that the process has: what may lie in V8's heap its heap limit, and all of
 * it the machine's (or the container's) memory. So within its own limits the process never dies of memory. Defaults are
 * made smaller where there is less; values that somebody has set are taken or refused, never changed.
 */

const mebibyte = 1024 * 1024;
/** Bytes of the program itself, and of V8's young generation, which counts for the heap limit. */
const programBytes = 48 * mebibyte;
/** Of what V8 has, so much may be in use at once; the rest is for garbage and for what one turn of the loop makes. */
const heapShare = 0.7;
/** Of the machine's memory, so much. */
const memoryShare = 0.9;
/** A connection's objects, and its columns and socket outside of the heap: see decisions/idle-connection.md. */
const connectionHeapBytes = 400;
const connectionOtherBytes = 800;
/** A connection with TLS takes so much more; see operations.md. */
const tlsBytes = 4_000;
/** Where --connections-max leaves it to the descriptors, connections get no more than this share of the room. */
const connectionsShare = 0.25;
/** A default is made smaller by no more than this. */
const leastScale = 1 / 256;
const leastBytes = 64 * 1024;

/** A setting that bounds bytes, and what a byte of it may be in and outside of V8's heap. */
interface Budget {
  readonly key: BudgetKey;
  readonly heap: number;
  readonly other: number;
  readonly counts?: (config: Config) => boolean;
}

const mqtt = (config: Config) => config.mqtt;
const authenticates = (config: Config) => config.auth.length > 0;
const takesTokens = ({ auth, apiToken, mqttToken }: Config) =>
  auth.length > 0 || apiToken !== '' || mqttToken !== '';

/**
 * Payloads over 64 bytes are outside of the heap, and small ones inside, with all that is around them: hence what is kept
 * as messages counts for the heap in full.
 */
const budgets = [
  { key: 'loginsBytesTotalMax', heap: 1, other: 0 },
  // A message of one byte is counted as 65 and takes 361; and as many bytes again may wait as answers that are not read.
  { key: 'pendingBytesTotalMax', heap: 6, other: 1 },
  { key: 'mqttClientsBytesTotalMax', heap: 1, other: 0, counts: mqtt },
  { key: 'mqttSessionsBytesTotalMax', heap: 1, other: 0, counts: mqtt },
  { key: 'mqttWillsBytesTotalMax', heap: 1, other: 0, counts: mqtt },
  { key: 'mqttRetainedBytesTotalMax', heap: 1, other: 0 },
  { key: 'mqttPartialPacketsTotalMax', heap: 0, other: 1, counts: mqtt },
  { key: 'mqttReceiveQueueBytesTotalMax', heap: 0, other: 2, counts: mqtt }, // see ReceiveQueues
  { key: 'bodiesBytesTotalMax', heap: 0, other: 2 }, // it grows by doubling
  { key: 'authCacheBytesTotalMax', heap: 1, other: 0, counts: authenticates },
  // A user takes 2.5 to 4 times its lines, and those before are there until the file has been read.
  { key: 'authFileBytesMax', heap: 8, other: 1, counts: (config) => config.auth.includes('file') },
  { key: 'authPendingBytesTotalMax', heap: 1, other: 1, counts: authenticates }, // request texts; bodies
  { key: 'authFailuresBytesTotalMax', heap: 1, other: 0, counts: takesTokens },
  { key: 'historyBytesTotalMax', heap: 0, other: 1, counts: (config) => config.engine === 'embedded' },
  { key: 'historyBytesTotalMax', heap: 1, other: 1, counts: (config) => config.engine !== 'embedded' },
  { key: 'graphBytesTotalMax', heap: 0, other: 1, counts: (config) => config.engine === 'embedded' },
  { key: 'followerSendsBytesMax', heap: 1, other: 1 },
  { key: 'logPendingBytesMax', heap: 1, other: 1 }, // lines, and what is being written of them
  { key: 'redisPendingBytesMax', heap: 1, other: 1, counts: (config) => config.engine === 'redis' },
  { key: 'redisHeldBytesMax', heap: 1, other: 1, counts: (config) => config.engine === 'redis' },
] as const satisfies readonly (Omit<Budget, 'key'> & { key: string })[];

export type BudgetKey = (typeof budgets)[number]['key'];

/** Whether somebody has set it: then it is not changed. */
type IsSet = (key: BudgetKey) => boolean;

export interface MemoryOfProcess {
  /** V8's heap limit. */
  readonly heapBytes: number;
  /** Of the machine, or of the container where that is less; a worker's share of it. */
  readonly totalBytes: number;
}

export function memoryOfProcess(): MemoryOfProcess {
  // 0 or 2^64 where nothing constrains it.
  const constrained = process.constrainedMemory?.() ?? 0;
  const total = totalmem();
  const totalBytes = constrained > 0 && constrained < total ? constrained : total;
  return { heapBytes: v8.getHeapStatistics().heap_size_limit, totalBytes };
}

/** The sum of the limits, and the room for it, bytes. */
export interface LimitsSummed {
  readonly heapBytes: number;
  readonly heapRoomBytes: number;
  readonly totalBytes: number;
  readonly totalRoomBytes: number;
}

export function limitsSummed(config: Config, memory = memoryOfProcess()): LimitsSummed {
  const connections = streamCapacity(config.connectionsMax, config);
  const heapBytes = sumOf(config, ({ heap }) => heap) + connections * connectionHeapBytes;
  return {
    heapBytes,
    heapRoomBytes: Math.max(0, Math.floor((memory.heapBytes - programBytes) * heapShare)),
    totalBytes: heapBytes + sumOf(config, ({ other }) => other) + connections * otherBytesOf(config),
    totalRoomBytes: Math.max(
      0,
      Math.floor((memory.totalBytes * memoryShare) / Math.max(1, config.workers)) - programBytes,
    ),
  };
}

/**
 * @param isSet whether somebody has set it, which is not to be changed then
 * @returns the settings with defaults that fit, or a sentence that says what does not
 * @throws ConfigError where descriptors do not allow the connections that are asked for
 */
export function fittedToMemory(config: Config, isSet: IsSet, memory = memoryOfProcess()): Config | string {
  const capped = withConnectionsCapped(config, memory);
  const inHeap = scaled(capped, isSet, (each) => each.heap > 0, heapScale(capped, isSet, memory));
  const fitted = scaled(inHeap, isSet, () => true, totalScale(inHeap, isSet, memory));
  return problemOfLimits(fitted, isSet, memory) ?? fitted;
}

/** @returns a sentence where the limits allow more than the memory has room for */
export function problemOfLimits(
  config: Config,
  isSet: IsSet,
  memory = memoryOfProcess(),
): string | undefined {
  const summed = limitsSummed(config, memory);
  if (summed.heapBytes > summed.heapRoomBytes) return heapTooSmall(config, isSet, summed, memory);
  if (summed.totalBytes > summed.totalRoomBytes) return memoryTooSmall(config, isSet, summed, memory);
  return undefined;
}

/** A connection takes so many bytes outside of the heap. */
function otherBytesOf({ tlsCertFile }: Config): number {
  return connectionOtherBytes + (tlsCertFile.length > 0 ? tlsBytes : 0);
}

/** A descriptor limit of a million, which containers have, says nothing of memory. */
function withConnectionsCapped(config: Config, memory: MemoryOfProcess): Config {
  if (config.connectionsMax !== 0) return config;
  const { heapRoomBytes, totalRoomBytes } = limitsSummed(config, memory);
  const fit = Math.floor(
    Math.min(
      (heapRoomBytes * connectionsShare) / connectionHeapBytes,
      (totalRoomBytes * connectionsShare) / (connectionHeapBytes + otherBytesOf(config)),
    ),
  );
  return fit < streamCapacity(0, config) ? { ...config, connectionsMax: Math.max(1, fit) } : config;
}

function heapScale(config: Config, isSet: IsSet, memory: MemoryOfProcess): number {
  const { heapBytes, heapRoomBytes } = limitsSummed(config, memory);
  const movable = sumOf(config, ({ key, heap }) => (isSet(key) ? 0 : heap));
  return scaleOf(heapBytes, heapRoomBytes, movable);
}

function totalScale(config: Config, isSet: IsSet, memory: MemoryOfProcess): number {
  const { totalBytes, totalRoomBytes } = limitsSummed(config, memory);
  const movable = sumOf(config, ({ key, heap, other }) => (isSet(key) ? 0 : heap + other));
  return scaleOf(totalBytes, totalRoomBytes, movable);
}

function scaleOf(sum: number, room: number, movable: number): number {
  if (sum <= room || movable === 0) return 1;
  // A little smaller than it must be, for those that get no less than leastBytes.
  return Math.max(leastScale, 1 - (sum - room + mebibyte) / movable);
}

function scaled(config: Config, isSet: IsSet, concerns: (budget: Budget) => boolean, scale: number): Config {
  if (scale === 1) return config;
  const smaller: Partial<Record<BudgetKey, number>> = {};
  for (const budget of budgetsOf(config)) {
    if (isSet(budget.key) || !concerns(budget)) continue;
    const bytes = Math.floor((config[budget.key] * scale) / 1024) * 1024;
    smaller[budget.key] = Math.max(leastBytes, bytes);
  }
  return { ...config, ...smaller };
}

function budgetsOf(config: Config): readonly Budget[] {
  return (budgets as readonly Budget[]).filter(({ counts }) => counts === undefined || counts(config));
}

function sumOf(config: Config, timesOf: (budget: Budget) => number): number {
  return budgetsOf(config).reduce((sum, budget) => sum + config[budget.key] * timesOf(budget), 0);
}

/** For the log, in MB: what all limits allow, and each of them. */
export function limitsLine(config: Config): Record<string, number> {
  const summed = limitsSummed(config);
  const line: Record<string, number> = {
    heapMb: inMb(summed.heapBytes),
    heapRoomMb: inMb(summed.heapRoomBytes),
    totalMb: inMb(summed.totalBytes),
    totalRoomMb: inMb(summed.totalRoomBytes),
    connections: streamCapacity(config.connectionsMax, config),
  };
  for (const { key } of budgetsOf(config))
    line[key.replace(/(Bytes)?(Total)?Max$/, 'Mb')] = inMb(config[key]);
  return line;
}

function heapTooSmall(config: Config, isSet: IsSet, summed: LimitsSummed, memory: MemoryOfProcess): string {
  const neededMb = Math.ceil((summed.heapBytes / heapShare + programBytes) / mebibyte);
  return `What the limits allow may take ${inMb(summed.heapBytes)} MB of V8's heap, and of its ${inMb(memory.heapBytes)} MB there is room for ${inMb(summed.heapRoomBytes)}: lower ${largest(config, isSet, ({ heap }) => heap)}, or start with NODE_OPTIONS=--max-old-space-size=${neededMb}.`;
}

function memoryTooSmall(config: Config, isSet: IsSet, summed: LimitsSummed, memory: MemoryOfProcess): string {
  const shared = config.workers > 1 ? ` for ${config.workers} workers` : '';
  return `What the limits allow may take ${inMb(summed.totalBytes)} MB, and of the ${inMb(memory.totalBytes)} MB of memory${shared} there is room for ${inMb(summed.totalRoomBytes)}: lower ${largest(config, isSet, ({ heap, other }) => heap + other)}, or give it more memory.`;
}

/** The two that count for most, of those that somebody has set where there are any. */
function largest(config: Config, isSet: IsSet, timesOf: (budget: Budget) => number): string {
  const all = budgetsOf(config).map((each) => ({ ...each, bytes: config[each.key] * timesOf(each) }));
  const set = all.filter(({ key }) => isSet(key));
  const candidates = (set.length > 0 ? set : all).sort((one, other) => other.bytes - one.bytes);
  return candidates
    .slice(0, 2)
    .map(({ key }) => `${flagOf(key)} (${config[key]})`)
    .join(' or ');
}

function inMb(bytes: number): number {
  return Math.round(bytes / mebibyte);
}
