import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A pipe whose reader is this process: what is written to it waits until it is asked for. Linux keeps 64 KiB of it. */
export class NamedPipe {
  /** For who writes; a process that is started with it waits where the pipe is full. */
  readonly writeEnd: number;
  readonly #path: string;
  #readEnd: number;
  #open = true;

  constructor() {
    this.#path = join(tmpdir(), `encke-pipe-${process.pid}-${++pipes}`);
    const made = spawnSync('mkfifo', [this.#path], { encoding: 'utf8' });
    if (made.status !== 0) throw new Error(`mkfifo: ${made.stderr}`);
    this.#readEnd = openSync(this.#path, constants.O_RDONLY | constants.O_NONBLOCK);
    this.writeEnd = openSync(this.#path, constants.O_WRONLY);
  }

  /** Until not one byte more has room. */
  fill(): void {
    const fd = openSync(this.#path, constants.O_WRONLY | constants.O_NONBLOCK);
    for (const size of [4096, 1]) {
      try {
        for (;;) writeSync(fd, Buffer.alloc(size, '.'));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      }
    }
    closeSync(fd);
  }

  /** The bytes in the pipe now. */
  read(): string {
    const buffer = Buffer.alloc(65_536);
    let text = '';
    try {
      for (let bytes = -1; bytes !== 0; ) {
        bytes = readSync(this.#readEnd, buffer);
        text += buffer.toString('utf8', 0, bytes);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
    return text;
  }

  /** As a reader that has ended. */
  closeReader(): void {
    if (this.#open) closeSync(this.#readEnd);
    this.#open = false;
  }

  openReader(): void {
    this.#readEnd = openSync(this.#path, constants.O_RDONLY | constants.O_NONBLOCK);
    this.#open = true;
  }

  close(): void {
    this.closeReader();
    closeSync(this.writeEnd);
    rmSync(this.#path);
  }
}

let pipes = 0;
