import { EventLoopGauge } from './event-loop.js';
import { GarbageCollections } from './garbage-collections.js';

/** They stop when nobody has looked for so long. */
const unwatchedMs = 5 * 60_000;

/**
 * The delay of the event loop and V8's collections. Each collection that is noted costs a call, 3 to 4 % of a fan-out: so
 * they run only while somebody looks, which a scraper does from its first scrape on.
 */
export class RuntimeGauges {
  readonly eventLoop = new EventLoopGauge();
  readonly garbage = new GarbageCollections();
  #watchedMs = Number.NEGATIVE_INFINITY;

  /** Somebody looks. */
  watch(): void {
    if (!this.#runs) {
      this.eventLoop.start();
      this.garbage.start();
    }
    this.#watchedMs = performance.now();
  }

  /** Called in each tick of the sweeper. */
  tick(): void {
    this.eventLoop.tick();
    if (this.#runs && performance.now() - this.#watchedMs > unwatchedMs) this.stop();
  }

  stop(): void {
    this.#watchedMs = Number.NEGATIVE_INFINITY;
    this.eventLoop.stop();
    this.garbage.stop();
  }

  get #runs(): boolean {
    return this.#watchedMs !== Number.NEGATIVE_INFINITY;
  }
}
