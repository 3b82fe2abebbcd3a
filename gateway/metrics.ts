import type { Router } from '../router/router.js';
import type { AccessControl } from './access-control.js';
import type { AdminSockets } from './admin-sockets.js';
import { authenticationStats } from './authentication-stats.js';
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
  /** The memory of the process, read once for all metrics: each reading costs the system a look at /proc. */
  readonly usage: NodeJS.MemoryUsage;
  readonly idleSockets: IdleSockets;
  readonly log: LogNumbers;
  readonly runtime: RuntimeGauges;
  readonly adminSockets: AdminSockets;
  /** `mqtt` is there where MQTT has a port of its own. */
  readonly listeners: { gateway: Listener; api: Listener; mqtt: Listener | undefined };
  /** Undefined where no listener has TLS. */
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
  /** Reads a number, or several by label; undefined where this process has none. */
  readonly read: (parts: MetricParts) => unknown;
}

/** All metrics, in the order of `/stats`; admin/metrics/families.ts has a sentence for each. */
export const metrics: readonly Metric[] = [
  metric('version', 'info', () => version),
  metric('node', 'info', () => process.version),
  metric('pid', 'process', () => process.pid),
  metric('uptimeSec', 'maximum', ({ startedMs }) => Math.round((Date.now() - startedMs) / 1000)),
  metric('connections.open', 'gauge', ({ connections }) => connections.open),
  metric('connections.capacity', 'gauge', ({ connections }) => connections.capacity),
  metric('connections.byTransport', 'gauge', ({ counters }) => counters.open),
  metric('connections.opened', 'counter', ({ counters }) => counters.opened),
  metric('connections.closed', 'counter', ({ counters }) => counters.closed),
  metric('connections.refused', 'counter', ({ counters }) => counters.refused),
  metric('sockets.gateway', 'gauge', ({ listeners }) => listeners.gateway.sockets),
  metric('sockets.api', 'gauge', ({ listeners }) => listeners.api.sockets),
  metric('sockets.mqtt', 'gauge', ({ listeners }) => listeners.mqtt?.sockets ?? 0),
  metric('sockets.admin', 'gauge', ({ adminSockets }) => adminSockets.open),
  metric('sockets.adminRefused', 'counter', ({ adminSockets }) => adminSockets.refused),
  metric('sockets.gatewayPauses', 'counter', (parts) => parts.listeners.gateway.pauses),
  metric('sockets.apiPauses', 'counter', ({ listeners }) => listeners.api.pauses),
  metric('sockets.apiClosedIdle', 'counter', ({ idleSockets }) => idleSockets.closed),
  metric('sockets.mqttPauses', 'counter', ({ listeners }) => listeners.mqtt?.pauses ?? 0),
  metric('router', 'group', ({ router }) => router.stats()),
  metric('messages.written', 'counter', ({ counters }) => counters.messagesWritten),
  metric('messages.bytesWritten', 'counter', ({ counters }) => counters.messageBytesWritten),
  metric('messages.writtenByTransport', 'counter', ({ counters }) =>
    counters.writtenBy(({ messages }) => messages),
  ),
  metric('messages.bytesWrittenByTransport', 'counter', ({ counters }) =>
    counters.writtenBy(({ bytes }) => bytes),
  ),
  metric('messages.latency', 'group', ({ counters }) => counters.latency.stats()),
  metric('messages.lost', 'counter', ({ counters }) => counters.messagesLostTotal),
  metric('messages.lostByReason', 'counter', ({ counters }) => counters.messagesLost),
  metric('messages.heartbeats', 'counter', ({ counters }) => counters.heartbeats),
  metric('mqtt', 'group', ({ mqtt }) => mqtt.stats()),
  metric('slowConsumers.now', 'gauge', ({ slowConsumers }) => slowConsumers.count),
  metric('slowConsumers.pendingBytes', 'gauge', ({ slowConsumers }) => slowConsumers.pendingBytes),
  metric('polls.answered', 'counter', ({ counters }) => counters.closed.answered),
  metric('polls.unsentBytes', 'gauge', ({ unsent }) => unsent.bytes),
  metric('polls.closedUnread', 'counter', ({ unsent }) => unsent.closed),
  metric('apiErrors', 'counter', ({ counters }) => counters.apiErrors),
  metric('engine', 'group', ({ router }) => router.engine.stats()),
  metric('authentication', 'group', ({ access, counters }) => authenticationStats(access, counters)),
  metric('tls', 'group', (parts) => parts.certificates?.stats()),
  metric('log.pendingBytes', 'gauge', ({ log }) => log.pendingBytes),
  metric('log.droppedLines', 'counter', ({ log }) => log.droppedLines),
  metric('eventLoop', 'group', ({ runtime }) => runtime.eventLoop.stats()),
  metric('garbage', 'group', ({ runtime }) => runtime.garbage.stats()),
  metric('cpu', 'group', cpuTimes),
  metric('memory.rssBytes', 'gauge', ({ usage }) => usage.rss),
  metric('memory.heapUsedBytes', 'gauge', ({ usage }) => usage.heapUsed),
  metric('memory.heapTotalBytes', 'gauge', ({ usage }) => usage.heapTotal),
  metric('memory.externalBytes', 'gauge', ({ usage }) => usage.external),
  metric(
    'memory.bytesPerConnection',
    'process',
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

function metric(name: string, kind: MetricKind, read: Metric['read']): Metric {
  return { name, kind, read };
}

function cpuTimes() {
  const { user, system } = process.cpuUsage();
  return { userSec: user / 1e6, systemSec: system / 1e6 };
}
