/**
 * The run: forks the processes, asks each of them once a second, adds up what they answer, and ends after the hold
 * time or when it is stopped. Owns the children; what is printed and recorded is the caller's, a row at a time.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { LatencyHistogram } from '../msggen/latency.js';
import type { FromChild, ToChild } from './child.js';
import { addCounts, addReasons, type Counts, noCounts, type ProcessReport, type Reasons } from './counts.js';
import { connectionsOf, type Share } from './plan.js';
import type { Row } from './recording.js';
import { type ServerUsage, serverUsage } from './server-usage.js';

/** A small young generation costs no CPU here, since next to nothing is made for a message: 4.0 KB become 3.3. */
const CHILD_FLAGS = ['--max-semi-space-size=2'];
const ROW_INTERVAL_MS = 1000;
const REPORT_TIMEOUT_MS = 5000;
const CLOSE_TIMEOUT_MS = 5000;

export interface FloodOptions {
  /** What every process is told; `index` is filled in for each. */
  share: Omit<Share, 'index'>;
  /** How long to hold once every connection has been tried; for ever when undefined. */
  holdMs: number | undefined;
  serverPid: number | undefined;
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
  readonly latency = new LatencyHistogram();

  readonly #options: FloodOptions;
  readonly #onRow: (row: Row) => void;
  readonly #latestLatency = new LatencyHistogram();
  readonly #children: ChildProcess[] = [];
  readonly #reports: ProcessReport[] = [];
  #unanswered = 0;
  #onAllAnswered: (() => void) | undefined;
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
    const { share, serverPid } = this.#options;
    this.serverBefore = serverPid === undefined ? undefined : serverUsage(serverPid);
    this.#startMs = performance.now();
    this.#emitRow();
    for (let index = 0; index < share.processes; index++) this.#fork({ ...share, index });
    try {
      while (!this.#isOver()) {
        const nextRow = Math.round(this.elapsedSec) + 1;
        await this.#sleepUntil(Math.min(this.#startMs + nextRow * ROW_INTERVAL_MS, this.#endsAtMs()));
        await this.#ask();
        this.elapsedSec = (performance.now() - this.#startMs) / 1000;
        this.#emitRow();
      }
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

  #fork(share: Share): void {
    const child = fork(new URL('./child.js', import.meta.url), {
      execArgv: [...process.execArgv, ...CHILD_FLAGS],
      serialization: 'advanced',
    });
    this.#children.push(child);
    child.on('message', (report: FromChild) => this.#answered(share.index, report));
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

  async #ask(): Promise<void> {
    const asked = this.#children.filter((child) => child.connected);
    this.#unanswered = asked.length;
    const report: ToChild = 'report';
    for (const child of asked) child.send(report);
    await this.#untilAllAnswered();
    this.#addUp();
  }

  /** A process that is too busy to answer is counted with its last answer. */
  async #untilAllAnswered(): Promise<void> {
    if (this.#unanswered === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, REPORT_TIMEOUT_MS);
      this.#onAllAnswered = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #answered(index: number, report: ProcessReport): void {
    this.#reports[index] = report;
    this.#latestLatency.add(report.latency);
    if (--this.#unanswered === 0) this.#onAllAnswered?.();
  }

  #addUp(): void {
    const counts = noCounts();
    this.refusals = {};
    this.failures = {};
    this.closures = {};
    this.rssBytes = 0;
    this.baseRssBytes = 0;
    this.cpuSec = 0;
    const publishers = new Set<number>();
    for (const report of this.#reports.filter((known) => known !== undefined)) {
      addCounts(counts, report.counts);
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
    if (counts.tried === this.#options.share.connections) this.#allTriedAtMs ??= performance.now();
  }

  #emitRow(): void {
    const { elapsedSec } = this;
    const { serverPid } = this.#options;
    this.server = serverPid === undefined ? undefined : serverUsage(serverPid);
    this.latency.add(this.#latestLatency.toCounts());
    this.#onRow({ elapsedSec, counts: this.counts, latency: this.#latestLatency, server: this.server });
    this.#latestLatency.reset();
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
