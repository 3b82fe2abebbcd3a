/** The connections of one process that were cut together: in which order they come back, evenly over the time they have. */
import { Schedule } from '../msggen/schedule.js';

const TICK_MS = 5;

export class Reconnects {
  readonly #connections: readonly number[];
  readonly #schedule: Schedule;
  /** Brings a connection back; false when that has to wait. */
  readonly #comeBack: (connection: number) => boolean;
  readonly #startMs = performance.now();
  /** Cut, and not logged in since. */
  readonly #away: Set<number>;
  /** Logged in again, and the server has not said yet what became of the cursor. */
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

  /** The connection has logged in: whether it was away because it was cut. */
  isBack(connection: number): boolean {
    const isBack = this.#away.delete(connection);
    if (isBack) this.#untold.add(connection);
    return isBack;
  }

  /** The server says what became of the connection's cursor: whether it says so for the first time since the cut. */
  isTold(connection: number): boolean {
    return this.#untold.delete(connection);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #bringDue(): void {
    // The first one after a gap, the last one at the end of the time.
    const due = this.#schedule.dueBy(performance.now() - this.#startMs - this.#schedule.gapMs);
    while (this.#begun < due && this.#comeBack(this.#connections[this.#begun]!)) this.#begun++;
    if (this.#begun < this.#connections.length) this.#timer = setTimeout(() => this.#bringDue(), TICK_MS);
  }
}
