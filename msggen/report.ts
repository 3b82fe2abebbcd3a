/** The output of a run: a line while it goes on, a summary to read, or the same as one JSON object. */
import { type Generator, type GeneratorOptions, LIST_FULL, TOO_MANY_FOR_US } from './generator.js';
import type { NameAddress } from './global-name.js';
import { formatLatency, latencyText } from './latency.js';
import type { MqttQos } from './mqtt/packets.js';
import { LATE_AFTER_MS } from './schedule.js';

export interface MsggenOptions extends GeneratorOptions {
  transport: 'http' | 'redis' | 'mqtt-ws';
  url: URL;
  token: string | undefined;
  /** Messages in one request at most. */
  batch: number;
  /** Whether to wait for the count of connections that each message reached. */
  wait: boolean;
  /** For MQTT. */
  mqtt: MqttSendOptions;
  /** For a router's global name on Redis. */
  redis: RedisSendOptions | undefined;
  senders: number;
  /** Between two messages of a sender. Undefined with rate `max`. */
  intervalMs: number | undefined;
}

export interface RedisSendOptions {
  address: NameAddress;
  /** Messages of a connection that may be unanswered. */
  window: number;
}

export interface MqttSendOptions {
  qos: MqttQos;
  retain: boolean;
  /** Messages of a connection that may be unacknowledged. */
  window: number;
  username: string | undefined;
  password: string | undefined;
}

/** Messages a second over the planned time, or over the real time if that was longer. */
export function achievedPerSec(generator: Generator, asked: MsggenOptions): number {
  const gapMs = asked.ratePerSec === 'max' ? 0 : 1000 / asked.ratePerSec;
  const elapsedMs = Math.max(generator.elapsedMs, generator.due * gapMs);
  return elapsedMs > 0 ? (generator.sent * 1000) / elapsedMs : 0;
}

/** Whether the transport answers each message with a count. */
function isAnswered({ transport }: MsggenOptions): boolean {
  return transport !== 'mqtt-ws';
}

/** Whether answers count the connections that were reached. */
function isCounted(asked: MsggenOptions): boolean {
  return asked.transport === 'http' && asked.wait;
}

export function liveLine(generator: Generator, asked: MsggenOptions, sentInLastSecond: number): string {
  const latestP99 = generator.latest.percentileMs(99);
  return [
    `${Math.round(generator.elapsedMs / 1000)} s`,
    `asked ${askedRate(asked)}`,
    `now ${sentInLastSecond}/s`,
    `sent ${generator.sent}`,
    ...(isCounted(asked) ? [`delivered ${generator.delivered}`] : []),
    `errors ${generator.errorsTotal}`,
    `late ${generator.late}`,
    `p99 ${latencyText(latestP99)} ms`,
  ].join('  ');
}

export function sendSummaryText(generator: Generator, asked: MsggenOptions): string {
  const { mqtt } = asked;
  const answer = isAnswered(asked)
    ? 'answer'
    : mqtt.qos === 0
      ? 'write'
      : mqtt.qos === 1
        ? 'PUBACK'
        : 'PUBCOMP';
  const from = asked.ratePerSec === 'max' ? `from request to ${answer}` : `from deadline to ${answer}`;
  const { addresses } = generator;
  const lines = [
    `asked      ${askedRate(asked)} from ${asked.senders} sender${asked.senders === 1 ? '' : 's'} to ids ${addresses.id(1)} to ${addresses.id(asked.maxId)}${isAnswered(asked) ? '' : ` at QoS ${mqtt.qos}`}`,
    `sent       ${generator.sent} in ${(generator.elapsedMs / 1000).toFixed(1)} s: ${achievedPerSec(generator, asked).toFixed(1)}/s achieved`,
    ...(isCounted(asked) ? [`delivered  ${generator.delivered}`] : []),
    ...(asked.redis === undefined ? [] : [`copies     ${generator.delivered} to nodes`]),
    `errors     ${generator.errorsTotal}${reasonsIn(generator.errors)}`,
    `bandwidth  ${bandwidthText(generator)}`,
  ];
  const lost = [...generator.connectionsLost.values()].reduce((sum, count) => sum + count, 0);
  if (lost > 0) lines.push(`reconnects ${lost}${reasonsIn(generator.connectionsLost)}`);
  if (generator.unanswered > 0)
    lines.push(
      `unanswered ${generator.unanswered}: due, but the run ended first; in the latency they count with the time they waited`,
    );
  if (asked.ratePerSec !== 'max') {
    lines.push(`late       ${generator.late} sent more than ${LATE_AFTER_MS} ms after their deadline`);
  }
  if (generator.latency.total > 0 || isAnswered(asked)) {
    lines.push(`latency    ${formatLatency(generator.latency.summaryMs())}, ${from}`);
  }
  if (asked.ratePerSec !== 'max' && answer !== 'write') {
    lines.push(`request    ${formatLatency(generator.requestTime.summaryMs())}, from request to ${answer}`);
  }
  if (isOwnLimit(generator, asked)) {
    lines.push(
      `limit      msggen's own: it was at work for ${(generator.busyShare * 100).toFixed(0)} % of the time, and such a rate takes several of it, or --batch`,
    );
  }
  const unsent = unsentOf(generator);
  if (unsent > 0) lines.push(`unsent     ${unsent} of the errors were never sent, and have no latency`);
  return lines.join('\n');
}

