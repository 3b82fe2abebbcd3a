/**
 * The connections of one process: opens them at their rate, holds them, lets the short-lived ones go and others take
 * their place, counts. A connection is its socket, its number, and a slot in each of the columns.
 */
import type { Publication } from '../msggen/mqtt/packets.js';
import { Schedule } from '../msggen/schedule.js';
import { nowUs } from '../msggen/stamp.js';
import {
  addCounts,
  EVERYTHING_ROW,
  noCounts,
  type ProcessReport,
  type Published,
  type Reasons,
} from './counts.js';
import { Devices } from './devices.js';
import { FloodSocket, type SocketOwner } from './flood-socket.js';
import { lifeMs } from './mqtt-plan.js';
import { connectionsOf, numberOf, placeOf, type Share, sourceOf } from './plan.js';
import { Receipts } from './receipts.js';
import { MqttWs } from './transport/mqtt-ws.js';
import type { Transport, TransportEvents } from './transport/transport.js';
import { TRANSPORTS, type TransportName } from './transport/transports.js';

const OPENING_TICK_MS = 5;
/** Connections on their way at once, below the usual listen backlog of 511: a full one costs a second of waiting. */
const OPENING_LIMIT = 256;
/** Ports tried for a connection that is bound to a source address. */
const SOURCE_ATTEMPTS = 5;
/** How often ends of life and pings that are due are looked for. */
const SWEEP_INTERVAL_MS = 100;

const OPENING = 1;
const CONNECTED = 2;
/** Has disconnected at the end of its life, and waits for the server to close. */
const LEAVING = 3;
const DONE = 4;

export class FloodProcess implements TransportEvents, SocketOwner {
  readonly #share: Share;
  readonly #transport: Transport;
  /** The transport, if it is MQTT. */
  readonly #mqtt: MqttWs | undefined;
  readonly #devices: Devices | undefined;
  readonly #schedule: Schedule;
  readonly #sockets: (FloodSocket | undefined)[];
  readonly #states: Uint8Array;
  /** When it began to open; once it is connected, when it was logged in. */
  readonly #sinceUs: Float64Array;
  /** How many have been in its place before. */
  readonly #predecessors: Uint32Array;
  /** On the clock of performance.now(); 0 when the connection stays. */
  readonly #lifeEndsMs: Float64Array;
  readonly #receipts: Receipts;
  readonly #counts = noCounts();
  readonly #refusals: Reasons = {};
  readonly #failures: Reasons = {};
  readonly #closures: Reasons = {};
  readonly #baseRssBytes = process.memoryUsage.rss();
  #receivedUs = 0;
  #begun = 0;
  /** Opening or leaving: to be given up when that takes too long. */
  #unanswered = 0;
  #startMs = 0;
  #sweepTimer: NodeJS.Timeout | undefined;

  constructor(share: Share) {
    const connections = connectionsOf(share);
    this.#share = share;
    this.#transport = TRANSPORTS[share.transport as TransportName](this, share);
    this.#mqtt = this.#transport instanceof MqttWs ? this.#transport : undefined;
    const { devices } = share.mqtt;
    if (devices !== undefined) this.#devices = new Devices(share, devices, connections, this.#mqtt!);
    this.#schedule = new Schedule(share.ratePerSec / share.processes, connections, Number.POSITIVE_INFINITY);
    this.#sockets = new Array(connections).fill(undefined);
    this.#states = new Uint8Array(connections);
    this.#sinceUs = new Float64Array(connections);
    this.#predecessors = new Uint32Array(connections);
    this.#lifeEndsMs = new Float64Array(connections);
    this.#receipts = new Receipts(share);
  }

  start(): void {
    this.#startMs = performance.now();
    this.#openDue();
    if (this.#mqtt !== undefined) {
      this.#sweepTimer = setInterval(() => this.#sweep(this.#mqtt!), SWEEP_INTERVAL_MS);
    }
  }

  startPublishing(): void {
    this.#devices?.start();
  }

  stopPublishing(): void {
    this.#devices?.stop();
  }

  get published(): Published[] {
    return this.#devices?.lastSeqs ?? [];
  }

