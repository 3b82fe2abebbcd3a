import { memoryUsage } from 'node:process';
import v8 from 'node:v8';

/** Fewer connections than this, and the process's own memory drowns theirs. */
const connectionsForEstimate = 1_000;

/**
 * V8's young generation would grow to 2 × 16 MB under load, which is 3,300 bytes for each of 10,000
 * connections; a factor of 1 keeps it at its first size.
 */
export function keepYoungGenerationSmall(): void {
  v8.setFlagsFromString('--semi-space-growth-factor=1');
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
