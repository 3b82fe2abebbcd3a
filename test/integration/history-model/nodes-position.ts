import type { NodesTruth } from './nodes-truth.js';
import type { ReaderPosition } from './reader.js';

/** Where a reader stands in one id. */
interface Place {
  readonly id: string;
  /** Of the last message that it has and that is certain. */
  offset: number;
  /** It was told that something may be gone, and nothing of this id has come since: up to here it may be. */
  mayLackUpTo: number;
  /** Messages that it has, and that are not certain. */
  readonly uncertain: Set<number>;
  /** Messages and losses that are not certain yet, because their sender has no answer yet. */
  readonly unjudged: (Given | Told)[];
}

interface Given {
  readonly offset: number;
  readonly name: string;
}

/** Something may be gone, up to there. */
interface Told {
  readonly goneUpTo: number;
}

/**
 * Where one reader stands among several nodes. Its cursors are what the nodes gave, and mean nothing here: whether they
 * are right is seen by what comes behind them.
 */
export class NodesPosition implements ReaderPosition {
  readonly ids: readonly string[];
  cursor: string | undefined;
  /** Messages that it was told are gone. */
  skipped = 0;
  readonly #places: readonly Place[];
  readonly #truth: NodesTruth;
  readonly #fault: (what: string) => void;
  #askedMs = 0;
  #askedCursor: string | undefined;
  #recovered = true;

  constructor(ids: readonly string[], cursor: string, truth: NodesTruth, fault: (what: string) => void) {
    this.ids = ids;
    this.cursor = cursor;
    this.#truth = truth;
    this.#fault = fault;
    this.#places = ids.map((id) => ({ id, offset: 0, mayLackUpTo: 0, uncertain: new Set(), unjudged: [] }));
  }

  start(recovered: boolean, _truth: unknown, askedMs: number): void {
    this.nothing(recovered, askedMs);
  }

  nothing(recovered: boolean, askedMs: number): void {
    this.#askedMs = askedMs;
    this.#askedCursor = this.cursor;
    this.#recovered = recovered;
    if (!recovered) this.#unrecovered();
  }

  lost(count: number): void {
    this.#fault(`is told that ${count} are lost, by a server that drops nothing`);
  }

  message(id: string, text: string, cursor?: string): void {
    const place = this.#places.find((place) => place.id === id);
    const name = text.slice(0, 12);
    if (place === undefined) return this.#fault(`is given ${name} of ${id}, which it has not asked for`);
    const offset = this.#truth.offsetOf(id, text);
    if (offset === undefined) return this.#fault(`is given ${name} of ${id}, which nobody has sent there`);
    if (cursor) this.cursor = cursor;
    place.unjudged.push({ offset, name });
    this.#judge(place);
  }

  checkpoint(cursor: string): void {
    this.cursor = cursor;
  }

  /** Certain messages that are still to come. */
  missing(): number {
    for (const place of this.#places) this.#judge(place);
    return this.#places.reduce((sum, { id, offset, mayLackUpTo }) => {
      const from = Math.max(offset, Math.min(mayLackUpTo, this.#truth.last(id)));
      return sum + this.#truth.certainBetween(id, from, this.#truth.last(id));
    }, 0);
  }

  /** The first missing message. */
  get lacks(): string {
    const last = (id: string) => this.#truth.last(id);
    const place = this.#places.find(({ id, offset, mayLackUpTo }) => {
      return this.#truth.certainBetween(id, Math.max(offset, mayLackUpTo), last(id)) > 0;
    });
    return place === undefined
      ? 'nothing'
      : this.#truth.describe(place.id, Math.max(place.offset, place.mayLackUpTo));
  }

  get #asked(): string {
    const agoMs = Math.round(performance.now() - this.#askedMs);
    return `at ${Date.now()} it asked ${agoMs} ms ago, with cursor ${this.#askedCursor} (${this.#recovered}), and has ${this.cursor}`;
  }

  #judge(place: Place): void {
    for (;;) {
      const next = place.unjudged[0];
      if (next === undefined) return;
      if ('goneUpTo' in next) place.mayLackUpTo = Math.max(place.mayLackUpTo, next.goneUpTo);
      else if (this.#truth.isAnswered(place.id, next.offset)) this.#given(place, next);
      else return;
      place.unjudged.shift();
    }
  }

  #given(place: Place, { offset, name }: Given): void {
    if (place.uncertain.has(offset)) return this.#fault(`is given ${name} of ${place.id} twice`);
    if (offset <= place.offset || this.#truth.isUncertain(place.id, offset))
      return this.#outOfLine(place, offset, name);
    this.#pass(place, offset);
    place.offset = offset;
    place.mayLackUpTo = 0;
  }

  #outOfLine(place: Place, offset: number, name: string): void {
    if (!this.#truth.isUncertain(place.id, offset))
      this.#fault(
        `is given ${name} (${offset}) of ${place.id} again or late, behind ${place.offset}; ${this.#asked}`,
      );
    place.uncertain.add(offset);
  }

  #unrecovered(): void {
    const vain = this.#truth.mayHaveWaitedInVain(this.#askedMs);
    const overflowed = this.#truth.mayHaveOverflowed(this.ids, this.#askedMs);
    if (!vain && !overflowed && !this.#places.some(({ id, offset }) => this.#truth.mayLack(id, offset)))
      this.#fault(
        `is told recovered: false at ${this.#places.map(({ offset }) => offset)}; ${this.#asked}, ${this.#truth.describeLast(this.ids)}`,
      );
    for (const place of this.#places) {
      const gone = vain ? this.#truth.last(place.id) : this.#truth.goneUpTo(place.id);
      place.unjudged.push({ goneUpTo: gone });
      this.#judge(place);
    }
  }

  #pass(place: Place, offset: number): void {
    const { id } = place;
    // More messages may go while the history is read.
    const told = place.mayLackUpTo === 0 ? 0 : Math.max(place.mayLackUpTo, this.#truth.goneUpTo(id));
    const from = Math.max(place.offset, Math.min(told, offset - 1));
    this.skipped += this.#truth.certainBetween(id, place.offset, from);
    if (this.#truth.certainBetween(id, from, offset - 1) > 0)
      this.#fault(
        `has a gap of ${id} from ${place.offset} to ${offset}, and was not told; ${this.#asked}; missing is ${this.#truth.describe(id, from)}`,
      );
  }
}
