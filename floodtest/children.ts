/** The forked processes of a run: tells and asks them all, and ends them. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { FromChild, ToChild } from './child.js';
import { connectionsOf, type Share } from './plan.js';

/** A small young generation costs no CPU here, since next to nothing is made for a message: 4.0 KB become 3.3. */
const CHILD_FLAGS = ['--max-semi-space-size=2'];
const REPORT_TIMEOUT_MS = 5000;
/** When somebody has interrupted the run and waits. */
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
  /** By process: questions that it has not answered; one that was given up is answered late, and before the next. */
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

  /** Of those that still run. */
  get pids(): number[] {
    return this.#processes.flatMap(({ pid, connected }) => (connected && pid !== undefined ? [pid] : []));
  }

  tell(message: ToChild): void {
    // One that was just killed is connected until its exit is heard; without a callback the error would end this process.
    for (const child of this.#processes) if (child.connected) child.send(message, () => {});
  }

  /** Waits for the answers of all. A process that is too busy to answer is counted with its last answer. */
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

  /** Answers that are being waited for get no more than HURRIED_TIMEOUT_MS. */
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
