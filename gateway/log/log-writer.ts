import { write, writeSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { type LogTarget, neverWaits } from './log-target.js';

/** PIPE_BUF: lines of other workers cannot interrupt a write of this size to a pipe. */
const pipeWriteBytesMax = 4_096;
const fileWriteBytesMax = 65_536;
/** A slow reader has read something by then. */
const fullRetryMs = 50;
/** Time between tries for a full disk, or a pipe without a reader. */
const errorRetryMs = 1_000;
/** Room for the line about dropped lines. */
const noticeBytes = 1_024;

export interface LogNumbers {
  /** Accepted, and not written yet. */
  readonly pendingBytes: number;
  readonly droppedLines: number;
}

/** Makes the line that says how many lines were dropped. */
export type DropNotice = (droppedLines: number, cause: string) => void;

/**
 * Writes log lines and never blocks: a full disk, or a pipe that nobody reads, costs lines and not the process. Keeps
 * at most `pendingBytesMax` of lines that cannot be written now. Drops and counts further lines. When lines can be
 * written again, a line at the gap says how many are missing.
 */
export class LogWriter implements LogNumbers {
  readonly #target: LogTarget;
  readonly #pendingBytesMax: number;
  readonly #onRecovered: DropNotice;
  readonly #lines: string[] = [];
  /** The unwritten rest of the current lines. */
  #chunk: Buffer | undefined;
  /** The thread pool is writing the chunk. */
  #inFlight = false;
  /** Pending until the end of the turn, or the timer of the next try. */
  #resting = false;
  #writing = false;
  #pendingBytes = 0;
  #droppedLines = 0;
  #unsaidLines = 0;
  #dropCause = '';
  #error = '';
  #atExit = false;

  /** @param onRecovered is called when a write succeeds after lines were dropped */
  constructor(target: LogTarget, pendingBytesMax: number, onRecovered: DropNotice) {
    this.#target = target;
    this.#pendingBytesMax = pendingBytesMax;
    this.#onRecovered = onRecovered;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  get droppedLines(): number {
    return this.#droppedLines;
  }

  /** Never throws. */
  write(line: string): void {
    const bytes = Buffer.byteLength(line);
    if (this.#pendingBytes + bytes > this.#pendingBytesMax) {
      this.#droppedLines++;
      if (this.#unsaidLines++ === 0) this.#dropCause = this.#error || 'more at once than may wait';
      return;
    }
    this.#lines.push(line);
    this.#pendingBytes += bytes;
    if (this.#writing || this.#inFlight || this.#resting) return;
    if (this.#target.kind === 'file') this.#writeSoon();
    else this.#writeOn();
  }

  /** Resolves when everything is written, when nothing can be written, or when the time is over. */
  async flushed(withinMs: number): Promise<void> {
    const deadlineMs = performance.now() + withinMs;
    while (this.#pendingBytes > 0 && performance.now() < deadlineMs) {
      if (this.#error !== '' && this.#error !== 'EAGAIN') return;
      await wait(5);
    }
  }

  /** Writes synchronously at the exit of the process. Waits for a slow reader, but no longer than the timeout. */
  flushAtExit(withinMs: number): void {
    // The thread pool writes the lines in flight, and the process waits for it.
    this.#atExit = true;
    if (this.#inFlight) this.#chunk = undefined;
    this.#writeRest(performance.now() + withinMs);
    if (this.waitsForReader) pause(withinMs); // the reader may only be slow
  }

  /**
   * Whether the thread pool has a write that ends only when somebody reads. The exit of the process would wait for it.
   */
  get waitsForReader(): boolean {
    return this.#inFlight && this.#target.kind === 'shared';
  }

  #writeRest(deadlineMs: number): void {
    while (neverWaits(this.#target)) {
      this.#chunk ??= this.#takeLines();
      if (this.#chunk === undefined) return;
      try {
        this.#wrote(writeSync(this.#target.fd, this.#chunk));
      } catch (error) {
        if (codeOf(error) !== 'EAGAIN' || performance.now() > deadlineMs) return;
        pause(5);
      }
    }
  }

  /** Writes all lines of a turn at once. So none is in flight if the process ends in this turn. */
  #writeSoon(): void {
    this.#resting = true;
    setImmediate(() => {
      this.#resting = false;
      if (!this.#atExit) this.#writeOn();
    });
  }

  #writeOn(): void {
    this.#writing = true;
    for (;;) {
      this.#chunk ??= this.#takeLines();
      if (this.#chunk === undefined) break;
      if (this.#target.kind === 'file' || !neverWaits(this.#target)) {
        this.#inFlight = true;
        write(this.#target.fd, this.#chunk, (error, bytes) => this.#returned(error, bytes));
        break;
      }
      try {
        this.#wrote(writeSync(this.#target.fd, this.#chunk));
      } catch (error) {
        this.#failed(error);
        break;
      }
    }
    this.#writing = false;
  }

  #returned(error: NodeJS.ErrnoException | null, bytes: number): void {
    this.#inFlight = false;
    if (this.#atExit) return;
    if (error !== null) return this.#failed(error);
    this.#writing = true; // #writeOn writes the notice as one more line
    this.#wrote(bytes);
    this.#writeOn();
  }

  #wrote(bytes: number): void {
    this.#pendingBytes -= bytes;
    this.#chunk = bytes < this.#chunk!.length ? this.#chunk!.subarray(bytes) : undefined;
    const unsaid = this.#unsaidLines;
    if (unsaid > 0 && this.#pendingBytes + noticeBytes <= this.#pendingBytesMax) {
      this.#unsaidLines = 0;
      this.#onRecovered(unsaid, this.#dropCause);
    }
    this.#error = '';
  }

  #failed(error: unknown): void {
    this.#error = codeOf(error);
    this.#resting = true;
    const again = () => {
      this.#resting = false;
      this.#writeOn();
    };
    setTimeout(again, this.#error === 'EAGAIN' ? fullRetryMs : errorRetryMs).unref();
  }

  #takeLines(): Buffer | undefined {
    if (this.#lines.length === 0) return undefined;
    const bytesMax = this.#target.kind === 'file' ? fileWriteBytesMax : pipeWriteBytesMax;
    let count = 0;
    let bytes = 0;
    for (const line of this.#lines) {
      bytes += Buffer.byteLength(line);
      if (count > 0 && bytes > bytesMax) break;
      count++;
    }
    return Buffer.from(this.#lines.splice(0, count).join(''));
  }
}

/** Blocks the process. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown error';
}
