/** The forked processes of a run: tells and asks them all, and ends them. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { FromChild, ToChild } from './child.js';
import { connectionsOf, type Share } from './plan.js';

/** A small young generation costs no CPU here, since next to nothing is made for a message: 4.0 KB become 3.3. */
const CHILD_FLAGS = ['--max-semi-space-size=2'];
const REPORT_TIMEOUT_MS = 5000;
const CLOSE_TIMEOUT_MS = 5000;

export interface ChildrenEvents {
  answered(index: number, message: FromChild): void;
  /** A process has ended by itself. */
  failed(failure: Error): void;
}

export class Children {
  readonly #events: ChildrenEvents;
  readonly #processes: ChildProcess[] = [];
  #unanswered = 0;
  #onAllAnswered: (() => void) | undefined;
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
    child.on('message', (message: FromChild) => {
      this.#events.answered(share.index, message);
      if (--this.#unanswered === 0) this.#onAllAnswered?.();
    });
    child.on('exit', (code, signal) => {
      if (this.#closing) return;
      const place = `Process ${share.index + 1} of ${share.processes}`;
      const how = signal ?? `exit code ${code}`;
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

  /** @returns how many were there to be told */
  tell(message: ToChild): number {
    const told = this.#processes.filter((child) => child.connected);
    // One that was just killed is connected until its exit is heard; without a callback the error would end this process.
    for (const child of told) child.send(message, () => {});
    return told.length;
  }

  /** Waits for the answers of all. A process that is too busy to answer is counted with its last answer. */
  async ask(question: 'report' | 'quiet'): Promise<void> {
    this.#unanswered = this.tell(question);
    if (this.#unanswered === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, REPORT_TIMEOUT_MS);
      this.#onAllAnswered = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async close(): Promise<void> {
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
