/** The table at the end of the run, and the same as JSON. */
import type { Flood } from '../../floodtest/flood.js';
import { formatLatency } from '../../msggen/latency.js';
import type { FleetFigures } from './fleet.js';
import type { FriendsLoaded } from './friends.js';
import { kernelBytes, type PartsReading, partNames } from './memory-parts.js';
import type { Plan } from './plan.js';
import type { Publisher } from './publisher.js';
import type { RunRecord, Stand } from './record.js';
import type { RedisFigures } from './redis-servers.js';

export interface Result {
  plan: Plan;
  flood: Flood;
  record: RunRecord;
  /** All processes are up, and nobody is connected. */
  base: PartsReading;
  /** Not asked for where it was stopped. */
  after: FleetFigures | undefined;
  publisher: Publisher;
  /** The friends graph, where there is one. */
  friends: FriendsLoaded | undefined;
  /** Why the run was stopped before its time. */
  ended: string | undefined;
}

export function resultText(result: Result): string {
  return [
    ...connectionLines(result),
    ...messageLines(result),
    ...memoryLines(result),
    ...cpuLines(result),
  ].join('\n');
}

export function resultJson({ plan, flood, record, base, after, publisher, friends, ended }: Result): object {
  const { open, settled, end } = record.stands;
  const stand = (one: Stand | undefined) => one && { elapsedSec: one.row.elapsedSec, ...one.parts };
  return {
    ended: ended ?? 'at the end of its time',
    plan,
    connectedAtMost: flood.connectedAtMost,
    counts: end?.row.counts ?? flood.counts,
    closures: flood.closures,
    refusals: flood.refusals,
    failures: flood.failures,
    latencyMs: flood.latency.summaryMs() ?? null,
    publisher: publisher.summary ?? null,
    gateways: after ?? null,
    friends: friends ?? null,
    memory: { base, open: stand(open), settled: stand(settled), end: stand(end) },
  };
}

function connectionLines({ plan, flood, record, ended }: Result): string[] {
  const { open, end } = record.stands;
  const { closed, refused, failed, connected } = end?.row.counts ?? flood.counts;
  const took =
    open === undefined
      ? ''
      : ` in ${open.row.elapsedSec.toFixed(0)} s (${Math.round(plan.connections / open.row.elapsedSec)}/s)`;
  return [
    ...(ended === undefined ? [] : [`stopped      ${ended}`]),
    `connected    ${flood.connectedAtMost} of ${plan.connections}${took}; ${connected} at the end`,
    `closed       ${closed}${reasons(flood.closures)}`,
    `refused      ${refused}${reasons(flood.refusals)}`,
    `failed       ${failed}${reasons(flood.failures)}`,
  ];
}

function messageLines(result: Result): string[] {
  const { flood, record, publisher, after, ended, friends } = result;
  const { summary } = publisher;
  if (summary === undefined) return [];
  if (friends !== undefined) return followerLines(result, friends);
  const { messages, lost, duplicated, outOfOrder } = record.stands.end?.row.counts ?? flood.counts;
  const errors =
    summary.errorsTotal === 0 ? '' : `; ${summary.errorsTotal} refused${reasons(summary.errors)}`;
  return [
    `sent         ${summary.sent}, ${summary.achievedPerSec.toFixed(0)}/s${errors}; ${summary.late} late`,
    `received     ${messages}`,
    ended === undefined
      ? `lost         ${summary.sent - messages} (sent less received); ${lost} seen as gaps`
      : `lost         ${lost} seen as gaps; sent less received says nothing, as the run was stopped with messages on their way`,
    `duplicated   ${duplicated}`,
    `out of order ${outOfOrder}`,
    `latency      ${formatLatency(flood.latency.summaryMs())}, from when it was due to arrival`,
    `send         ${formatLatency(summary.latencyMs ?? undefined)}, from deadline to answer`,
    ...(after === undefined ? [] : serverLines(after)),
  ];
}

