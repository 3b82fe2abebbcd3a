/**
 * The missing seqs of each pair of publisher and connection: ranges in ascending order. A pair whose messages all
 * arrive in order has no entry.
 */

/** Of one pair, and of all: 16 bytes each. Where there are more, the oldest of the pair are forgotten. */
export const PAIR_RANGES_MAX = 10_000;
const RANGES_MAX = 2_000_000;

/** State of a seq: not received, received, or unknown. */
export type Standing = 'missing' | 'received' | 'forgotten';

interface Ranges {
  /** first, last, first, last … */
  bounds: number[];
  /** Up to this seq the state is unknown. */
  forgottenUpTo: number;
}

export class Gaps {
  readonly #pairs = new Map<number, Map<number, Ranges>>();
  #total = 0;

  /** Adds a range behind all others. */
  add(publisher: number, connection: number, first: number, last: number): void {
    const ranges = this.#of(publisher, connection);
    const { bounds } = ranges;
    bounds.push(first, last);
    this.#total++;
    if (bounds.length <= 2 * PAIR_RANGES_MAX && this.#total <= RANGES_MAX) return;
    const forgotten = Math.ceil(bounds.length / 4); // half of the ranges at once: a shift for each would move the whole array
    ranges.forgottenUpTo = bounds[2 * forgotten - 1]!;
    bounds.splice(0, 2 * forgotten);
    this.#total -= forgotten;
  }

  /** Adds a range before all others; nothing if `last` is below `first`. */
  addFirst(publisher: number, connection: number, first: number, last: number): void {
    if (last < first) return;
    this.#of(publisher, connection).bounds.unshift(first, last);
    this.#total++;
  }

  /** The seq has arrived. @returns its state before */
  fill(publisher: number, connection: number, seq: number): Standing {
    const ranges = this.#pairs.get(publisher)?.get(connection);
    if (ranges === undefined) return 'received';
    const { bounds } = ranges;
    const at = rangeAt(bounds, seq);
    if (at < 0) return seq <= ranges.forgottenUpTo ? 'forgotten' : 'received';
    const first = bounds[at]!;
    const last = bounds[at + 1]!;
    if (first === last) {
      bounds.splice(at, 2);
      this.#total--;
      if (bounds.length === 0 && ranges.forgottenUpTo === 0) this.forget(publisher, connection);
    } else if (seq === first) {
      bounds[at] = seq + 1;
    } else if (seq === last) {
      bounds[at + 1] = seq - 1;
    } else {
      bounds.splice(at + 1, 0, seq - 1, seq + 1);
      this.#total++;
    }
    return 'missing';
  }

  forget(publisher: number, connection: number): void {
    const pairs = this.#pairs.get(publisher);
    const ranges = pairs?.get(connection);
    if (ranges === undefined) return;
    this.#total -= ranges.bounds.length / 2;
    pairs!.delete(connection);
  }

  #of(publisher: number, connection: number): Ranges {
    let pairs = this.#pairs.get(publisher);
    if (pairs === undefined) {
      pairs = new Map();
      this.#pairs.set(publisher, pairs);
    }
    let ranges = pairs.get(connection);
    if (ranges === undefined) {
      ranges = { bounds: [], forgottenUpTo: 0 };
      pairs.set(connection, ranges);
    }
    return ranges;
  }
}

/** Index in `bounds` of the range with the seq; -1 if there is none. */
function rangeAt(bounds: readonly number[], seq: number): number {
  let low = 0;
  let high = bounds.length / 2 - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (bounds[2 * middle]! > seq) high = middle - 1;
    else if (bounds[2 * middle + 1]! < seq) low = middle + 1;
    else return 2 * middle;
  }
  return -1;
}
