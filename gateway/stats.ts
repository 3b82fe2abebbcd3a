import type { Numbers } from './cluster/stats-sum.js';
import { type MetricParts, metrics } from './metrics.js';

export type StatsParts = Omit<MetricParts, 'startedMs' | 'usage'>;

/** The metrics of `GET /stats`. Read on each request; stores nothing. */
export class Stats {
  readonly #parts: Omit<MetricParts, 'usage'>;

  constructor(parts: StatsParts) {
    this.#parts = { ...parts, startedMs: Date.now() };
  }

  /** All metrics, for operators and tests. */
  all(): Numbers {
    const parts = { ...this.#parts, usage: process.memoryUsage() };
    const all: Record<string, unknown> = {};
    for (const { name, read } of metrics) {
      const [room, member] = name.split('.') as [string, string | undefined];
      if (member === undefined) {
        all[room] = read(parts);
        continue;
      }
      all[room] ??= {};
      (all[room] as Record<string, unknown>)[member] = read(parts);
    }
    return all;
  }

  /** The few metrics that the landing page shows to everybody. */
  publicNumbers() {
    const { connections, counters, memory } = this.#parts;
    return {
      connections: connections.open,
      messages: counters.messagesWritten,
      bytesPerConnection: memory.bytesPerConnection(connections.open) ?? null,
    };
  }
}
