import v8 from 'node:v8';
import vm from 'node:vm';
import type { Logger } from 'pino';
import type { Config } from './config.js';
import type { Counters } from './counters.js';

/** Next to nothing for this many ticks of the sweeper (2 s): the burst is over. */
const quietTicks = 8;

/** "Next to nothing" in one tick: 100 a second, of messages or of closed streams. */
const quietPerTick = 25;

/** Watches one counter for a burst that has come to its end. */
class Burst {
  readonly #size: number;
  #startedAt = 0;
  #last = 0;
  #quietTicks = 0;

  /** @param size what makes a burst; 0 = never one */
  constructor(size: number) {
    this.#size = size;
  }

  /** @returns true in the tick in which the counter has been quiet for long enough after a burst */
  over(counter: number): boolean {
    const burst = counter - this.#startedAt;
    const quiet = counter - this.#last <= quietPerTick;
    this.#last = counter;
    this.#quietTicks = quiet ? this.#quietTicks + 1 : 0;
    return this.#size > 0 && burst >= this.#size && this.#quietTicks >= quietTicks;
  }

  forget(): void {
    this.#startedAt = this.#last;
  }
}

/**
 * Gives memory back after a great many streams have closed or messages have passed: Erlang's `hibernate`, for
 * a crowd at a time. V8 collects when it needs room, not when there is too much of it, and glibc keeps freed
 * memory for the next connections: after 10,000 streams had gone, 14 MB of them stayed, and after 1,000,000
 * messages as much as 48 MB.
 *
 * Costs one pause of about 30 ms with 10,000 connections, at a moment when next to nothing happens.
 */
export class Reclaimer {
  readonly #closed: Burst;
  readonly #messages: Burst;
  readonly #log: Logger;

  constructor(config: Pick<Config, 'reclaimAfterClosed' | 'reclaimAfterMessages'>, log: Logger) {
    this.#closed = new Burst(config.reclaimAfterClosed);
    this.#messages = new Burst(config.reclaimAfterMessages);
    this.#log = log;
  }

  /** Called in each tick of the sweeper. */
  tick({ closedTotal, messagesWritten }: Counters): void {
    const closedOver = this.#closed.over(closedTotal);
    const messagesOver = this.#messages.over(messagesWritten);
    if (!closedOver && !messagesOver) return;
    this.#closed.forget();
    this.#messages.forget();
    this.#reclaim();
  }

  async #reclaim(): Promise<void> {
    const rssBefore = process.memoryUsage.rss();
    const startedMs = performance.now();
    await giveMemoryBack();
    const tookMs = Math.round(performance.now() - startedMs);
    const freedBytes = rssBefore - process.memoryUsage.rss();
    this.#log.info({ freedBytes, tookMs }, 'memory given back');
  }
}

/** Collects all garbage, and returns freed pages to the system. */
export async function giveMemoryBack(): Promise<void> {
  trim ??= await loadTrim();
  collectGarbage();
  collectGarbage(); // the first empties the pages, the second gives the pooled ones back
  trim();
}

let trim: (() => void) | undefined;
let collect: (() => void) | undefined;

/** A full collection, now: stops everything for some 15 ms where 10 MB are alive. */
function collectGarbage(): void {
  collect ??= exposeCollector();
  collect();
}

function exposeCollector(): () => void {
  v8.setFlagsFromString('--expose-gc');
  return vm.runInNewContext('gc');
}

/** glibc's malloc_trim(0), which returns whole free pages from the middle of the heap too. Elsewhere: nothing to do. */
async function loadTrim(): Promise<() => void> {
  if (process.platform !== 'linux') return () => {};
  try {
    const { default: koffi } = await import('koffi');
    const mallocTrim = koffi.load('libc.so.6').func('int malloc_trim(size_t)');
    return () => mallocTrim(0);
  } catch {
    return () => {}; // musl has neither the name nor the function; and without koffi the process only keeps more
  }
}
