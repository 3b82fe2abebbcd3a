import type { Router } from '../router/router.js';
import type { Counters } from './counters.js';
import type { Listener } from './listener.js';
import type { MemoryGauge } from './memory.js';
import type { Streams } from './streams.js';
import { version } from './version.js';

/** What `GET /stats` shows: the counters, and what is open now. Made when asked for; keeps nothing. */
export class Stats {
  readonly #parts: {
    router: Router;
    streams: Streams;
    counters: Counters;
    memory: MemoryGauge;
    gateway: Listener;
    api: Listener;
  };
  readonly #startedMs = Date.now();

  constructor(parts: {
    router: Router;
    streams: Streams;
    counters: Counters;
    memory: MemoryGauge;
    gateway: Listener;
    api: Listener;
  }) {
    this.#parts = parts;
  }

  /** Everything, for operators and tests. */
  all() {
    const { router, streams, counters, memory, gateway, api } = this.#parts;
    const { connections, slowConsumers } = streams;
    const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
    return {
      version,
      node: process.version,
      pid: process.pid,
      uptimeSec: Math.round((Date.now() - this.#startedMs) / 1000),
      connections: {
        open: connections.open,
        capacity: connections.capacity,
        opened: counters.opened,
        closed: counters.closed,
        refused: counters.refused,
      },
      sockets: {
        gateway: gateway.sockets,
        api: api.sockets,
        gatewayPauses: gateway.pauses,
        apiPauses: api.pauses,
      },
      router: router.stats(),
      messages: {
        written: counters.messagesWritten,
        bytesWritten: counters.messageBytesWritten,
        lost: Object.values(counters.messagesLost).reduce((sum, lost) => sum + lost, 0),
        lostByReason: counters.messagesLost,
        heartbeats: counters.heartbeats,
      },
      slowConsumers: { now: slowConsumers.count, pendingBytes: slowConsumers.pendingBytes },
      apiErrors: counters.apiErrors,
      memory: {
        rssBytes: rss,
        heapUsedBytes: heapUsed,
        heapTotalBytes: heapTotal,
        externalBytes: external,
        bytesPerConnection: memory.bytesPerConnection(connections.open) ?? null,
      },
    };
  }

  /** The few numbers that the landing page shows to everybody. */
  publicNumbers() {
    const { streams, counters, memory } = this.#parts;
    return {
      connections: streams.connections.open,
      messages: counters.messagesWritten,
      bytesPerConnection: memory.bytesPerConnection(streams.connections.open) ?? null,
    };
  }
}
