/**
 * The run: asks each process for a report once a second, adds up the reports, and ends after the hold time or when it
 * is stopped. Owns the child processes. The caller prints and records the rows.
 */
import { LatencyHistogram } from '../msggen/latency.js';
import type { FromChild } from './child.js';
import { Children } from './children.js';
import {
  addCounts,
  addReasons,
  EVERYTHING_ROW,
  type FloodCounts,
  noCounts,
  noTally,
  type ProcessReport,
  type PublishedSeqs,
  type Reasons,
  ROW_NAMES,
  type Tally,
} from './counts.js';
import { PUBLISH_AFTER_MS } from './devices.js';
import type { Share } from './plan.js';
import type { Row } from './recording.js';
import { type ServerUsage, serverUsage } from './server-usage.js';

const ROW_INTERVAL_MS = 1000;
/** Most rows that the run waits for messages in flight, after the devices have stopped. */
const DRAIN_ROWS_LIMIT = 15;

export interface FloodOptions {
  /** The share of every process, without its `index`. */
  share: Omit<Share, 'index'>;
  /** Hold time after every connection was tried; undefined = for ever. */
  holdMs: number | undefined;
  /** Process ids of the servers, whose memory and CPU time are added up. */
  serverPids: number[];
}

export class Flood {
  /** When the last row was written. */
  elapsedSec = 0;
  counts: FloodCounts = noCounts();
  refusals: Reasons = {};
  failures: Reasons = {};
  closures: Reasons = {};
  publishers = 0;
  connectedAtMost = 0;
  rssBytes = 0;
  baseRssBytes = 0;
  cpuSec = 0;
  /** The largest of the processes' busy shares. */
  busyShare = 0;
  serverBefore: ServerUsage | undefined;
  server: ServerUsage | undefined;
  /** A row each, as in ROW_NAMES. */
  tallies: Tally[] = ROW_NAMES.map(noTally);
  readonly latencies = ROW_NAMES.map(() => new LatencyHistogram());
  /** Of all rows but that of the subscribers to everything. */
  readonly latency = new LatencyHistogram();

  readonly #options: FloodOptions;
  readonly #onRow: (row: Row) => void;
  readonly #latestLatency = new LatencyHistogram();
  readonly #latestEverything = new LatencyHistogram();
  readonly #children: Children;
  readonly #reports: ProcessReport[] = [];
  #published: PublishedSeqs[] = [];
  #rowBefore = { elapsedSec: 0, counts: noCounts() };
  #startMs = 0;
  #allTriedAtMs: number | undefined;
  #stopping = false;
  #cutTimer: NodeJS.Timeout | undefined;
  #wake: (() => void) | undefined;
  #failure: Error | undefined;