  /** Counts what the devices of all processes have published, and nobody has received, as lost. */
  settle(published: Published[]): void {
    for (let connection = 0; connection < this.#states.length; connection++) {
      if (this.#states[connection] !== CONNECTED) continue;
      this.#receipts.settle(connection, published, this.#sinceUs[connection]!, nowUs());
    }
  }

  report(): ProcessReport {
    this.#giveUpUnanswered();
    const { tallies, publishers, reached } = this.#receipts;
    const { published = 0, unpublished = 0, unacknowledged = 0 } = this.#devices ?? {};
    const counts = { ...this.#counts, reached, published, unpublished, unacknowledged };
    for (const tally of tallies.slice(0, EVERYTHING_ROW)) addCounts(counts, tally);
    if (this.#mqtt !== undefined) counts.chunks = counts.messages;
    const cpu = process.cpuUsage();
    return {
      counts,
      tallies: [...tallies],
      latencies: this.#receipts.takeLatencies(),
      refusals: this.#refusals,
      failures: this.#failures,
      closures: this.#closures,
      publishers,
      rssBytes: process.memoryUsage.rss(),
      baseRssBytes: this.#baseRssBytes,
      cpuSec: (cpu.user + cpu.system) / 1e6,
    };
  }

  loggedIn(connection: number, resumed = false): void {
    if (this.#states[connection] !== OPENING) return;
    this.#states[connection] = CONNECTED;
    this.#unanswered--;
    this.#sinceUs[connection] = this.#receivedUs;
    this.#counts.connected++;
    const number = numberOf(this.#share, connection);
    if (this.#predecessors[connection] === 0) this.#counts.tried++;
    else if (!resumed) this.#receipts.restart(connection);
    const { lives } = this.#share.mqtt;
    if (lives === undefined || placeOf(this.#share, number).role === 'everything') return;
    const life = lifeMs(lives, number, this.#share.connections);
    if (life !== undefined) this.#lifeEndsMs[connection] = performance.now() + life;
  }

  refused(connection: number, reason: string): void {
    if (this.#states[connection] !== OPENING) return;
    this.#answered(connection);
    this.#counts.refused++;
    countReason(this.#refusals, reason);
    this.#sockets[connection]?.destroy();
  }

  ended(connection: number, reason = 'ended by the server'): void {
    if (this.#states[connection] !== LEAVING) this.#countEnd(connection, reason);
    this.#sockets[connection]?.destroy();
  }

  chunk(): void {
    this.#counts.chunks++;
  }

  message(connection: number, bytes: Buffer, start: number, end: number, publication?: Publication): void {
    this.#receipts.record(
      connection,
      bytes,
      start,
      end,
      publication,
      this.#sinceUs[connection]!,
      this.#receivedUs,
    );
  }

  write(connection: number, bytes: Buffer): void {
    const socket = this.#sockets[connection];
    if (socket?.writable) socket.write(bytes);
  }

  opened(connection: number): void {
    this.#sockets[connection]!.write(this.#transport.opening(connection), 'latin1');
  }

  received(connection: number, bytes: Buffer, end: number): void {
    this.#receivedUs = nowUs();
    this.#transport.receive(connection, bytes, end);
  }

  gone(connection: number, reason: string, attempt: number): void {
    this.#transport.forget(connection);
    this.#sockets[connection] = undefined;
    if (this.#states[connection] === LEAVING) {
      this.#unanswered--;
      this.#predecessors[connection]!++;
      this.#open(connection, 0);
      return;
    }
    const portTaken = reason === 'EADDRINUSE' || reason === 'EADDRNOTAVAIL';
    if (portTaken && this.#share.sourceAddresses.length > 0 && attempt + 1 < SOURCE_ATTEMPTS) {
      this.#unanswered--;
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
    clearInterval(this.#sweepTimer);
    this.stopPublishing();
    this.#states.fill(DONE);
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
    this.#unanswered++;
    this.#sinceUs[connection] = nowUs();
    const number = numberOf(this.#share, connection);
    const { address, port } = placeOf(this.#share, number).gateway;
    // A successor comes from another port: the one before it may still be in TIME_WAIT.
    const source = sourceOf(this.#share, number, attempt + this.#predecessors[connection]!);
    socket.connect({ host: address, port, ...source });
  }

  #sweep(mqtt: MqttWs): void {
    mqtt.sweep();
    if (this.#share.mqtt.lives === undefined) return;
    const nowMs = performance.now();
    for (let connection = 0; connection < this.#lifeEndsMs.length; connection++) {
      const endsMs = this.#lifeEndsMs[connection]!;
      if (endsMs === 0 || endsMs > nowMs || this.#states[connection] !== CONNECTED) continue;
      // What it has published is acknowledged first: otherwise nobody knew what became of it.
      if (mqtt.outstanding(connection) === 0) this.#leave(mqtt, connection);
    }
  }

  #leave(mqtt: MqttWs, connection: number): void {
    this.#lifeEndsMs[connection] = 0;
    this.#states[connection] = LEAVING;
    this.#unanswered++;
    this.#sinceUs[connection] = nowUs();
    this.#counts.connected--;
    this.#counts.disconnected++;
    mqtt.disconnect(connection);
  }

  #countEnd(connection: number, reason: string): void {
    if (this.#states[connection] === CONNECTED) {
      this.#states[connection] = DONE;
      this.#counts.connected--;
      this.#counts.closed++;
      countReason(this.#closures, reason);
    } else if (this.#states[connection] === OPENING) {
      this.#answered(connection);
      this.#counts.failed++;
      countReason(this.#failures, reason);
    }
  }

  /** It has an outcome, and is not connected. */
  #answered(connection: number): void {
    this.#states[connection] = DONE;
    this.#unanswered--;
    if (this.#predecessors[connection] === 0) this.#counts.tried++;
  }

  #giveUpUnanswered(): void {
    if (this.#unanswered === 0) return;
    const { answerTimeoutMs } = this.#share;
    const sinceUs = nowUs() - answerTimeoutMs * 1000;
    for (let connection = 0; connection < this.#begun; connection++) {
      if (this.#sinceUs[connection]! > sinceUs) continue;
      if (this.#states[connection] === OPENING) {
        this.#countEnd(connection, `no answer in ${answerTimeoutMs / 1000} s`);
        this.#sockets[connection]?.destroy();
      } else if (this.#states[connection] === LEAVING) {
        // Its successor comes all the same.
        this.#counts.failed++;
        countReason(this.#failures, `not closed ${answerTimeoutMs / 1000} s after DISCONNECT`);
        this.#sockets[connection]?.destroy();
      }
    }
  }
}

function countReason(reasons: Reasons, reason: string): void {
  reasons[reason] = (reasons[reason] ?? 0) + 1;
}
