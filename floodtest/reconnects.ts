/** Reconnects the connections of one process that were cut together, evenly over a time. */
import { Schedule } from '../msggen/schedule.js';

const TICK_MS = 5;

export class Reconnects {
  readonly #connections: readonly number[];
  readonly #schedule: Schedule;
  /** Opens a connection. @returns false when it must wait */
  readonly #comeBack: (connection: number) => boolean;
  readonly #startMs = performance.now();
  /** Cut, and not logged in since. */
  readonly #away: Set<number>;
  /** Logged in again; the server has not answered the cursor yet. */
  readonly #untold = new Set<number>();
  #begun = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(connections: readonly number[], withinMs: number, comeBack: (connection: number) => boolean) {
    this.#connections = connections;
    this.#away = new Set(connections);
    this.#comeBack = comeBack;
    const perSec = (connections.length * 1000) / withinMs;
    this.#schedule = new Schedule(perSec, connections.length, Number.POSITIVE_INFINITY);
    this.#bringDue();
  }

  /** The connection has logged in. @returns whether it was cut */
  isBack(connection: number): boolean {
    const isBack = this.#away.delete(connection);
    if (isBack) this.#untold.add(connection);
    return isBack;
  }

  /** The server has answered the connection's cursor. @returns whether for the first time since the cut */
  isTold(connection: number): boolean {
    return this.#untold.delete(connection);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #bringDue(): void {
    // The first reconnect comes after one interval, the last one at the end of the time.
    const due = this.#schedule.dueBy(performance.now() - this.#startMs - this.#schedule.gapMs);
    while (this.#begun < due && this.#comeBack(this.#connections[this.#begun]!)) this.#begun++;
    if (this.#begun < this.#connections.length) this.#timer = setTimeout(() => this.#bringDue(), TICK_MS);
  }
}
