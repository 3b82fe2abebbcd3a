import { type Clock, tickMs } from './clock.js';
import type { Connections } from './connections.js';

/**
 * The one timer for all deadlines of connections, such as heartbeats and keep-alives. Four times a second it walks a
 * column of numbers, and calls the connections that are due. 18,000 slots take about 20 µs when none is due.
 */
export class Sweeper {
  readonly #clock: Clock;
  readonly #connections: Connections;
  readonly #tasks: (() => void)[];
  #timer: NodeJS.Timeout | undefined;

  /** @param tasks called in each tick */
  constructor(clock: Clock, connections: Connections, tasks: (() => void)[]) {
    this.#clock = clock;
    this.#connections = connections;
    this.#tasks = tasks;
  }

  start(): void {
    this.#timer = setInterval(() => this.#sweep(), tickMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #sweep(): void {
    this.#clock.tick++;
    this.#tellWhoIsDue();
    for (const task of this.#tasks) task();
  }

  #tellWhoIsDue(): void {
    const { due, slots, used } = this.#connections;
    const { tick } = this.#clock;
    for (let slot = 0; slot < used; slot++) {
      if (due[slot]! === 0 || due[slot]! > tick) continue;
      due[slot] = 0; // unless it sets a new tick
      slots[slot]!.onDue();
    }
  }
}
