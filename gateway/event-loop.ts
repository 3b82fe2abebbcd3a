import { type IntervalHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { ticksPerSec } from './clock.js';

/** The timer of the histogram wakes the process this often. At 20 ms an idle process would wake 50 times a second. */
const resolutionMs = 100;
/** Delays are those of a window of this length, about the time between two scrapes of Prometheus. */
const windowSec = 15;

/** Delays in the last complete window. The resolution is subtracted: an idle loop has it, too. */
interface Delays {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Measures how late timers are: the time for which one turn of the event loop holds up everybody else. */
export class EventLoopGauge {
  readonly #histogram: IntervalHistogram = monitorEventLoopDelay({ resolution: resolutionMs });
  #utilizationBefore = performance.eventLoopUtilization();
  #last: Delays | undefined;
  #ticks = 0;
  #runs = false;

  start(): void {
    this.#runs = true;
    this.#histogram.enable();
  }

  stop(): void {
    this.#runs = false;
    this.#last = undefined;
    this.#histogram.disable();
    this.#histogram.reset();
  }

  /** The sweeper calls it in each of its ticks. */
  tick(): void {
    if (++this.#ticks % (windowSec * ticksPerSec) !== 0) return;
    this.#utilizationBefore = performance.eventLoopUtilization();
    if (!this.#runs) return;
    this.#last = this.#read();
    this.#histogram.reset();
  }

  /** @returns the delays of the last complete window, or of the first one so far; none where the gauge is stopped */
  stats() {
    const { utilization } = performance.eventLoopUtilization(this.#utilizationBefore);
    const delays = this.#last ?? (this.#runs ? this.#read() : undefined);
    return { utilization: Math.round(utilization * 1000) / 1000, ...delays };
  }

  #read(): Delays {
    const histogram = this.#histogram;
    return {
      p50Ms: lateMs(histogram.percentile(50)),
      p99Ms: lateMs(histogram.percentile(99)),
      maxMs: lateMs(histogram.max),
    };
  }
}

function lateMs(nanoseconds: number): number {
  return Math.max(0, Math.round((nanoseconds / 1e6 - resolutionMs) * 100) / 100);
}
