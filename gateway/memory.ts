import { memoryUsage } from 'node:process';
import v8 from 'node:v8';
import vm from 'node:vm';

/** Fewer connections than this, and the process's own memory drowns theirs. */
const connectionsForEstimate = 1_000;

/**
 * Keeps V8 from growing for throughput what an idle process then holds on to. Call once, when all is loaded.
 *
 * - The young generation would grow to 2 × 16 MB under load, which is 3,300 bytes for each of 10,000 connections;
 *   a factor of 1 keeps it at its first size.
 * - Until its first full collection V8 allows the old generation well over 100 MB, whatever is alive in it; after
 *   one, the limit follows what is alive.
 */
export function keepHeapSmall(): void {
  v8.setFlagsFromString('--semi-space-growth-factor=1');
  collectGarbage();
}

/** A full collection, now: stops everything for some 15 ms where 10 MB are alive. */
export function collectGarbage(): void {
  collect ??= exposeCollector();
  collect();
}

let collect: (() => void) | undefined;

function exposeCollector(): () => void {
  v8.setFlagsFromString('--expose-gc');
  return vm.runInNewContext('gc');
}

/** What the process weighs, and what of it is the connections'. */
export class MemoryGauge {
  readonly #baselineBytes = memoryUsage.rss();

  get rssBytes(): number {
    return memoryUsage.rss();
  }

  /** Growth since the start for each open stream, kernel memory not counted; undefined while there are too few to tell. */
  bytesPerConnection(open: number): number | undefined {
    if (open < connectionsForEstimate) return undefined;
    return Math.max(0, Math.round((this.rssBytes - this.#baselineBytes) / open));
  }
}
