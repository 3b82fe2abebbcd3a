import { memoryUsage } from 'node:process';
import v8 from 'node:v8';
import vm from 'node:vm';

/** Fewer connections than this, and the process's own memory drowns theirs. */
const connectionsForEstimate = 1_000;

/** The memory of the process, and the connections' part of it. */
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

/** Collects all garbage, and returns freed pages to the system; at the start, when nobody waits yet. */
export async function giveMemoryBack(): Promise<void> {
  trim = await loadTrim();
  collectGarbage();
  collectGarbage(); // the first empties the pages, the second gives the pooled ones back
  trim();
  usedAtStart = nativeBytes();
}

/** In use in V8's heap, garbage included: what a collection takes grows with it. */
export function heapBytes(): number {
  return v8.getHeapStatistics().used_heap_size;
}

/**
 * Bytes that malloc may have to give back: what of the process is neither V8's heap nor buffers and was not there at the start.
 * The sockets of open connections are in it, too; glibc's own count would walk all that is free, which takes its time.
 */
export function spareBytes(): number {
  return Math.max(0, nativeBytes() - usedAtStart);
}

function nativeBytes(): number {
  const { rss, heapTotal, external } = memoryUsage();
  return rss - heapTotal - external;
}

/** Returns whole free pages to the system, from the middle of malloc's memory too: 0.2 to 0.6 ms for each MB that is free. */
export function mallocTrim(): void {
  trim();
}

let trim = (): void => {};
let usedAtStart = 0;
let collect: (() => void) | undefined;

/** A full collection, now: stops everything for some 15 ms where 10 MB are alive, and 0.6 to 1.2 ms for each MB more. */
export function collectGarbage(): void {
  collect ??= exposeCollector();
  collect();
}

function exposeCollector(): () => void {
  v8.setFlagsFromString('--expose-gc');
  return vm.runInNewContext('gc');
}

/** glibc's malloc_trim(0). Elsewhere: nothing to do. */
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
