/**
 * The connections of one process: opens them at their rate, holds them, replaces the short-lived ones, cuts all and
 * reconnects them. A connection is its socket, its number, and a slot in each column.
 */
import type { Publication } from '../msggen/mqtt/packets.js';
import { Schedule } from '../msggen/schedule.js';
import { nowUs } from '../msggen/stamp.js';
import { addCounts, EVERYTHING_ROW, type ProcessReport, type PublishedSeqs } from './counts.js';
import { Devices } from './devices.js';
import { Dialer } from './dialer.js';
import { ENDED_BY_SERVER, type SocketOwner } from './flood-socket.js';
import { Lifetimes } from './lifetimes.js';
import { Outcomes } from './outcomes.js';
import { Phases } from './phases.js';
import { connectionsOf, type Share } from './plan.js';
import { Receipts } from './receipts.js';
import { Reconnects } from './reconnects.js';
import { MqttWs } from './transport/mqtt-ws.js';
import type { FloodTransport, TransportEvents } from './transport/transport.js';
import { TRANSPORTS, type TransportName } from './transport/transports.js';

const OPENING_TICK_MS = 5;
/**
 * Most connections that open at once: below the usual listen backlog of 511. A full backlog costs a second of waiting.
 */
const OPENING_LIMIT = 256;
/** Interval of the check for ends of life, due pings and unanswered polls. */
const SWEEP_INTERVAL_MS = 100;

export class FloodProcess implements TransportEvents, SocketOwner {
  readonly devices: Devices | undefined;
  readonly #share: Share;
  readonly #transport: FloodTransport;
  /** The transport, if it is MQTT. */
  readonly #mqtt: MqttWs | undefined;
  readonly #schedule: Schedule;
  readonly #dialer: Dialer;
  readonly #phases: Phases;
  /** Time from which a connection must have received everything. */
  readonly #loggedInUs: Float64Array;
  readonly #lifetimes: Lifetimes;
  readonly #receipts: Receipts;
  readonly #outcomes = new Outcomes();
  readonly #baseRssBytes = process.memoryUsage.rss();
  #returns: Reconnects | undefined;
  #receivedUs = 0;
  #begun = 0;
  #startMs = 0;
  #sweepTimer: NodeJS.Timeout | undefined;

  constructor(share: Share) {
    const connections = connectionsOf(share);
    this.#share = share;
    this.#transport = TRANSPORTS[share.transport as TransportName](this, share);
    this.#mqtt = this.#transport instanceof MqttWs ? this.#transport : undefined;
    const { devices } = share.mqtt;
    if (devices !== undefined) this.devices = new Devices(share, devices, connections, this.#mqtt!);
    this.#schedule = new Schedule(share.ratePerSec / share.processes, connections, Number.POSITIVE_INFINITY);
    this.#dialer = new Dialer(share, this);
    this.#phases = new Phases(connections);
    this.#loggedInUs = new Float64Array(connections);
    this.#lifetimes = new Lifetimes(share);
    this.#receipts = new Receipts(share);
  }

  start(): void {
    this.#startMs = performance.now();
    this.#openDue();
    if (this.#transport.sweep === undefined) return;
    this.#sweepTimer = setInterval(() => {
      this.#transport.sweep!();
      this.#lifetimes.end((connection) => this.#leave(connection));
    }, SWEEP_INTERVAL_MS);
  }