  constructor(options: FloodOptions, onRow: (row: Row) => void) {
    this.#options = options;
    this.#onRow = onRow;
    this.#children = new Children({
      answered: (index, message) => this.#answered(index, message),
      failed: (failure) => {
        this.#failure ??= failure;
        this.stop();
      },
    });
  }

  /** Of the processes that hold the connections. */
  get pids(): number[] {
    return this.#children.pids;
  }

  async run(): Promise<void> {
    const { share, serverPids } = this.#options;
    this.serverBefore = serverUsage(serverPids);
    this.#startMs = performance.now();
    this.#emitRow();
    for (let index = 0; index < share.processes; index++) this.#children.fork({ ...share, index });
    try {
      while (!this.#isOver()) await this.#nextRow(this.#endsAtMs());
      if (share.mqtt.devices !== undefined && this.#failure === undefined) await this.#settle();
    } finally {
      clearTimeout(this.#cutTimer);
      await this.#children.close();
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Ends the run with one last row. */
  stop(): void {
    this.#stopping = true;
    this.#children.hurry();
    this.#wake?.();
  }

  async #nextRow(atMostMs: number): Promise<void> {
    const nextRow = Math.round(this.elapsedSec) + 1;
    await this.#sleepUntil(Math.min(this.#startMs + nextRow * ROW_INTERVAL_MS, atMostMs));
    await this.#children.ask('report', this.#stopping);
    this.elapsedSec = (performance.now() - this.#startMs) / 1000;
    this.#addUp();
    this.#emitRow();
  }

  /**
   * Stops the devices, waits until no more of their messages arrive for a second, and counts the missing messages as
   * lost.
   */
  async #settle(): Promise<void> {
    this.#stopping = false;
    await this.#children.ask('quiet');
    let receivedBefore = -1;
    for (let row = 0; row < DRAIN_ROWS_LIMIT && !this.#stopping; row++) {
      await this.#nextRow(Number.POSITIVE_INFINITY);
      const received = this.counts.messages + this.tallies[EVERYTHING_ROW]!.messages;
      if (received === receivedBefore && this.counts.unacknowledged === 0) break;
      receivedBefore = received;
    }
    this.#children.tell({ settle: this.#published });
    this.#stopping = false;
    await this.#nextRow(Number.POSITIVE_INFINITY);
  }

  #isOver(): boolean {
    return this.#stopping || performance.now() >= this.#endsAtMs();
  }

  /** Infinity until every connection has been tried. */
  #endsAtMs(): number {
    const { holdMs } = this.#options;
    if (holdMs === undefined || this.#allTriedAtMs === undefined) return Number.POSITIVE_INFINITY;
    return this.#allTriedAtMs + holdMs;
  }

  #answered(index: number, message: FromChild): void {
    if ('report' in message) {
      this.#reports[index] = message.report;
      message.report.latencies.forEach((counts, row) => {
        this.latencies[row]!.add(counts);
        (row === EVERYTHING_ROW ? this.#latestEverything : this.#latestLatency).add(counts);
      });
    } else {
      this.#published.push(...message.published);
    }
  }

  #addUp(): void {
    const counts = noCounts();
    this.tallies = ROW_NAMES.map(noTally);
    this.refusals = {};
    this.failures = {};
    this.closures = {};
    this.rssBytes = 0;
    this.baseRssBytes = 0;
    this.cpuSec = 0;
    this.busyShare = 0;
    const publishers = new Set<number>();
    for (const report of this.#reports.filter((known) => known !== undefined)) {
      addCounts(counts, report.counts);
      report.tallies.forEach((tally, row) => {
        addCounts(this.tallies[row]!, tally);
      });
      addReasons(this.refusals, report.refusals);
      addReasons(this.failures, report.failures);
      addReasons(this.closures, report.closures);
      for (const publisher of report.publishers) publishers.add(publisher);
      this.rssBytes += report.rssBytes;
      this.baseRssBytes += report.baseRssBytes;
      this.cpuSec += report.cpuSec;
      this.busyShare = Math.max(this.busyShare, report.busyShare);
    }
    this.counts = counts;
    this.publishers = publishers.size;
    this.connectedAtMost = Math.max(this.connectedAtMost, counts.connected);
    const { share } = this.#options;
    if (counts.tried !== share.connections || this.#allTriedAtMs !== undefined) return;
    this.#allTriedAtMs = performance.now();
    if (share.cut !== undefined) {
      this.#cutTimer = setTimeout(() => this.#children.tell('cut'), share.cut.atMs);
    }
    if (share.mqtt.devices === undefined) return;
    this.#allTriedAtMs += PUBLISH_AFTER_MS;
    this.#children.tell('publish');
  }

  #emitRow(): void {
    const { elapsedSec, counts, tallies } = this;
    const sec = elapsedSec - this.#rowBefore.elapsedSec || 1;
    const bandwidth = {
      receivedBytesPerSec: (counts.bytesReceived - this.#rowBefore.counts.bytesReceived) / sec,
      sentBytesPerSec: (counts.bytesSent - this.#rowBefore.counts.bytesSent) / sec,
    };
    this.#rowBefore = { elapsedSec, counts };
    this.server = serverUsage(this.#options.serverPids);
    this.latency.add(this.#latestLatency.toCounts());
    this.#onRow({
      elapsedSec,
      counts,
      latency: this.#latestLatency,
      everything: tallies[EVERYTHING_ROW]!,
      everythingLatency: this.#latestEverything,
      server: this.server,
      bandwidth,
    });
    this.#latestLatency.reset();
    this.#latestEverything.reset();
  }

  async #sleepUntil(atMs: number): Promise<void> {
    if (this.#stopping) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, atMs - performance.now()));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
