// The figures of a run: connections, messages, latency, and memory and CPU of the server. A figure that was not
// recorded is undefined.

import { meanRate } from './rate.js';
import type { Run, RunColumn } from './run.js';
import { findSteadyPhase, leastSquaresSlope, type SteadyPhase } from './steady-phase.js';

const SEC_PER_HOUR = 3_600;

/** Shortest phase with a slope. Over 25 s, one collection of V8 more or less would be 100 MB an hour. */
export const SLOPE_HOLD_SEC_MIN = 300;

export interface RunFigures {
  readonly lengthSec: number;
  readonly holdSec?: number | undefined;
  readonly connections?: number | undefined;
  readonly closed?: number | undefined;
  readonly messages?: number | undefined;
  readonly messagesPerSec?: number | undefined;
  readonly receivedBytesPerSec?: number | undefined;
  readonly sentBytesPerSec?: number | undefined;
  readonly lost?: number | undefined;
  readonly duplicated?: number | undefined;
  readonly outOfOrder?: number | undefined;
  readonly latencyP50Ms?: number | undefined;
  readonly latencyP99Ms?: number | undefined;
  readonly worstP99Ms?: number | undefined;
  readonly latencyMaxMs?: number | undefined;
  readonly rssAtHoldStartBytes?: number | undefined;
  readonly rssAtHoldEndBytes?: number | undefined;
  readonly bytesPerConnectionAtHoldStart?: number | undefined;
  readonly bytesPerConnectionAtHoldEnd?: number | undefined;
  readonly rssSlopeBytesPerHour?: number | undefined;
  readonly cpuSec?: number | undefined;
  readonly cpuShareInHold?: number | undefined;
}

export function runFigures(run: Run): RunFigures {
  const hold = findSteadyPhase(run);
  const rss = run.column('serverRssBytes');
  const slope =
    hold === undefined || hold.lengthSec < SLOPE_HOLD_SEC_MIN
      ? undefined
      : leastSquaresSlope(run.elapsedSec, rss, hold.from, hold.to);
  const cpu = run.column('serverCpuSec');
  return {
    lengthSec: run.lengthSec,
    holdSec: hold?.lengthSec,
    connections: hold?.connections,
    closed: last(run, 'closed'),
    messages: last(run, 'messages'),
    messagesPerSec: meanRate(run.elapsedSec, run.column('messages')),
    receivedBytesPerSec: hold && bytesPerSec(run, 'bytesReceived', hold),
    sentBytesPerSec: hold && bytesPerSec(run, 'bytesSent', hold),
    lost: last(run, 'lost'),
    duplicated: last(run, 'duplicated'),
    outOfOrder: last(run, 'outOfOrder'),
    latencyP50Ms: median(run.column('latencyP50Ms')),
    latencyP99Ms: median(run.column('latencyP99Ms')),
    worstP99Ms: most(run.column('latencyP99Ms')),
    latencyMaxMs: most(run.column('latencyMaxMs')),
    rssAtHoldStartBytes: hold && rss[firstKnownRow(rss, hold.from, hold.to)],
    rssAtHoldEndBytes: hold && rss[lastKnownRow(rss, hold.from, hold.to)],
    bytesPerConnectionAtHoldStart: hold && bytesPerConnection(run, firstKnownRow(rss, hold.from, hold.to)),
    bytesPerConnectionAtHoldEnd: hold && bytesPerConnection(run, lastKnownRow(rss, hold.from, hold.to)),
    rssSlopeBytesPerHour: slope === undefined ? undefined : slope * SEC_PER_HOUR,
    cpuSec: growth(run.elapsedSec, cpu, 0, cpu.length - 1)?.grown,
    cpuShareInHold: hold && growth(run.elapsedSec, cpu, hold.from, hold.to)?.perSec,
  };
}

function bytesPerSec(run: Run, column: RunColumn, { from, to }: SteadyPhase): number | undefined {
  return growth(run.elapsedSec, run.column(column), from, to)?.perSec;
}

function bytesPerConnection(run: Run, row: number): number | undefined {
  const rss = run.column('serverRssBytes');
  const connected = run.column('connected');
  const base = rss.findIndex((value, i) => !Number.isNaN(value) && !Number.isNaN(connected[i]!));
  if (base < 0 || row < 0) return undefined;
  const opened = connected[row]! - connected[base]!;
  return opened > 0 ? (rss[row]! - rss[base]!) / opened : undefined;
}

function last(run: Run, name: RunColumn): number | undefined {
  return run.column(name).findLast((value) => !Number.isNaN(value));
}

function firstKnownRow(values: readonly number[], from: number, to: number): number {
  for (let row = from; row <= to; row++) if (!Number.isNaN(values[row]!)) return row;
  return -1;
}

function lastKnownRow(values: readonly number[], from: number, to: number): number {
  for (let row = to; row >= from; row--) if (!Number.isNaN(values[row]!)) return row;
  return -1;
}

/** Growth of a cumulative counter between its first and last known row in a stretch. */
function growth(
  elapsedSec: readonly number[],
  counter: readonly number[],
  from: number,
  to: number,
): { grown: number; perSec: number } | undefined {
  const first = firstKnownRow(counter, from, to);
  const end = lastKnownRow(counter, from, to);
  if (first === end) return undefined;
  const grown = counter[end]! - counter[first]!;
  return { grown, perSec: grown / (elapsedSec[end]! - elapsedSec[first]!) };
}

function most(values: readonly number[]): number | undefined {
  return values.reduce<number | undefined>(
    (highest, value) =>
      Number.isNaN(value) || (highest !== undefined && highest >= value) ? highest : value,
    undefined,
  );
}

function median(values: readonly number[]): number | undefined {
  const known = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  if (known.length === 0) return undefined;
  const middle = known.length >> 1;
  return known.length % 2 === 1 ? known[middle]! : (known[middle - 1]! + known[middle]!) / 2;
}
