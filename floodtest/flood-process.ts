/**
 * The connections of one process: opens them at their rate, holds them, counts. A connection is a bare node:net socket
 * that reads into one buffer shared by all (3 KB each; with undici 9 to 12 KB: docs/decisions/floodtest-client.md),
 * its number, and a slot in each of the columns.
 */
import { Socket } from 'node:net';
import { LatencyHistogram } from '../msggen/latency.js';
import { Schedule } from '../msggen/schedule.js';
import { nowUs, readStamp, type Stamp } from '../msggen/stamp.js';
import { noCounts, type ProcessReport, type Reasons } from './counts.js';
import { connectionsOf, type Share, sourceOf } from './plan.js';
import { StampAccounts } from './stamp-accounts.js';
import type { Transport, TransportEvents } from './transport/transport.js';
import { TRANSPORTS, type TransportName } from './transport/transports.js';

const OPENING_TICK_MS = 5;
/** Connections on their way at once, below the usual listen backlog of 511: a full one costs a second of waiting. */
const OPENING_LIMIT = 256;
/** Ports tried for a connection that is bound to a source address. */
const SOURCE_ATTEMPTS = 5;
const READ_BUFFER_BYTES = 64 * 1024;

const OPENING = 1;
const CONNECTED = 2;
const DONE = 3;

export class FloodProcess implements TransportEvents {
  readonly #share: Share;
  readonly #transport: Transport;
  readonly #schedule: Schedule;
  readonly #sockets: (FloodSocket | undefined)[];
  readonly #states: Uint8Array;
  /** When it began to open; once it is connected, when it was logged in. */
  readonly #sinceUs: Float64Array;
  readonly #reached: Uint8Array;
  readonly #accounts: StampAccounts;
  readonly #latency = new LatencyHistogram();
  readonly #stamp: Stamp = { publisher: 0, seq: 0, sentAtUs: 0 };
  readonly #counts = noCounts();
  readonly #refusals: Reasons = {};
  readonly #failures: Reasons = {};
  readonly #closures: Reasons = {};
  readonly #baseRssBytes = process.memoryUsage.rss();
  #receivedUs = 0;
  #begun = 0;
  #startMs = 0;

  constructor(share: Share) {
    const connections = connectionsOf(share);
    this.#share = share;
    this.#transport = TRANSPORTS[share.transport as TransportName](this, share.host, connections);
    this.#schedule = new Schedule(share.ratePerSec / share.processes, connections, Number.POSITIVE_INFINITY);
    this.#sockets = new Array(connections).fill(undefined);
    this.#states = new Uint8Array(connections);
    this.#sinceUs = new Float64Array(connections);
    this.#reached = new Uint8Array(connections);
    this.#accounts = new StampAccounts(connections);
  }

  start(): void {
    this.#startMs = performance.now();
    this.#openDue();
  }

