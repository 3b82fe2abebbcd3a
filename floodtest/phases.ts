/**
 * The phase of each connection of one process:
 *
 *     opening --> connected --> leaving (has disconnected at the end of its life) --> opening: its successor
 *                           --> away (was cut) --> opening: it reconnects
 *                           --> done
 *             --> done
 *
 * Opening and leaving wait for the server, with a timeout.
 */
import { nowUs } from '../msggen/stamp.js';

export type Phase = 'opening' | 'connected' | 'leaving' | 'away' | 'done';

/** 0 = not begun. */
const NUMBER_OF: Record<Phase, number> = { opening: 1, connected: 2, leaving: 3, away: 4, done: 5 };

export class Phases {
  /** Opening or leaving. */
  waiting = 0;
  readonly #numbers: Uint8Array;
  /** Start of the opening or leaving. */
  readonly #sinceUs: Float64Array;

  constructor(connections: number) {
    this.#numbers = new Uint8Array(connections);
    this.#sinceUs = new Float64Array(connections);
  }

  is(connection: number, phase: Phase): boolean {
    return this.#numbers[connection] === NUMBER_OF[phase];
  }

  enter(connection: number, phase: Phase): void {
    if (this.#waits(connection)) this.waiting--;
    this.#numbers[connection] = NUMBER_OF[phase];
    if (!this.#waits(connection)) return;
    this.waiting++;
    this.#sinceUs[connection] = nowUs();
  }

  endAll(): void {
    this.#numbers.fill(NUMBER_OF.done);
    this.waiting = 0;
  }

  *connected(): Iterable<number> {
    for (let connection = 0; connection < this.#numbers.length; connection++) {
      if (this.is(connection, 'connected')) yield connection;
    }
  }

  /** Connections that have waited for longer than this. */
  *overdue(timeoutMs: number): Iterable<number> {
    if (this.waiting === 0) return;
    const beforeUs = nowUs() - timeoutMs * 1000;
    for (let connection = 0; connection < this.#numbers.length; connection++) {
      if (this.#waits(connection) && this.#sinceUs[connection]! <= beforeUs) yield connection;
    }
  }

  #waits(connection: number): boolean {
    return this.is(connection, 'opening') || this.is(connection, 'leaving');
  }
}