/** Finds lost and doubled messages in the sums: a stamp counts the messages of one id, and a follower gets those of many. */
function followerLines(
  { flood, record, publisher, after, plan }: Result,
  { edges, seconds }: FriendsLoaded,
): string[] {
  const summary = publisher.summary!;
  const { messages } = record.stands.end?.row.counts ?? flood.counts;
  const delivered = after?.followerDeliveries ?? 0;
  const perSec = messages / (plan.holdMs / 1000);
  const errors = summary.errorsTotal === 0 ? '' : `; refused${reasons(summary.errors)}`;
  return [
    `graph        ${edges} edges in ${seconds.toFixed(0)} s (${Math.round(edges / seconds)}/s)`,
    `sent         ${summary.sent} to followers, ${summary.achievedPerSec.toFixed(0)}/s${errors}; ${summary.late} late`,
    `deliveries   ${delivered} by the count of the router; received ${messages}, ${perSec.toFixed(0)}/s`,
    `lost         ${Math.max(0, delivered - messages)}; doubled ${Math.max(0, messages - delivered)} (delivered less received)`,
    `latency      ${formatLatency(flood.latency.summaryMs())}, from when it was due to arrival`,
    ...(after === undefined ? [] : serverLines(after)),
  ];
}

function serverLines(figures: FleetFigures): string[] {
  const { open, written, lost, heartbeats, closed, warnings, answered, reconnects, redis } = figures;
  return [
    `gateways     say ${open} open, ${written} messages written, ${lost} lost, ${heartbeats} heartbeats (${answered} answered)`,
    `             closed${reasons(closed) || ' none'}; warnings${reasons(warnings) || ' none'}`,
    ...(redis === undefined ? [] : [redisLine(redis, reconnects)]),
  ];
}

function redisLine(figures: RedisFigures, reconnects: number): string {
  const { connections, channels, commands, usedBytes, endedForSlowReading } = figures;
  return `redis        ${connections} connections, ${channels} channels, ${commands} commands with those inside of functions, ${(usedBytes / 1e6).toFixed(0)} MB used; ${reconnects} reconnects, ${endedForSlowReading} of them as a node read too slowly`;
}

function memoryLines({ plan, record, base }: Result): string[] {
  const moments = [
    ['processes up', base],
    ['all open', record.stands.open?.parts],
    ['settled', record.stands.settled?.parts],
    ['end', record.stands.end?.parts],
  ] as const;
  const shown = moments.filter(([, parts]) => parts !== undefined) as (readonly [string, PartsReading])[];
  const last = shown.at(-1)![1];
  const line = (name: string, bytesOf: (parts: PartsReading) => number, perConnection = true) => {
    const each = perConnection ? String(Math.round((bytesOf(last) - bytesOf(base)) / plan.connections)) : '';
    const cells = shown.map(([, parts]) => (bytesOf(parts) / 1e6).toFixed(0).padStart(12));
    return `${name.padEnd(28)}${cells.join('')}${each.padStart(22)}`;
  };
  return [
    '',
    `${'memory, MB'.padEnd(28)}${shown.map(([name]) => name.padStart(12)).join('')}${'B a connection at last'.padStart(22)}`,
    line(`${plan.gateways} gateways`, ({ own }) => own.gateways),
    line(`${plan.clientProcesses} floodtest, whole`, ({ own }) => own.clients),
    line('redis-server', ({ own }) => own.redis),
    line('router and msggen', ({ own }) => own.router + own.publisher, false),
    line('kernel, more than before', kernelBytes),
    line('  of it slab', ({ kernel }) => kernel.slab),
    line('  of it socket buffers', ({ kernel }) => kernel.socketBuffers, false),
    line('programs, libraries (mapped)', ({ mapped }) => mapped, false),
    line('less available than before', ({ taken }) => taken),
    line('available', ({ available }) => available, false),
  ];
}

/** With nobody sending, and from the first message to the last. */
function cpuLines({ record }: Result): string[] {
  const { open, settled, end } = record.stands;
  if (end === settled) return [];
  return ['', ...cpuLine('idle', open, settled), ...cpuLine('with messages', settled, end)];
}

function cpuLine(when: string, from: Stand | undefined, to: Stand | undefined): string[] {
  if (from === undefined || to === undefined) return [];
  const seconds = (to.atMs - from.atMs) / 1000;
  const shares = partNames.map(
    (name) => `${name} ${percent(Math.max(0, to.cpuSec[name] - from.cpuSec[name]) / seconds)}`,
  );
  return [`CPU ${when}, of one core: ${shares.join(', ')}`];
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

function reasons(counts: Record<string, number>): string {
  const parts = Object.entries(counts).map(([reason, count]) => `${reason}: ${count}`);
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}
