import { memoryUsage } from 'node:process';
import v8 from 'node:v8';
import vm from 'node:vm';

/** With fewer connections than this, the process's own memory hides theirs. */
const connectionsForEstimate = 1_000;

/** The memory of the process, and the connections' part of it. */
export class MemoryGauge {
  readonly #baselineBytes = memoryUsage.rss();

  get rssBytes(): number {
    return memoryUsage.rss();
  }

  /** Growth since the start for each open stream, without kernel memory; undefined while there are too few streams. */
  bytesPerConnection(open: number): number | undefined {
    if (open < connectionsForEstimate) return undefined;
    return Math.max(0, Math.round((this.rssBytes - this.#baselineBytes) / open));
  }
}

/** Collects all garbage and returns freed pages to the system. At the start, when nobody waits. */
export async function giveMemoryBack(): Promise<void> {
  trim = await loadTrim();
  collectGarbage();
  collectGarbage(); // the first collection empties pages, the second returns the pooled ones
  trim();
  usedAtStart = nativeBytes();
}

/** Used bytes of V8's heap, including garbage. The time of a collection grows with them. */
export function heapBytes(): number {
  return v8.getHeapStatistics().used_heap_size;
}

/**
 * Bytes that malloc may return: memory of the process since its start that is neither V8's heap nor buffers. This
 * includes sockets of open connections. glibc's own count would walk all free memory, which takes long.
 */
export function spareBytes(): number {
  return Math.max(0, nativeBytes() - usedAtStart);
}

function nativeBytes(): number {
  const { rss, heapTotal, external } = memoryUsage();
  return rss - heapTotal - external;
}

/** Returns free pages to the system, also from the middle of malloc's memory: 0.2 to 0.6 ms for each free MB. */
export function mallocTrim(): void {
  trim();
}

let trim = (): void => {};
let usedAtStart = 0;
let collect: (() => void) | undefined;

/** A full collection. Stops everything for some 15 ms with 10 MB alive, and 0.6 to 1.2 ms for each further MB. */
export function collectGarbage(): void {
  collect ??= exposeCollector();
  collect();
}

function exposeCollector(): () => void {
  v8.setFlagsFromString('--expose-gc');
  return vm.runInNewContext('gc');
}

/** glibc's malloc_trim(0). Does nothing elsewhere. */
async function loadTrim(): Promise<() => void> {
  if (process.platform !== 'linux') return () => {};
  try {
    const { default: koffi } = await import('koffi');
    const mallocTrim = koffi.load('libc.so.6').func('int malloc_trim(size_t)');
    return () => mallocTrim(0);
  } catch {
    return () => {}; // musl has no such function; without koffi the process keeps more memory
  }
}
