/** What a run says: a line while it goes on, a summary to read, or the same as one JSON object. */
import { type Generator, type GeneratorOptions, LATE_AFTER_MS } from './generator.js';
import { formatLatency, formatMs } from './latency.js';

export interface Asked extends GeneratorOptions {
  senders: number;
  /** Between two messages of a sender. Undefined with rate `max`. */
  intervalMs: number | undefined;
}

/** Messages a second over the time asked for, or over the longer time it took. */
export function achievedPerSec(generator: Generator, asked: Asked): number {
  const gapMs = asked.ratePerSec === 'max' ? 0 : 1000 / asked.ratePerSec;
  const elapsedMs = Math.max(generator.elapsedMs, generator.due * gapMs);
  return elapsedMs > 0 ? (generator.sent * 1000) / elapsedMs : 0;
}

export function liveLine(generator: Generator, asked: Asked, sentInLastSecond: number): string {
  const latestP99 = generator.latest.percentileMs(99);
  return [
    `${Math.round(generator.elapsedMs / 1000)} s`,
    `asked ${askedRate(asked)}`,
    `now ${sentInLastSecond}/s`,
    `sent ${generator.sent}`,
    `delivered ${generator.delivered}`,
    `errors ${generator.errorsTotal}`,
    `late ${generator.late}`,
    `p99 ${formatMs(latestP99)} ms`,
  ].join('  ');
}

export function summaryText(generator: Generator, asked: Asked): string {
  const errors = [...generator.errors].map(([kind, count]) => `${kind}: ${count}`).join(', ');
  const from = asked.ratePerSec === 'max' ? 'from request to answer' : 'from deadline to answer';
  const lines = [
    `asked      ${askedRate(asked)} from ${asked.senders} sender${asked.senders === 1 ? '' : 's'} to ids ${asked.idPrefix}1 to ${asked.idPrefix}${asked.maxId}`,
    `sent       ${generator.sent} in ${(generator.elapsedMs / 1000).toFixed(1)} s: ${achievedPerSec(generator, asked).toFixed(1)}/s achieved`,
    `delivered  ${generator.delivered}`,
    `errors     ${generator.errorsTotal}${errors === '' ? '' : ` (${errors})`}`,
  ];
  if (generator.unanswered > 0)
    lines.push(`unanswered ${generator.unanswered}: due, but the run ended first`);
  if (asked.ratePerSec !== 'max') {
    lines.push(`late       ${generator.late} sent more than ${LATE_AFTER_MS} ms after their deadline`);
  }
  lines.push(`latency    ${formatLatency(generator.latency.summaryMs())} ms, ${from}`);
  if (asked.ratePerSec !== 'max') {
    lines.push(`request    ${formatLatency(generator.requestTime.summaryMs())} ms, from request to answer`);
  }
  return lines.join('\n');
}

export function summaryJson(generator: Generator, asked: Asked, startedAt: Date): object {
  const cpu = process.cpuUsage();
  return {
    tool: 'msggen',
    url: asked.url.origin,
    startedAt: startedAt.toISOString(),
    asked: {
      ratePerSec: asked.ratePerSec,
      senders: asked.senders,
      intervalMs: asked.intervalMs ?? null,
      messages: finiteOrNull(asked.messagesTotal),
      forSec: finiteOrNull(asked.forMs / 1000),
      maxId: asked.maxId,
      idPrefix: asked.idPrefix,
      sizeBytes: asked.sizeBytes,
      stamp: asked.stamp,
      batch: asked.batch,
      connections: asked.connections,
      seed: asked.seed,
    },
    publisher: generator.text.publisher ?? null,
    elapsedSec: generator.elapsedMs / 1000,
    due: generator.due,
    sent: generator.sent,
    achievedPerSec: achievedPerSec(generator, asked),
    delivered: generator.delivered,
    errors: Object.fromEntries(generator.errors),
    errorsTotal: generator.errorsTotal,
    unanswered: generator.unanswered,
    late: generator.late,
    latencyMs: generator.latency.summaryMs() ?? null,
    requestMs: generator.requestTime.summaryMs() ?? null,
    cpuSec: (cpu.user + cpu.system) / 1e6,
    rssBytes: process.memoryUsage.rss(),
  };
}

function askedRate(asked: Asked): string {
  return asked.ratePerSec === 'max' ? 'as fast as the API answers' : `${roundedTo3(asked.ratePerSec)}/s`;
}

function roundedTo3(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
