import { PerformanceObserver } from 'node:perf_hooks';
import v8 from 'node:v8';

/** Messages, or four times as many packets, of a busy tick of the sweeper: 10,000 a second. */
const busyPerTick = 2_500;
/** Largest size of both halves. A larger one makes no measurable difference. */
const grownBytes = 16 * 1024 * 1024;
const smallBytes = 4 * 1024 * 1024;
/** V8 shrinks it in a collection after 5 s with less than 1 MB/s of allocation. */
const quietTicks = 24;
const quietPerTick = 25;

/**
 * V8's young generation would grow to 2 × 16 MB under load, which is 3,300 bytes for each of 10,000 connections. A
 * growth factor of 1 keeps it at its first size, 2 × 1 MB. A small one is collected more often, and each collection
 * copies all live objects: at QoS 1 that made ten times as many collections, and a message cost a sixth more. So it may
 * grow while very many messages arrive, and shrinks afterwards.
 */
export class YoungGeneration {
  readonly #observer = new PerformanceObserver(() => this.#collected());
  #last = 0;
  #quietTicks = 0;
  #growing = false;
  #grown = false;

  /**
   * Called in each tick of the sweeper.
   * @param messages delivered since the start, and a part of the received packets
   * @returns true in the tick in which a collection would shrink it
   */
  tick(messages: number): boolean {
    const inTick = messages - this.#last;
    this.#last = messages;
    this.#quietTicks = inTick <= quietPerTick ? this.#quietTicks + 1 : 0;
    if (inTick >= busyPerTick) this.#grow();
    else this.#stopGrowing();
    if (!this.#grown || this.#quietTicks !== quietTicks) return false;
    this.#grown = youngBytes() > smallBytes;
    return this.#grown;
  }

  #grow(): void {
    if (this.#growing || youngBytes() >= grownBytes) return;
    this.#growing = true;
    this.#grown = true;
    setGrowthFactor(2);
    this.#observer.observe({ entryTypes: ['gc'] });
  }

  /** In the turn after a collection: it grows at most once in each. */
  #collected(): void {
    if (this.#growing && youngBytes() >= grownBytes) this.#stopGrowing();
  }

  #stopGrowing(): void {
    if (!this.#growing) return;
    this.#growing = false;
    setGrowthFactor(1);
    this.#observer.disconnect();
  }
}

/**
 * Call before the server's modules are loaded: they would make it grow to 2 × 8 MB, and it would not shrink before a
 * message.
 */
export function keepYoungGenerationSmall(): void {
  setGrowthFactor(1);
}

function setGrowthFactor(factor: number): void {
  v8.setFlagsFromString(`--semi-space-growth-factor=${factor}`);
}

function youngBytes(): number {
  return v8.getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? 0;
}
