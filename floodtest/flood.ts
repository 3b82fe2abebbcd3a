/**
 * The run: forks the processes, asks each of them once a second, adds up what they answer, and ends after the hold
 * time or when it is stopped. Owns the children; what is printed and recorded is the caller's, a row at a time.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { LatencyHistogram } from '../msggen/latency.js';
import type { FromChild, ToChild } from './child.js';
import {
  addCounts,
  addReasons,
  type Counts,
  EVERYTHING_ROW,
  noCounts,
  noTally,
  type ProcessReport,
  type Published,
  type Reasons,
  ROW_NAMES,
  type Tally,
} from './counts.js';
import { PUBLISH_AFTER_MS } from './devices.js';
import { connectionsOf, type Share } from './plan.js';
import type { Row } from './recording.js';
import { type ServerUsage, serverUsage } from './server-usage.js';

/** A small young generation costs no CPU here, since next to nothing is made for a message: 4.0 KB become 3.3. */
const CHILD_FLAGS = ['--max-semi-space-size=2'];
const ROW_INTERVAL_MS = 1000;
const REPORT_TIMEOUT_MS = 5000;
const CLOSE_TIMEOUT_MS = 5000;
/** When the devices have stopped, so many rows at most are waited for what is still on its way. */
const DRAIN_ROWS_LIMIT = 15;

export interface FloodOptions {
  /** What every process is told; `index` is filled in for each. */
  share: Omit<Share, 'index'>;
  /** How long to hold once every connection has been tried; for ever when undefined. */
  holdMs: number | undefined;
  /** Of the servers; their memory and CPU time are added up. */
  serverPids: number[];
}

export class Flood {
  /** When the last row was written. */
  elapsedSec = 0;
  counts: Counts = noCounts();
  refusals: Reasons = {};
  failures: Reasons = {};
  closures: Reasons = {};
  publishers = 0;
  connectedAtMost = 0;
  rssBytes = 0;
  baseRssBytes = 0;
  cpuSec = 0;
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
  readonly #children: ChildProcess[] = [];
  readonly #reports: ProcessReport[] = [];
  #unanswered = 0;
  #onAllAnswered: (() => void) | undefined;
  #published: Published[] = [];
  #startMs = 0;
  #allTriedAtMs: number | undefined;
  #stopping = false;
  #closing = false;
  #wake: (() => void) | undefined;
  #failure: Error | undefined;

  constructor(options: FloodOptions, onRow: (row: Row) => void) {
    this.#options = options;
    this.#onRow = onRow;
  }

  async run(): Promise<void> {
    const { share, serverPids } = this.#options;
    this.serverBefore = serverUsage(serverPids);
    this.#startMs = performance.now();
    this.#emitRow();
    for (let index = 0; index < share.processes; index++) this.#fork({ ...share, index });
    try {
      while (!this.#isOver()) await this.#nextRow(this.#endsAtMs());
      if (share.mqtt.devices !== undefined && this.#failure === undefined) await this.#settle();
    } finally {
      this.#closing = true;
      await Promise.all(this.#children.map(close));
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Ends the run with one last row. */
  stop(): void {
    this.#stopping = true;
    this.#wake?.();
  }

  async #nextRow(atMostMs: number): Promise<void> {
    const nextRow = Math.round(this.elapsedSec) + 1;
    await this.#sleepUntil(Math.min(this.#startMs + nextRow * ROW_INTERVAL_MS, atMostMs));
    await this.#ask('report');
    this.elapsedSec = (performance.now() - this.#startMs) / 1000;
    this.#addUp();
    this.#emitRow();
  }

  /**
   * Stops the devices, waits for what they have published until nothing more comes for a second, and has everything that
   * is still missing counted as lost.
   */
  async #settle(): Promise<void> {
    this.#stopping = false;
    await this.#ask('quiet');
    let receivedBefore = -1;
    for (let row = 0; row < DRAIN_ROWS_LIMIT && !this.#stopping; row++) {
      await this.#nextRow(Number.POSITIVE_INFINITY);
      const received = this.counts.messages + this.tallies[EVERYTHING_ROW]!.messages;
      if (received === receivedBefore && this.counts.unacknowledged === 0) break;
      receivedBefore = received;
    }
    this.#tell({ settle: this.#published });
    this.#stopping = false;
    await this.#nextRow(Number.POSITIVE_INFINITY);
  }

  #fork(share: Share): void {
    const child = fork(new URL('./child.js', import.meta.url), {
      execArgv: [...process.execArgv, ...CHILD_FLAGS],
      serialization: 'advanced',
    });
    this.#children.push(child);
    child.on('message', (message: FromChild) => this.#answered(share.index, message));
    child.on('exit', (code, signal) => {
      if (this.#closing) return;
      this.#failure ??= new Error(
        `Process ${share.index + 1} of ${share.processes} with ${connectionsOf(share)} connections ended by itself (${signal ?? `exit code ${code}`}).`,
      );
      this.stop();
    });
    const message: ToChild = { share };
    child.send(message);
  }

  #isOver(): boolean {
    return this.#stopping || performance.now() >= this.#endsAtMs();
  }

  /** Unknown, and so infinitely far, until every connection has been tried. */
  #endsAtMs(): number {
    const { holdMs } = this.#options;
    if (holdMs === undefined || this.#allTriedAtMs === undefined) return Number.POSITIVE_INFINITY;
    return this.#allTriedAtMs + holdMs;
  }

  #tell(message: ToChild): ChildProcess[] {
    const told = this.#children.filter((child) => child.connected);
    for (const child of told) child.send(message);
    return told;
  }

  /** A process that is too busy to answer is counted with its last answer. */
  async #ask(question: 'report' | 'quiet'): Promise<void> {
    this.#unanswered = this.#tell(question).length;
    if (this.#unanswered === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, REPORT_TIMEOUT_MS);
      this.#onAllAnswered = () => {
        clearTimeout(timer);
        resolve();
      };
    });
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
    if (--this.#unanswered === 0) this.#onAllAnswered?.();
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
    }
    this.counts = counts;
    this.publishers = publishers.size;
    this.connectedAtMost = Math.max(this.connectedAtMost, counts.connected);
    const { share } = this.#options;
    if (counts.tried !== share.connections || this.#allTriedAtMs !== undefined) return;
    this.#allTriedAtMs = performance.now();
    if (share.mqtt.devices === undefined) return;
    this.#allTriedAtMs += PUBLISH_AFTER_MS;
    this.#tell('publish');
  }

  #emitRow(): void {
    const { elapsedSec, counts, tallies } = this;
    this.server = serverUsage(this.#options.serverPids);
    this.latency.add(this.#latestLatency.toCounts());
    this.#onRow({
      elapsedSec,
      counts,
      latency: this.#latestLatency,
      everything: tallies[EVERYTHING_ROW]!,
      everythingLatency: this.#latestEverything,
      server: this.server,
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

async function close(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  const message: ToChild = 'close';
  if (child.connected) child.send(message);
  const timer = setTimeout(() => child.kill('SIGKILL'), CLOSE_TIMEOUT_MS);
  await ended;
  clearTimeout(timer);
}
