/** `encke msggen` in a process of its own: stamped messages to random ids, sent one by one to the router. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { LatencySummary } from '../../msggen/latency.js';
import type { Plan } from './plan.js';

const door = fileURLToPath(new URL('../../cli/encke.js', import.meta.url));

/** What msggen says at its end. */
export interface PublisherSummary {
  sent: number;
  errorsTotal: number;
  errors: Record<string, number>;
  late: number;
  achievedPerSec: number;
  unanswered: number;
  /** From deadline to answer. */
  latencyMs: LatencySummary | null;
  cpuSec: number;
}

export class Publisher {
  readonly #plan: Plan;
  readonly #url: string;
  #child: ChildProcess | undefined;
  summary: PublisherSummary | undefined;

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

  async run(forMs: number): Promise<void> {
    const { messagesPerSec, connections } = this.#plan;
    if (messagesPerSec === 0) {
      this.#child = spawn('sleep', [String(forMs / 1000)]);
      await once(this.#child, 'exit');
      return;
    }
    const flags = [
      ...['--rate', String(messagesPerSec), '--max-id', String(connections), '--until', `${forMs}ms`],
      ...['--stamp', '--no-wait', '--url', this.#url, '--json'],
    ];
    const child = spawn(process.execPath, [door, 'msggen', ...flags], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child = child;
    let said = '';
    child.stdout.on('data', (text) => {
      said += text;
    });
    await once(child, 'close');
    this.summary = said.startsWith('{') ? JSON.parse(said) : undefined;
  }

  /** It ends in good order, with its summary. */
  stop(): void {
    this.#child?.kill('SIGINT');
  }
}
