import { type Clock, tickMs } from './clock.js';
import type { Connections } from './connections.js';
import type { Outbound } from './outbound.js';

/**
 * The one timer that serves all deadlines: four times a second it walks a column of numbers and writes the
 * heartbeats that are due. 18,000 slots take about 20 µs when nothing is.
 */
export class Sweeper {
  readonly #clock: Clock;
  readonly #connections: Connections;
  readonly #outbound: Outbound;
  readonly #tasks: (() => void)[];
  #timer: NodeJS.Timeout | undefined;

  /** @param tasks what else wants to be looked at in each tick */
  constructor(clock: Clock, connections: Connections, outbound: Outbound, tasks: (() => void)[]) {
    this.#clock = clock;
    this.#connections = connections;
    this.#outbound = outbound;
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
    this.#sendHeartbeats();
    for (const task of this.#tasks) task();
  }

  #sendHeartbeats(): void {
    const { heartbeatDue, streams, used } = this.#connections;
    const { tick } = this.#clock;
    for (let slot = 0; slot < used; slot++) {
      const due = heartbeatDue[slot]!;
      if (due === 0 || due > tick) continue;
      heartbeatDue[slot] = this.#clock.heartbeatDue(slot);
      this.#outbound.heartbeat(streams[slot]!);
    }
  }
}