  /** Resets all connections, with data in flight. They reconnect within the time of the plan. */
  cut(): void {
    const cut: number[] = [];
    for (const connection of this.#phases.connected()) {
      this.#phases.enter(connection, 'away');
      this.#outcomes.cut();
      this.#dialer.reset(connection);
      cut.push(connection);
    }
    this.#returns = new Reconnects(cut, this.#share.cut!.withinMs, (connection) =>
      this.#comeBack(connection),
    );
  }

  /** Stops publishing and unsubscribing. @returns the last seqs of this process's devices */
  quiet(): PublishedSeqs[] {
    this.#mqtt?.resubscriptions?.stop();
    this.devices?.stop();
    return this.devices?.lastSeqs ?? [];
  }

  /** Counts messages of all processes' devices that did not arrive as lost. */
  settle(published: PublishedSeqs[]): void {
    for (const connection of this.#phases.connected()) {
      if (this.#mqtt?.resubscriptions?.isAway(connection)) continue;
      this.#receipts.settle(connection, published, this.#loggedInUs[connection]!);
    }
  }

  report(): ProcessReport {
    this.#giveUpUnanswered();
    const { tallies, publishers, reached } = this.#receipts;
    const { refusals, failures, closures } = this.#outcomes;
    this.devices?.measure();
    const { published = 0, unpublished = 0, late = 0, overdue = 0 } = this.devices ?? {};
    const { unacknowledged = 0, busyShare = 0 } = this.devices ?? {};
    const {
      unsubscribed = 0,
      resubscribed = 0,
      receivedUnsubscribed = 0,
    } = this.#mqtt?.resubscriptions ?? {};
    const counts = {
      ...this.#outcomes.counts,
      ...{ reached, published, unpublished, late, overdue, unacknowledged },
      ...{ unsubscribed, resubscribed, receivedUnsubscribed },
    };
    for (const tally of tallies.slice(0, EVERYTHING_ROW)) addCounts(counts, tally);
    if (this.#mqtt !== undefined) counts.chunks = counts.messages;
    const cpu = process.cpuUsage();
    return {
      counts,
      tallies: [...tallies],
      latencies: this.#receipts.takeLatencies(),
      refusals,
      failures,
      closures,
      publishers,
      rssBytes: process.memoryUsage.rss(),
      baseRssBytes: this.#baseRssBytes,
      cpuSec: (cpu.user + cpu.system) / 1e6,
      busyShare,
    };
  }

  loggedIn(connection: number, resumed = false): void {
    if (!this.#phases.is(connection, 'opening')) return;
    const { counts } = this.#outcomes;
    this.#phases.enter(connection, 'connected');
    counts.connected++;
    if (this.#returns?.isBack(connection)) {
      counts.resumed++;
      return;
    }
    this.#loggedInUs[connection] = this.#receivedUs;
    if (!this.#dialer.hasPredecessor(connection)) counts.tried++;
    else if (!resumed) this.#receipts.restart(connection);
    this.#lifetimes.begin(connection);
  }

  recovered(connection: number, recovered: boolean): void {
    const { counts } = this.#outcomes;
    const isTold = this.#returns?.isTold(connection);
    if (!recovered) counts.unrecovered++;
    else if (isTold) counts.recovered++;
  }

  resubscribing(connection: number): void {
    this.#receipts.restart(connection);
    this.#loggedInUs[connection] = Number.POSITIVE_INFINITY; // messages before SUBACK may be missing
  }

  resubscribed(connection: number): void {
    this.#loggedInUs[connection] = this.#receivedUs;
  }

  refused(connection: number, reason: string): void {
    if (!this.#phases.is(connection, 'opening')) return;
    this.#answered(connection);
    this.#outcomes.refused(reason);
    this.#dialer.destroy(connection);
  }

  ended(connection: number, reason = ENDED_BY_SERVER): void {
    if (!this.#phases.is(connection, 'leaving')) this.#countEnd(connection, reason);
    this.#dialer.destroy(connection);
  }

  chunk(): void {
    this.#outcomes.counts.chunks++;
  }

  message(connection: number, bytes: Buffer, start: number, end: number, publication?: Publication): void {
    const sinceUs = this.#loggedInUs[connection]!;
    this.#receipts.record(connection, bytes, start, end, publication, sinceUs, this.#receivedUs);
  }

  write(connection: number, bytes: Buffer | string): void {
    this.#outcomes.counts.bytesSent += bytes.length; // strings are latin1
    this.#dialer.write(connection, bytes);
  }

  opened(connection: number): void {
    this.write(connection, this.#transport.opening(connection));
  }

  received(connection: number, bytes: Buffer, end: number): void {
    this.#receivedUs = nowUs();
    this.#outcomes.counts.bytesReceived += end;
    this.#transport.receive(connection, bytes, end);
  }

  gone(connection: number, why: string, attempt: number): void {
    const cutShort = why === ENDED_BY_SERVER && this.#transport.isWithin?.(connection) === true;
    const reason = cutShort ? 'closed in the middle of a response, before its last chunk or byte' : why;
    this.#transport.forget(connection);
    this.#dialer.forget(connection);
    if (this.#phases.is(connection, 'away')) return;
    if (this.#phases.is(connection, 'leaving')) {
      this.#phases.enter(connection, 'opening');
      this.#dialer.openSuccessor(connection);
    } else if (this.#dialer.mayTryAgain(reason, attempt)) {
      this.#phases.enter(connection, 'opening');
      this.#dialer.open(connection, attempt + 1);
    } else {
      this.#countEnd(connection, reason);
    }
  }

  close(): void {
    clearInterval(this.#sweepTimer);
    this.#returns?.stop();
    this.devices?.stop();
    this.#phases.endAll();
    this.#dialer.resetAll();
  }

  #openDue(): void {
    const due = this.#schedule.dueBy(performance.now() - this.#startMs);
    for (; this.#begun < due && this.#phases.waiting < OPENING_LIMIT; this.#begun++) {
      this.#phases.enter(this.#begun, 'opening');
      this.#dialer.open(this.#begun);
    }
    if (this.#begun < this.#loggedInUs.length) setTimeout(() => this.#openDue(), OPENING_TICK_MS);
  }

  #comeBack(connection: number): boolean {
    // The old socket is gone a turn after its reset.
    if (this.#dialer.isOpen(connection) || this.#phases.waiting >= OPENING_LIMIT) return false;
    this.#phases.enter(connection, 'opening');
    this.#dialer.openSuccessor(connection);
    return true;
  }

  /** Waits for acknowledgements first; otherwise the outcome of its messages would be unknown. */
  #leave(connection: number): boolean {
    const mqtt = this.#mqtt!;
    if (!this.#phases.is(connection, 'connected') || mqtt.outstanding(connection) > 0) return false;
    this.#phases.enter(connection, 'leaving');
    this.#outcomes.disconnected();
    mqtt.disconnect(connection);
    return true;
  }

  #countEnd(connection: number, reason: string): void {
    if (this.#phases.is(connection, 'connected')) {
      this.#phases.enter(connection, 'done');
      this.#outcomes.closed(reason);
    } else if (this.#phases.is(connection, 'opening')) {
      this.#answered(connection);
      this.#outcomes.failed(reason);
    }
  }

  /** The connection has an outcome, and is not connected. */
  #answered(connection: number): void {
    this.#phases.enter(connection, 'done');
    if (!this.#dialer.hasPredecessor(connection)) this.#outcomes.counts.tried++;
  }

  #giveUpUnanswered(): void {
    const { answerTimeoutMs } = this.#share;
    for (const connection of this.#phases.overdue(answerTimeoutMs)) {
      if (this.#phases.is(connection, 'opening')) {
        this.#countEnd(connection, `no answer in ${answerTimeoutMs / 1000} s`);
      } else {
        // Its successor still opens.
        this.#outcomes.failed(`not closed ${answerTimeoutMs / 1000} s after DISCONNECT`);
      }
      this.#dialer.destroy(connection);
    }
  }
}
