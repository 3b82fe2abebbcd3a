import type { Router } from '../router/router.js';
import type { AccessControl } from './access-control.js';
import type { AdminSockets } from './admin-sockets.js';
import { authenticationMetrics } from './authentication-metrics.js';
import type { Connections } from './connections.js';
import type { Counters } from './counters.js';
import type { UnsentAnswers } from './http/streams/unsent-answers.js';
import type { IdleSockets } from './idle-sockets.js';
import type { Listener } from './listener.js';
import type { LogNumbers } from './log/log-writer.js';
import type { MemoryGauge } from './memory.js';
import type { Mqtt } from './mqtt/mqtt.js';
import type { RuntimeGauges } from './runtime-gauges.js';
import type { SlowConsumers } from './slow-consumers.js';
import type { Certificates } from './tls/certificates.js';
import { version } from './version.js';

/** The parts of a gateway that metrics are read from. */
export interface MetricParts {
  readonly startedMs: number;
  readonly router: Router;
  readonly connections: Connections;
  readonly slowConsumers: SlowConsumers;
  readonly unsent: UnsentAnswers;
  readonly counters: Counters;
  readonly access: AccessControl;
  readonly mqtt: Mqtt;
  readonly memory: MemoryGauge;
  /** Of the process, read once for all metrics: each reading costs the system a look at /proc. */
  readonly usage: NodeJS.MemoryUsage;
  readonly idleSockets: IdleSockets;
  readonly log: LogNumbers;
  readonly runtime: RuntimeGauges;
  readonly adminSockets: AdminSockets;
  /** `mqtt` where it has a port of its own. */
  readonly listeners: { gateway: Listener; api: Listener; mqtt: Listener | undefined };
  /** Where a listener has TLS. */
  readonly certificates: Certificates | undefined;
}

/**
 * How the values of several nodes make one:
 * - `counter`: only grows, since the start; added up
 * - `gauge`: the value now; added up
 * - `maximum`: the highest
 * - `info`: stays where all nodes agree
 * - `process`: belongs to one process, and is left out
 * - `group`: several of the kinds above; numbers are added up, words and flags stay where all nodes agree
 */
export type MetricKind = 'counter' | 'gauge' | 'maximum' | 'info' | 'process' | 'group';

export interface Metric {
  /** Its place in `/stats`: `connections.open` is `open` in the object `connections`. */
  readonly name: string;
  readonly kind: MetricKind;
  readonly help: string;
  /** A number, or several by label. Undefined: not in this process. */
  readonly read: (parts: MetricParts) => unknown;
}

