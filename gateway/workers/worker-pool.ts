import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import type { Logger } from 'pino';
import { RestartBackoff } from './restart-backoff.js';
import { workerGroupVariable, workerVariable } from './variables.js';
import type { ListeningPorts } from './worker.js';
import { type WorkerEnd, WorkerProcess } from './worker-process.js';

export interface WorkerPoolOptions {
  readonly size: number;
  /** The name of the node; workers append their number. */
  readonly nodeName: string;
  /** The script and the arguments of this process, which a worker gets too. */
  readonly command: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  readonly log: Logger;
}

/** A worker ended before it listened, at the first start. It has said why. */
export class WorkerFailed extends Error {
  readonly end: WorkerEnd;

  constructor(number: number, end: WorkerEnd) {
    super(`worker ${number} ended with ${end.signal ?? end.code} before it listened`);
    this.end = end;
  }
}

/**
 * Starts the workers of one supervisor, restarts those that end, and stops all.
 *
 *     worker 1 ── finds the free ports, where any will do ──> ports
 *     worker 2, 3, … ── get those ports
 */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #group = randomBytes(6).toString('hex');
  readonly #running = new Map<number, WorkerProcess>();
  readonly #keepers: Promise<void>[] = [];
  readonly #stop = new AbortController();
  #ports: ListeningPorts | undefined;
  /** All workers have listened once: from now on a worker that ends is restarted. */
  #up = false;
  #failures = 0;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
  }

  get stopping(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Resolves when all workers listen. @throws WorkerFailed; the caller must then stop the others */
  async start(): Promise<ListeningPorts> {
    this.#ports = await this.#enlist(1);
    let next = 2;
    const lane = async () => {
      while (next <= this.#options.size) await this.#enlist(next++);
    };
    // At most as many at once as cores: a start takes half a second of CPU.
    await Promise.all(Array.from({ length: availableParallelism() }, lane));
    this.#up = true;
    return this.#ports;
  }

  /** Resolves when all have ended. @returns how many did not end gracefully */
  async stop(): Promise<number> {
    this.#stop.abort();
    this.#signal('SIGTERM');
    await Promise.all(this.#keepers);
    return this.#failures;
  }

  /** Has all workers read their settings again. */
  reload(): void {
    for (const worker of this.#running.values()) worker.reload();
  }

  /** Kills all workers at once. */
  kill(): void {
    this.#signal('SIGKILL');
  }

  async #enlist(number: number): Promise<ListeningPorts> {
    const worker = this.#launch(number);
    const ports = await worker.listening;
    if (ports === undefined) throw new WorkerFailed(number, await worker.ended);
    return ports;
  }

  #launch(number: number): WorkerProcess {
    const worker = this.#fork(number);
    this.#keepers.push(this.#keep(number, worker));
    return worker;
  }

  /** Restarts a worker while the pool is not stopping. */
  async #keep(number: number, first: WorkerProcess): Promise<void> {
    const backoff = new RestartBackoff();
    for (let worker = first; ; worker = this.#fork(number)) {
      const end = await worker.ended;
      this.#running.delete(number);
      const { log } = this.#options;
      const told = { worker: number, workerPid: worker.pid, ...end };
      if (this.stopping) {
        if (!endedAsAsked(end)) this.#failures++;
        log.info(told, 'worker ended');
        return;
      }
      if (worker === first && !this.#up && (await worker.listening) === undefined) return; // start() throws
      const restartInMs = backoff.waitMs(end.livedMs);
      log.error({ ...told, restartInMs }, 'worker ended, starting it again');
      await wait(restartInMs, undefined, this.#stop).catch(() => undefined);
      if (this.stopping) return;
    }
  }

  #fork(number: number): WorkerProcess {
    const { command, environment, nodeName, log } = this.#options;
    const ports = this.#ports;
    // Of a repeated flag, the last one counts.
    const own = ['--node-name', `${nodeName}-${number}`];
    if (ports !== undefined) own.push('--port', `${ports.port}`, '--api-port', `${ports.apiPort}`);
    const worker = new WorkerProcess([...command, ...own], {
      ...environment,
      [workerVariable]: `${number}`,
      [workerGroupVariable]: this.#group,
    });
    this.#running.set(number, worker);
    log.info({ worker: number, workerPid: worker.pid }, 'worker started');
    return worker;
  }

  #signal(signal: NodeJS.Signals): void {
    for (const worker of this.#running.values()) worker.kill(signal);
  }
}

/** A worker that is still starting has no handler for the signal yet. */
function endedAsAsked({ code, signal }: WorkerEnd): boolean {
  return code === 0 || signal === 'SIGTERM';
}
