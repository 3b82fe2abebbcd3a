import type { CellHandle, Cells } from './cells.js';
import type { HistoryRule } from './history-rules.js';
import { entry, ring } from './layout.js';

/**
 * The clock of history, which decides what is too old. A message is kept at least for its age by the clock of `tick`,
 * and at most two ticks and 0.2 s longer.
 */
export class Ages {
  readonly #cells: Cells;
  /** By rule, tenths of a second. */
  #ages: readonly number[] = [];
  #startMs = Number.NaN;
  /** Tenths of a second since the first tick: at the last tick, and at the one before. */
  #now = 0;
  #before = 0;

  constructor(cells: Cells, rules: readonly HistoryRule[]) {
    this.#cells = cells;
    this.take(rules);
  }

  /** Puts these rules in force. */
  take(rules: readonly HistoryRule[]): void {
    this.#ages = rules.map(({ ageSec }) => Math.ceil(ageSec * 10));
  }

  /** The stamp of a new entry. */
  get now(): number {
    return this.#now;
  }

  tick(nowMs: number): void {
    if (Number.isNaN(this.#startMs)) this.#startMs = nowMs;
    this.#before = this.#now;
    this.#now = Math.max(this.#now, Math.floor((nowMs - this.#startMs) / 100));
  }

  isTooOld(at: CellHandle, rule: number): boolean {
    return this.#isPast(this.#cells.word(at, entry.stamp), rule);
  }

  /** Decides without reading an entry. */
  mayHaveTooOld(owner: CellHandle, rule: number): boolean {
    return this.#isPast(this.#cells.word(owner, ring.oldestStamp), rule);
  }

  #isPast(stamp: number, rule: number): boolean {
    return stamp + this.#ages[rule]! < this.#before;
  }
}