/** All metrics, in the order of `/stats`. */
export const metrics: readonly Metric[] = [
  metric('version', 'info', 'Release', () => version),
  metric('node', 'info', 'Release of Node.js', () => process.version),
  metric('pid', 'process', 'Process id', () => process.pid),
  metric('uptimeSec', 'maximum', 'Time since the start, seconds', ({ startedMs }) =>
    Math.round((Date.now() - startedMs) / 1000),
  ),
  metric('connections.open', 'gauge', 'Open connections of clients', ({ connections }) => connections.open),
  metric('connections.capacity', 'gauge', 'Most connections', ({ connections }) => connections.capacity),
  metric(
    'connections.byTransport',
    'gauge',
    'Open connections, by transport',
    ({ counters }) => counters.open,
  ),
  metric('connections.opened', 'counter', 'Connections opened', ({ counters }) => counters.opened),
  metric('connections.closed', 'counter', 'Connections closed, by reason', ({ counters }) => counters.closed),
  metric('connections.refused', 'counter', 'Refused, by reason', ({ counters }) => counters.refused),
  metric('sockets.gateway', 'gauge', 'Sockets of the gateway', ({ listeners }) => listeners.gateway.sockets),
  metric('sockets.api', 'gauge', 'Sockets of the API', ({ listeners }) => listeners.api.sockets),
  metric('sockets.mqtt', 'gauge', 'Sockets of --mqtt-port', ({ listeners }) => listeners.mqtt?.sockets ?? 0),
  metric(
    'sockets.admin',
    'gauge',
    "Sockets of the operator's listener",
    ({ adminSockets }) => adminSockets.open,
  ),
  metric(
    'sockets.adminRefused',
    'counter',
    "Sockets of the operator's listener closed at once, past --admin-sockets-max",
    ({ adminSockets }) => adminSockets.refused,
  ),
  metric(
    'sockets.gatewayPauses',
    'counter',
    'Times that the gateway did not listen, as all sockets were taken',
    (parts) => parts.listeners.gateway.pauses,
  ),
  metric('sockets.apiPauses', 'counter', 'The same of the API', ({ listeners }) => listeners.api.pauses),
  metric(
    'sockets.apiClosedIdle',
    'counter',
    'Idle sockets of the API closed to make room',
    ({ idleSockets }) => idleSockets.closed,
  ),
  metric(
    'sockets.mqttPauses',
    'counter',
    'The same of --mqtt-port',
    ({ listeners }) => listeners.mqtt?.pauses ?? 0,
  ),
  metric(
    'router',
    'group',
    'Ids, filters, logins, retained messages and history; see RouterStats',
    ({ router }) => router.stats(),
  ),
  metric(
    'messages.written',
    'counter',
    'Messages written, each recipient once',
    ({ counters }) => counters.messagesWritten,
  ),
  metric(
    'messages.bytesWritten',
    'counter',
    'Bytes of messages written',
    ({ counters }) => counters.messageBytesWritten,
  ),
  metric('messages.writtenByTransport', 'counter', 'Messages written, by transport', ({ counters }) =>
    counters.writtenBy(({ messages }) => messages),
  ),
  metric(
    'messages.bytesWrittenByTransport',
    'counter',
    'Bytes of messages written, by transport',
    ({ counters }) => counters.writtenBy(({ bytes }) => bytes),
  ),
  metric(
    'messages.latency',
    'group',
    'Time from the publish of a message until it was written here, by upper bound in seconds',
    ({ counters }) => counters.latency.stats(),
  ),
  metric(
    'messages.lost',
    'counter',
    'Messages that recipients did not get',
    ({ counters }) => counters.messagesLostTotal,
  ),
  metric('messages.lostByReason', 'counter', 'The same, by reason', ({ counters }) => counters.messagesLost),
  metric('messages.heartbeats', 'counter', 'Heartbeats written', ({ counters }) => counters.heartbeats),
  metric('mqtt', 'group', 'MQTT connections, packets and sessions', ({ mqtt }) => mqtt.stats()),
  metric(
    'slowConsumers.now',
    'gauge',
    'Connections with a backlog',
    ({ slowConsumers }) => slowConsumers.count,
  ),
  metric(
    'slowConsumers.pendingBytes',
    'gauge',
    'Bytes of all backlogs',
    ({ slowConsumers }) => slowConsumers.pendingBytes,
  ),
  metric('polls.answered', 'counter', 'Long-polls answered', ({ counters }) => counters.closed.answered),
  metric(
    'polls.unsentBytes',
    'gauge',
    'Bytes of answers that sockets did not take yet',
    ({ unsent }) => unsent.bytes,
  ),
  metric(
    'polls.closedUnread',
    'counter',
    'Polls closed, as their answers had no room',
    ({ unsent }) => unsent.closed,
  ),
  metric('apiErrors', 'counter', 'Errors of the API, by status', ({ counters }) => counters.apiErrors),
  metric('engine', 'group', 'The engine, where it has numbers', ({ router }) => router.engine.stats()),
  ...authenticationMetrics,
  metric('tls', 'group', 'Where a listener has TLS: the end of its certificate, and renewals', (parts) =>
    parts.certificates?.stats(),
  ),
  metric('log.pendingBytes', 'gauge', 'Bytes of log that are not written yet', ({ log }) => log.pendingBytes),
  metric('log.droppedLines', 'counter', 'Lines of log that had no room', ({ log }) => log.droppedLines),
  metric(
    'eventLoop',
    'group',
    'Part of the last 15 s in which the event loop worked; its delay, measured while somebody scrapes /metrics',
    ({ runtime }) => runtime.eventLoop.stats(),
  ),
  metric('garbage', 'group', "V8's collections, noted while somebody scrapes /metrics", ({ runtime }) =>
    runtime.garbage.stats(),
  ),
  metric('cpu.userSec', 'counter', 'CPU time of the process in its own code, seconds', () => cpuSec().user),
  metric('cpu.systemSec', 'counter', 'CPU time of the process in the kernel, seconds', () => cpuSec().system),
  metric('memory.rssBytes', 'gauge', 'Resident memory, bytes', ({ usage }) => usage.rss),
  metric('memory.heapUsedBytes', 'gauge', "V8's heap in use, bytes", ({ usage }) => usage.heapUsed),
  metric('memory.heapTotalBytes', 'gauge', "V8's heap, bytes", ({ usage }) => usage.heapTotal),
  metric(
    'memory.externalBytes',
    'gauge',
    "Buffers outside of V8's heap, bytes",
    ({ usage }) => usage.external,
  ),
  metric(
    'memory.bytesPerConnection',
    'process',
    'Growth since the start for each connection',
    (parts) => parts.memory.bytesPerConnection(parts.connections.open) ?? null,
  ),
];

/** Members of groups whose values are not added up. */
const kindsInGroups: ReadonlyMap<string, MetricKind> = new Map([
  ['engine.peers', 'process'],
  ['tls.expiresAtSec', 'info'],
  ...['p50Ms', 'p99Ms', 'maxMs', 'utilization'].map((name) => [`eventLoop.${name}`, 'maximum'] as const),
]);

const kinds = new Map(metrics.map(({ name, kind }) => [name, kind]));

/** @param name of a metric, or of a value in a group; undefined where there is none */
export function kindOf(name: string): MetricKind | undefined {
  return kinds.get(name) ?? kindsInGroups.get(name);
}

function metric(name: string, kind: MetricKind, help: string, read: Metric['read']): Metric {
  return { name, kind, help, read };
}

function cpuSec(): { user: number; system: number } {
  const { user, system } = process.cpuUsage();
  return { user: user / 1e6, system: system / 1e6 };
}
