import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';

const kindByNumber: Readonly<Record<number, GarbageCollection>> = {
  [constants.NODE_PERFORMANCE_GC_MINOR]: 'minor',
  [constants.NODE_PERFORMANCE_GC_MAJOR]: 'major',
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: 'incremental',
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: 'weak-callbacks',
};

type GarbageCollection = 'minor' | 'major' | 'incremental' | 'weak-callbacks';

/** V8's collections while it has run, by kind: how many, and the seconds that they took. */
export class GarbageCollections {
  readonly #count: Record<GarbageCollection, number> = {
    minor: 0,
    major: 0,
    incremental: 0,
    'weak-callbacks': 0,
  };
  readonly #seconds: Record<GarbageCollection, number> = { ...this.#count };
  readonly #observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { detail, duration } = entry as PerformanceEntry & { detail: { kind: number } };
      const kind = kindByNumber[detail.kind];
      if (kind === undefined) continue;
      this.#count[kind]++;
      this.#seconds[kind] += duration / 1000;
    }
  });

  start(): void {
    this.#observer.observe({ entryTypes: ['gc'] });
  }

  stats() {
    return { collections: { ...this.#count }, seconds: { ...this.#seconds } };
  }

  stop(): void {
    this.#observer.disconnect();
  }
}