  report(): ProcessReport {
    this.#giveUpUnanswered();
    const { lost, duplicated, outOfOrder, unaccounted } = this.#accounts;
    const cpu = process.cpuUsage();
    const report = {
      counts: { ...this.#counts, lost, duplicated, outOfOrder, unaccounted },
      refusals: this.#refusals,
      failures: this.#failures,
      closures: this.#closures,
      publishers: [...this.#accounts.publishers],
      latency: this.#latency.toCounts(),
      rssBytes: process.memoryUsage.rss(),
      baseRssBytes: this.#baseRssBytes,
      cpuSec: (cpu.user + cpu.system) / 1e6,
    };
    this.#latency.reset();
    return report;
  }

  loggedIn(connection: number): void {
    this.#states[connection] = CONNECTED;
    this.#sinceUs[connection] = this.#receivedUs;
    this.#counts.connected++;
    this.#counts.tried++;
  }

  refused(connection: number, reason: string): void {
    if (this.#states[connection] !== OPENING) return;
    this.#states[connection] = DONE;
    this.#counts.refused++;
    this.#counts.tried++;
    countReason(this.#refusals, reason);
    this.#sockets[connection]?.destroy();
  }

  ended(connection: number): void {
    this.#countEnd(connection, 'ended by the server');
    this.#sockets[connection]?.destroy();
  }

  chunk(): void {
    this.#counts.chunks++;
  }

  message(connection: number, bytes: Buffer, start: number, end: number): void {
    this.#counts.messages++;
    if (this.#reached[connection] === 0) {
      this.#reached[connection] = 1;
      this.#counts.reached++;
    }
    if (!readStamp(bytes, start, end, this.#stamp)) return;
    this.#counts.stamped++;
    this.#latency.record(this.#receivedUs - this.#stamp.sentAtUs);
    this.#accounts.record(connection, this.#stamp, this.#sinceUs[connection]!, this.#receivedUs);
  }

  /** For the sockets. */
  opened(connection: number): void {
    this.#sockets[connection]!.write(this.#transport.opening(this.#idOf(connection)), 'latin1');
  }

  received(connection: number, bytes: Buffer, end: number): void {
    this.#receivedUs = nowUs();
    this.#transport.receive(connection, bytes, end);
  }

  gone(connection: number, reason: string, attempt: number): void {
    this.#transport.forget(connection);
    this.#sockets[connection] = undefined;
    const portTaken = reason === 'EADDRINUSE' || reason === 'EADDRNOTAVAIL';
    if (portTaken && this.#share.sourceAddresses.length > 0 && attempt + 1 < SOURCE_ATTEMPTS) {
      this.#open(connection, attempt + 1);
    } else {
      this.#countEnd(connection, reason);
    }
  }

  /**
   * Closes with a reset: a polite close would leave 10,000 ports in TIME_WAIT for a minute, and a few rounds of that
   * leave none for anybody on this machine.
   */
  close(): void {
    for (const socket of this.#sockets) socket?.resetAndDestroy();
  }

  #openDue(): void {
    const due = this.#schedule.dueBy(performance.now() - this.#startMs);
    while (this.#begun < due && this.#begun - this.#counts.tried < OPENING_LIMIT)
      this.#open(this.#begun++, 0);
    if (this.#begun < this.#states.length) setTimeout(() => this.#openDue(), OPENING_TICK_MS);
  }

  #open(connection: number, attempt: number): void {
    const socket = new FloodSocket(this, connection, attempt);
    this.#sockets[connection] = socket;
    this.#states[connection] = OPENING;
    this.#sinceUs[connection] = nowUs();
    const { address, port } = this.#share;
    socket.connect({ host: address, port, ...sourceOf(this.#share, this.#numberOf(connection), attempt) });
  }

  /** Its number among the connections of all processes. */
  #numberOf(connection: number): number {
    return this.#share.index + connection * this.#share.processes;
  }

  #idOf(connection: number): string {
    return `${this.#share.idPrefix}${(this.#numberOf(connection) % this.#share.ids) + 1}`;
  }

  #countEnd(connection: number, reason: string): void {
    if (this.#states[connection] === CONNECTED) {
      this.#counts.connected--;
      this.#counts.closed++;
      countReason(this.#closures, reason);
    } else if (this.#states[connection] === OPENING) {
      this.#counts.failed++;
      this.#counts.tried++;
      countReason(this.#failures, reason);
    }
    this.#states[connection] = DONE;
  }

  #giveUpUnanswered(): void {
    if (this.#begun === this.#counts.tried) return;
    const { answerTimeoutMs } = this.#share;
    const sinceUs = nowUs() - answerTimeoutMs * 1000;
    for (let connection = 0; connection < this.#begun; connection++) {
      if (this.#states[connection] !== OPENING || this.#sinceUs[connection]! > sinceUs) continue;
      this.#countEnd(connection, `no answer in ${answerTimeoutMs / 1000} s`);
      this.#sockets[connection]?.destroy();
    }
  }
}

/** All sockets share these functions and the buffer: node calls them with the socket as `this`. */
const onread = {
  buffer: Buffer.allocUnsafeSlow(READ_BUFFER_BYTES),
  callback(this: FloodSocket, bytesRead: number, bytes: Uint8Array): boolean {
    this.flood.received(this.connection, bytes as Buffer, bytesRead);
    return true;
  },
};

class FloodSocket extends Socket {
  readonly flood: FloodProcess;
  readonly connection: number;
  readonly attempt: number;
  reason = 'ended by the server';

  constructor(flood: FloodProcess, connection: number, attempt: number) {
    // @types/node 20 knows `onread` for net.connect only; the constructor is what takes it.
    super({ onread } as object);
    this.flood = flood;
    this.connection = connection;
    this.attempt = attempt;
    this.on('connect', onConnect).on('error', onError).on('close', onClose);
  }
}

function onConnect(this: FloodSocket): void {
  this.flood.opened(this.connection);
}

function onError(this: FloodSocket, error: NodeJS.ErrnoException): void {
  this.reason = error.code ?? error.message;
}

function onClose(this: FloodSocket): void {
  this.flood.gone(this.connection, this.reason, this.attempt);
}

function countReason(reasons: Reasons, reason: string): void {
  reasons[reason] = (reasons[reason] ?? 0) + 1;
}
