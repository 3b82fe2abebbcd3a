import { type IntervalHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { ticksPerSec } from './clock.js';

/** Its timer wakes the process this often. At 20 ms an idle process would wake 50 times a second for it. */
const resolutionMs = 100;
/** Of a window; between two scrapes of Prometheus, mostly. */
const windowSec = 15;

/** Times in the last complete window, without the resolution, which an idle loop has, too. */
interface Delays {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** How late timers are: the time that one turn of the event loop holds up everybody else. Measured while it runs. */
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

  /** Called in each tick of the sweeper. */
  tick(): void {
    if (++this.#ticks % (windowSec * ticksPerSec) !== 0) return;
    this.#utilizationBefore = performance.eventLoopUtilization();
    if (!this.#runs) return;
    this.#last = this.#read();
    this.#histogram.reset();
  }

  /** Delays of the last complete window; before its end, of what there is of it; none where it does not run. */
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
