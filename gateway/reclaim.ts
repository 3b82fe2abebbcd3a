import type { Logger } from 'pino';
import type { Config } from './config.js';
import type { Counters } from './counters.js';
import { collectGarbage, heapBytes, mallocTrim, spareBytes } from './memory.js';
import { YoungGeneration } from './young-generation.js';

/** After this many quiet ticks of the sweeper (2 s) a burst is over. */
const quietTicks = 8;

/** Most events of a quiet tick: 100 a second, of messages or of connections that open or close. */
const quietPerTick = 25;

/** First estimates of a step's pause, ms for each MB, from a busy machine. */
const collectMsPerMb = 1.2;
const trimMsPerMb = 0.6;
/**
 * Weight of packets for the young generation: 5,000 clients that connect and subscribe in a second need no large one.
 */
const packetsPerMessage = 4;
const mebibyte = 1024 * 1024;

/** Watches one counter for the end of a burst. */
class Burst {
  readonly #size: number;
  #startedAt = 0;
  #last = 0;
  #quietTicks = 0;

  /** @param size events that make a burst; 0 = never */
  constructor(size: number) {
    this.#size = size;
  }

  /** @returns true in the tick in which a burst is over */
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

/** One step of giving memory back. It stops the process for a time that its bytes predict. */
class Step {
  readonly #bytes: () => number;
  readonly #run: () => void;
  #msPerMb: number;

  constructor(bytes: () => number, msPerMb: number, run: () => void) {
    this.#bytes = bytes;
    this.#msPerMb = msPerMb;
    this.#run = run;
  }

  get expectedMs(): number {
    return (this.#bytes() / mebibyte) * this.#msPerMb;
  }

  /** @returns how long it took, ms */
  run(): number {
    const mb = this.#bytes() / mebibyte;
    const startedMs = performance.now();
    this.#run();
    const tookMs = performance.now() - startedMs;
    // With little memory, fixed costs dominate.
    if (mb <= 4) return tookMs;
    // Other processes may have delayed a slow step: the estimate rises more slowly than it falls.
    const more = tookMs / mb - this.#msPerMb;
    this.#msPerMb += more > 0 ? more / 4 : more / 2;
    return tookMs;
  }
}

/** The work of one round so far. */
interface Round {
  readonly rssBefore: number;
  next: number;
  longestMs: number;
  tookMs: number;
}

/**
 * Gives memory back after a burst of connections or messages, like Erlang's `hibernate` for a crowd. V8 collects when
 * it needs room, and glibc keeps freed memory. So 14 MB stayed after 10,000 streams had closed, 8 to 12 MB after 10,000
 * had opened, and up to 48 MB after 1,000,000 messages.
 *
 * Works in steps, one in each tick of the sweeper, when it is quiet. A step stops the process for a time that grows
 * with the heap. A step that would take longer than `reclaimPauseMsMax` is skipped: V8 collects by itself when it needs
 * room.
 */
export class Reclaimer {
  readonly #opened: Burst;
  readonly #closed: Burst;
  readonly #messages: Burst;
  readonly #young = new YoungGeneration();
  readonly #pauseMsMax: number;
  readonly #log: Logger;
  readonly #steps: readonly Step[];
  #round: Round | undefined = undefined;

  constructor(
    config: Pick<
      Config,
      'reclaimAfterOpened' | 'reclaimAfterClosed' | 'reclaimAfterMessages' | 'reclaimPauseMsMax'
    >,
    log: Logger,
  ) {
    this.#opened = new Burst(config.reclaimAfterOpened);
    this.#closed = new Burst(config.reclaimAfterClosed);
    this.#messages = new Burst(config.reclaimAfterMessages);
    this.#pauseMsMax = config.reclaimPauseMsMax;
    this.#log = log;
    const collect = new Step(heapBytes, collectMsPerMb, collectGarbage);
    // The first collection empties pages, the second returns the pooled ones and frees buffers.
    this.#steps = [collect, collect, new Step(spareBytes, trimMsPerMb, mallocTrim)];
  }

  /**
   * Called in each tick of the sweeper.
   * @param messages delivered since the start
   */
  tick({ opened, closedTotal, messagesWritten, mqttPacketsReceived }: Counters, messages: number): void {
    const bursts = [
      this.#young.tick(messages + mqttPacketsReceived / packetsPerMessage),
      this.#opened.over(opened),
      this.#closed.over(closedTotal),
      this.#messages.over(messagesWritten),
    ];
    if (bursts.includes(true)) {
      this.#opened.forget();
      this.#closed.forget();
      this.#messages.forget();
      this.#round ??= { rssBefore: process.memoryUsage.rss(), next: 0, longestMs: 0, tookMs: 0 };
    }
    if (this.#round !== undefined) this.#goOn(this.#round);
  }

  #goOn(round: Round): void {
    const step = this.#steps[round.next++];
    if (step === undefined) return this.#end(round);
    const { expectedMs } = step;
    if (expectedMs > this.#pauseMsMax) {
      const heapMb = Math.round(heapBytes() / mebibyte);
      this.#log.info(
        {
          heapMb,
          expectedMs: Math.round(expectedMs),
          limitMs: this.#pauseMsMax,
          setting: '--reclaim-pause-ms-max',
        },
        'memory kept: to give it back would hold everything up for longer than allowed',
      );
      // A second collection would take as long; malloc_trim may be short.
      round.next = Math.max(round.next, this.#steps.length - 1);
      if (step !== this.#steps.at(-1)) return;
      return this.#end(round);
    }
    const tookMs = step.run();
    round.tookMs += tookMs;
    round.longestMs = Math.max(round.longestMs, tookMs);
  }

  #end({ rssBefore, tookMs, longestMs }: Round): void {
    this.#round = undefined;
    if (tookMs === 0) return;
    const freedBytes = rssBefore - process.memoryUsage.rss();
    this.#log.info(
      { freedBytes, tookMs: Math.round(tookMs), longestMs: Math.round(longestMs) },
      'memory given back',
    );
  }
}
