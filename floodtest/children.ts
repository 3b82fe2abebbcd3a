/** The forked processes of a run: sends them commands and questions, and ends them. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { FromChild, ToChild } from './child.js';
import { connectionsOf, type Share } from './plan.js';

/**
 * A small young generation costs no CPU here, because a message allocates next to nothing: 4.0 KB a connection become
 * 3.3.
 */
const CHILD_FLAGS = ['--max-semi-space-size=2'];
const REPORT_TIMEOUT_MS = 5000;
/** Timeout once the run was interrupted. */
const HURRIED_TIMEOUT_MS = 700;
const CLOSE_TIMEOUT_MS = 5000;

export interface ChildrenEvents {
  answered(index: number, message: FromChild): void;
  /** A process has ended by itself. */
  failed(failure: Error): void;
}

export class Children {
  readonly #events: ChildrenEvents;
  readonly #processes: ChildProcess[] = [];
  /** By process: questions without an answer. A late answer comes before that of the next question. */
  readonly #unanswered: number[] = [];
  #onAllAnswered: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closing = false;

  constructor(events: ChildrenEvents) {
    this.#events = events;
  }

  fork(share: Share): void {
    const child = fork(new URL('./child.js', import.meta.url), {
      execArgv: [...process.execArgv, ...CHILD_FLAGS],
      serialization: 'advanced',
    });
    this.#processes.push(child);
    this.#unanswered.push(0);
    child.on('message', (message: FromChild) => {
      this.#events.answered(share.index, message);
      this.#unanswered[share.index]!--;
      this.#resolveIfAnswered();
    });
    child.on('exit', (code, signal) => {
      if (this.#closing) return;
      const place = `Process ${share.index + 1} of ${share.processes}`;
      const how = signal ?? `exit code ${code}`;
      this.#unanswered[share.index] = 0;
      this.#resolveIfAnswered();
      this.#events.failed(
        new Error(`${place} with ${connectionsOf(share)} connections ended by itself (${how}).`),
      );
    });
    const message: ToChild = { share };
    child.send(message);
  }

  /** Of the processes that still run. */
  get pids(): number[] {
    return this.#processes.flatMap(({ pid, connected }) => (connected && pid !== undefined ? [pid] : []));
  }

  tell(message: ToChild): void {
    // A killed child is connected until its exit is noticed; without a callback the error would end this process.
    for (const child of this.#processes) if (child.connected) child.send(message, () => {});
  }

  /** Waits for all answers. A process that is too busy to answer counts with its last answer. */
  async ask(question: 'report' | 'quiet', hurried = false): Promise<void> {
    this.#processes.forEach((child, index) => {
      if (child.connected) this.#unanswered[index]!++;
    });
    this.tell(question);
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(this.#timer);
        resolve();
      };
      this.#timer = setTimeout(done, hurried ? HURRIED_TIMEOUT_MS : REPORT_TIMEOUT_MS);
      this.#onAllAnswered = done;
      this.#resolveIfAnswered();
    });
  }

  /** Shortens a current wait for answers to HURRIED_TIMEOUT_MS. */
  hurry(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#onAllAnswered?.(), HURRIED_TIMEOUT_MS);
  }

  #resolveIfAnswered(): void {
    if (this.#unanswered.every((count) => count === 0)) this.#onAllAnswered?.();
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#closing = true;
    await Promise.all(this.#processes.map(close));
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