/** The rate counts as reached from this part of it on. */
const REACHED_SHARE = 0.95;
const BUSY_SHARE = 0.9;

/** Whether the rate was not reached because this process had no time left. */
export function isOwnLimit(generator: Generator, asked: MsggenOptions): boolean {
  if (asked.ratePerSec === 'max') return false;
  if (generator.errors.has(TOO_MANY_FOR_US)) return true;
  const reached = achievedPerSec(generator, asked) >= REACHED_SHARE * asked.ratePerSec;
  return !reached && generator.busyShare > BUSY_SHARE;
}

function unsentOf({ errors }: Generator): number {
  return (errors.get(TOO_MANY_FOR_US) ?? 0) + (errors.get(LIST_FULL) ?? 0);
}

export function sendSummaryJson(generator: Generator, asked: MsggenOptions, startedAt: Date): object {
  const cpu = process.cpuUsage();
  const { transport, mqtt, redis } = asked;
  return {
    tool: 'msggen',
    url: transport === 'http' ? asked.url.origin : asked.url.href,
    startedAt: startedAt.toISOString(),
    asked: {
      ratePerSec: asked.ratePerSec,
      senders: asked.senders,
      intervalMs: asked.intervalMs ?? null,
      messages: finiteOrNull(asked.messagesTotal),
      forSec: finiteOrNull(asked.forMs / 1000),
      maxId: asked.maxId,
      ids: asked.template,
      sizeBytes: asked.sizeBytes,
      stamp: asked.stamp,
      batch: asked.batch,
      wait: asked.wait,
      connections: asked.connections,
      answerTimeoutSec: asked.answerTimeoutMs / 1000,
      seed: asked.seed,
      transport,
      ...(transport === 'mqtt-ws' ? { qos: mqtt.qos, retain: mqtt.retain, window: mqtt.window } : {}),
      ...(redis === undefined ? {} : { name: redis.address.name, window: redis.window }),
    },
    publisher: generator.text.publisher ?? null,
    elapsedSec: generator.elapsedMs / 1000,
    due: generator.due,
    sent: generator.sent,
    achievedPerSec: achievedPerSec(generator, asked),
    delivered: isCounted(asked) ? generator.delivered : null,
    ...(redis === undefined ? {} : { copies: generator.delivered }),
    bytesSent: generator.traffic.sentBytes,
    bytesReceived: generator.traffic.receivedBytes,
    ...bandwidthOf(generator),
    errors: Object.fromEntries(generator.errors),
    errorsTotal: generator.errorsTotal,
    unanswered: generator.unanswered,
    unsent: unsentOf(generator),
    ownLimit: isOwnLimit(generator, asked),
    busyShare: generator.busyShare,
    connectionsLost: Object.fromEntries(generator.connectionsLost),
    late: generator.late,
    latencyMs: generator.latency.summaryMs() ?? null,
    requestMs: generator.requestTime.summaryMs() ?? null,
    cpuSec: (cpu.user + cpu.system) / 1e6,
    rssBytes: process.memoryUsage.rss(),
  };
}

/** Over the whole run. */
function bandwidthOf({ traffic, elapsedMs }: Generator) {
  const perSec = (bytes: number) => (elapsedMs > 0 ? (bytes * 1000) / elapsedMs : 0);
  return { sentBytesPerSec: perSec(traffic.sentBytes), receivedBytesPerSec: perSec(traffic.receivedBytes) };
}

function bandwidthText(generator: Generator): string {
  const { sentBytes, receivedBytes } = generator.traffic;
  const { sentBytesPerSec, receivedBytesPerSec } = bandwidthOf(generator);
  const sent = `${(sentBytes / 1e6).toFixed(1)} MB sent, ${(sentBytesPerSec / 1e3).toFixed(1)} KB/s`;
  return `${sent}; ${(receivedBytes / 1e6).toFixed(1)} MB received, ${(receivedBytesPerSec / 1e3).toFixed(1)} KB/s`;
}

function reasonsIn(reasons: Map<string, number>): string {
  const parts = [...reasons].map(([reason, count]) => `${reason}: ${count}`);
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

function askedRate(asked: MsggenOptions): string {
  const { ratePerSec, transport } = asked;
  const answerer = transport === 'http' ? 'the API' : 'the router';
  const fastest = isAnswered(asked) ? `as fast as ${answerer} answers` : 'as fast as it goes';
  return ratePerSec === 'max' ? fastest : `${roundedTo3(ratePerSec)}/s`;
}

function roundedTo3(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
