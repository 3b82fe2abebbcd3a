import { type ChildProcess, fork } from 'node:child_process';
import type { ListeningPorts } from './worker.js';

/** The end of a worker. */
export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly livedMs: number;
}

/** One process of a worker, from its start to its end. */
export class WorkerProcess {
  /** Undefined if the system cannot start another process. */
  readonly #child: ChildProcess | undefined;
  /** The ports of the worker, once it listens; undefined = it ended before. */
  readonly listening: Promise<ListeningPorts | undefined>;
  readonly ended: Promise<WorkerEnd>;

  /** @param command script and arguments */
  constructor(command: readonly string[], environment: NodeJS.ProcessEnv) {
    const startedMs = performance.now();
    const child = tryFork(command, environment);
    this.#child = child;
    this.ended = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null) =>
        resolve({ code, signal, livedMs: Math.round(performance.now() - startedMs) });
      if (child === undefined) return end(null, null);
      child.once('exit', end);
      child.on('error', () => {
        if (child.pid === undefined) end(null, null); // without an event 'exit'
      });
    });
    this.listening = new Promise((resolve) => {
      child?.once('message', (ports) => resolve(ports as ListeningPorts));
      this.ended.then(() => resolve(undefined));
    });
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Has the worker read its settings again, as soon as it listens: before, the signal would kill it. */
  reload(): void {
    void this.listening.then((ports) => ports !== undefined && this.#child?.kill('SIGHUP'));
  }

  kill(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }
}

/** Too many processes or descriptors cause an event, but too little memory throws. */
function tryFork(command: readonly string[], environment: NodeJS.ProcessEnv): ChildProcess | undefined {
  const [script, ...args] = command;
  try {
    return fork(script!, args, { env: environment, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  } catch {
    return undefined;
  }
}
