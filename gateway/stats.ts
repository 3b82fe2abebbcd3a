import type { Router } from '../router/router.js';
import type { Connections } from './connections.js';
import type { Counters } from './counters.js';
import type { UnsentAnswers } from './http/streams/unsent-answers.js';
import type { IdleSockets } from './idle-sockets.js';
import type { Listener } from './listener.js';
import type { LogNumbers } from './log/log-writer.js';
import type { MemoryGauge } from './memory.js';
import type { Mqtt } from './mqtt/mqtt.js';
import type { SlowConsumers } from './slow-consumers.js';
import { version } from './version.js';

export interface StatsParts {
  readonly router: Router;
  readonly connections: Connections;
  readonly slowConsumers: SlowConsumers;
  readonly unsent: UnsentAnswers;
  readonly counters: Counters;
  readonly mqtt: Mqtt;
  readonly memory: MemoryGauge;
  readonly idleSockets: IdleSockets;
  readonly log: LogNumbers;
  /** `mqtt` where it has a port of its own. */
  readonly listeners: { gateway: Listener; api: Listener; mqtt: Listener | undefined };
}

/** What `GET /stats` shows: the counters, and what is open now. Made when asked for; keeps nothing. */
export class Stats {
  readonly #parts: StatsParts;
  readonly #startedMs = Date.now();

  constructor(parts: StatsParts) {
    this.#parts = parts;
  }

  /** Everything, for operators and tests. */
  all() {
    const {
      router,
      connections,
      slowConsumers,
      unsent,
      counters,
      mqtt,
      memory,
      log,
      listeners,
      idleSockets,
    } = this.#parts;
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
        gateway: listeners.gateway.sockets,
        api: listeners.api.sockets,
        mqtt: listeners.mqtt?.sockets ?? 0,
        gatewayPauses: listeners.gateway.pauses,
        apiPauses: listeners.api.pauses,
        apiClosedIdle: idleSockets.closed,
        mqttPauses: listeners.mqtt?.pauses ?? 0,
      },
      router: router.stats(),
      messages: {
        written: counters.messagesWritten,
        bytesWritten: counters.messageBytesWritten,
        lost: counters.messagesLostTotal,
        lostByReason: counters.messagesLost,
        heartbeats: counters.heartbeats,
      },
      mqtt: mqtt.stats(),
      slowConsumers: { now: slowConsumers.count, pendingBytes: slowConsumers.pendingBytes },
      polls: {
        answered: counters.closed.answered,
        unsentBytes: unsent.bytes,
        closedUnread: unsent.closed,
      },
      apiErrors: counters.apiErrors,
      engine: router.engineStats(),
      log: { pendingBytes: log.pendingBytes, droppedLines: log.droppedLines },
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
    const { connections, counters, memory } = this.#parts;
    return {
      connections: connections.open,
      messages: counters.messagesWritten,
      bytesPerConnection: memory.bytesPerConnection(connections.open) ?? null,
    };
  }
}
