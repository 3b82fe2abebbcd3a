import type { Truth } from './truth.js';

/** Where one reader stands, and whether what it is given may come next. Owns its cursor, as the server gave it. */
export class Position {
  cursor: string;
  readonly ids: readonly string[];
  readonly #offsets: number[];
  /** Of which a gap was announced by `recovered: false`. */
  readonly #open = new Set<string>();
  /** Announced in the stream by `lost`, and not come upon yet. */
  #lost = 0;
  #truth: Truth;
  /** Of which the cursor is. */
  #cursorTruth: Truth;
  readonly #fault: (what: string) => void;

  constructor(ids: readonly string[], cursor: string, truth: Truth, fault: (what: string) => void) {
    this.ids = ids;
    this.cursor = cursor;
    this.#offsets = ids.map(() => 0);
    this.#truth = truth;
    this.#cursorTruth = truth;
    this.#fault = fault;
  }

  /** A connection begins; what an earlier one had lost is given again. */
  start(recovered: boolean, truth: Truth): void {
    this.#lost = 0;
    this.#open.clear();
    if (truth !== this.#truth) this.#offsets.fill(0);
    this.#truth = truth;
    if (truth !== this.#cursorTruth) {
      if (recovered) this.#fault('is told recovered: true by another epoch');
    } else if (!recovered && !this.ids.some((id, index) => truth.mayMiss(id, this.#offsets[index]!))) {
      this.#fault(`is told recovered: false at ${this.#offsets}`);
    }
    if (recovered) return;
    for (const [index, id] of this.ids.entries())
      if (truth.mayMiss(id, this.#offsets[index]!)) this.#open.add(id);
  }

  lost(count: number): void {
    this.#lost += count;
  }

  /** @param cursor undefined where one answer holds several messages, and one cursor for all of them */
  message(id: string, text: string, cursor?: string): void {
    const index = this.ids.indexOf(id);
    const name = text.slice(0, 12);
    if (index === -1) return this.#fault(`is given ${name} of ${id}, which it has not asked for`);
    const offset = this.#truth.offsetOf(id, text);
    if (offset === undefined) return this.#fault(`is given ${name} of ${id}, which nobody has sent there`);
    const before = this.#offsets[index]!;
    if (offset <= before)
      this.#fault(`is given ${name} (${offset}) of ${id} again or late, behind ${before}`);
    if (offset > before + 1) this.#gap(id, before, offset);
    this.#open.delete(id);
    this.#offsets[index] = offset;
    if (cursor !== undefined) this.checkpoint(cursor);
  }

  /** The server's word for where the reader is. */
  checkpoint(cursor: string): void {
    const offsets = cursor.split(':')[1]!.split(',').map(Number);
    const differs = this.ids.some(
      (id, index) => !this.#open.has(id) && this.#lost === 0 && offsets[index] !== this.#offsets[index],
    );
    // What is gone is skipped, though nothing of that id may be in this answer.
    for (const [index, id] of this.ids.entries())
      if (this.#open.has(id)) this.#offsets[index] = Math.max(this.#offsets[index]!, offsets[index]!);
    if (differs) this.#fault(`has ${this.#offsets} and the cursor ${cursor}`);
    this.cursor = cursor;
    this.#cursorTruth = this.#truth;
  }

  /** Whether it knows of this epoch. */
  isIn(truth: Truth): boolean {
    return this.#truth === truth;
  }

  /** What is still to come. */
  missing(): number {
    const sum = this.ids.reduce((sum, id, index) => sum + this.#truth.last(id) - this.#offsets[index]!, 0);
    return sum - this.#lost;
  }

  #gap(id: string, before: number, offset: number): void {
    if (this.#open.has(id)) return;
    this.#lost -= offset - before - 1;
    if (this.#lost < 0) this.#fault(`has a gap of ${id} from ${before} to ${offset}, and was not told`);
  }
}
