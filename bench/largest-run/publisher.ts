/** `encke msggen` in a process of its own: stamped messages to random ids; what is due together goes in one request. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type MsggenSummary, runMsggen } from '../msggen-process.js';
import type { Plan } from './plan.js';

/** As a publisher of so many messages sends them. One by one costs the router and msggen 80 us a message more. */
const batchMax = 100;

export class Publisher {
  readonly #plan: Plan;
  readonly #url: string;
  #child: ChildProcess | undefined;
  /** Known at its end. */
  summary: MsggenSummary | undefined;

  constructor(plan: Plan, url: string) {
    this.#plan = plan;
    this.#url = url;
  }

  get pids(): number[] {
    return this.#child?.pid !== undefined && this.#child.exitCode === null ? [this.#child.pid] : [];
  }

  /** Known at its end. */
  get sent(): number {
    return this.summary?.sent ?? 0;
  }

  /** Never rejects: without a summary it has failed. */
  async run(forMs: number): Promise<void> {
    const { messagesPerSec, connections } = this.#plan;
    if (messagesPerSec === 0) {
      this.#child = spawn('sleep', [String(forMs / 1000)]);
      await once(this.#child, 'exit');
      return;
    }
    const flags = [
      ...['--rate', String(messagesPerSec), '--max-id', String(connections), '--until', `${forMs}ms`],
      ...['--stamp', '--no-wait', '--batch', String(batchMax), '--url', this.#url],
    ];
    try {
      this.summary = await runMsggen(flags, (child) => {
        this.#child = child;
      });
    } catch (error) {
      console.error((error as Error).message);
    }
  }

  /** It ends in good order, with its summary. */
  stop(): void {
    this.#child?.kill('SIGINT');
  }
}
