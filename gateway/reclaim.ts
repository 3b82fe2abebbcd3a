import v8 from 'node:v8';
import vm from 'node:vm';
import type { Logger } from 'pino';

/** Nothing much opened or closed for this many ticks of the sweeper (2 s): the burst is over. */
const quietTicks = 8;

/** "Nothing much" in one tick, as a share of the burst. */
const quietShare = 0.01;

/**
 * Gives memory back after a great many streams have closed: Erlang's `hibernate`, for a crowd at a time. V8
 * collects when it needs room, not when there is too much of it, and glibc keeps freed memory for the next
 * connections: after 10,000 had gone, 14 MB of their memory stayed; with this, 6 MB, most of them warm code and heap.
 *
 * Costs one pause of about 30 ms with 10,000 connections, at a moment when nothing much happens.
 */
export class Reclaimer {
  readonly #afterClosed: number;
  readonly #log: Logger;
  #closedBefore = 0;
  #lastChanges = 0;
  #quietTicks = 0;

  /** @param afterClosed closed streams that make a burst; 0 = never */
  constructor(afterClosed: number, log: Logger) {
    this.#afterClosed = afterClosed;
    this.#log = log;
  }

  /** Called in each tick of the sweeper, with what has been opened and closed since the start. */
  tick(opened: number, closed: number): void {
    if (this.#afterClosed === 0) return;
    const burst = closed - this.#closedBefore;
    if (burst < this.#afterClosed) return;
    this.#countQuiet(opened + closed, burst);
    if (this.#quietTicks < quietTicks) return;
    this.#closedBefore = closed;
    this.#quietTicks = 0;
    this.#reclaim(burst);
  }

  #countQuiet(changes: number, burst: number): void {
    const quiet = changes - this.#lastChanges <= burst * quietShare;
    this.#quietTicks = quiet ? this.#quietTicks + 1 : 0;
    this.#lastChanges = changes;
  }

  async #reclaim(burst: number): Promise<void> {
    const rssBefore = process.memoryUsage.rss();
    collect ??= exposeCollector();
    trim ??= await loadTrim();
    const startedMs = performance.now();
    collect();
    collect(); // the first empties the pages, the second gives the pooled ones back
    trim();
    const tookMs = Math.round(performance.now() - startedMs);
    const freedBytes = rssBefore - process.memoryUsage.rss();
    this.#log.info({ streamsClosed: burst, freedBytes, tookMs }, 'memory given back');
  }
}

/** Made at the first burst, so that a process that never has one carries neither. */
let collect: (() => void) | undefined;
let trim: (() => void) | undefined;

function exposeCollector(): () => void {
  v8.setFlagsFromString('--expose-gc');
  return vm.runInNewContext('gc');
}

/** glibc's malloc_trim(0), which returns whole free pages from the middle of the heap too. Elsewhere: nothing to do. */
async function loadTrim(): Promise<() => void> {
  if (process.platform !== 'linux') return () => {};
  const { default: koffi } = await import('koffi');
  try {
    const mallocTrim = koffi.load('libc.so.6').func('int malloc_trim(size_t)');
    return () => mallocTrim(0);
  } catch {
    return () => {}; // musl has neither the name nor the function
  }
}
