// The growth of a cumulative counter: second by second, over a moving window, or over the whole run.

/**
 * Growth a second over the `windowSec` before each row (at the beginning: since the first row). A row in which
 * the counter is unknown has no rate. A counter that falls was reset by a restart: the window begins anew.
 */
export function rates(
  elapsedSec: readonly number[],
  counter: readonly number[],
  windowSec: number,
): number[] {
  const known: number[] = [];
  let oldest = 0;
  return counter.map((value, row) => {
    if (Number.isNaN(value)) return Number.NaN;
    const last = known.at(-1);
    if (last !== undefined && value < counter[last]!) oldest = known.length;
    known.push(row);
    // The newest row that is at least a window old, with a tolerance for rows that were written some ms early.
    while (
      oldest + 1 < known.length - 1 &&
      elapsedSec[row]! - elapsedSec[known[oldest + 1]!]! >= windowSec * 0.95
    ) {
      oldest++;
    }
    const since = known[oldest]!;
    if (since === row) return Number.NaN;
    return (value - counter[since]!) / (elapsedSec[row]! - elapsedSec[since]!);
  });
}

/** The growth of a counter from its last row before it grew to the first row in which it had stopped. */
export function meanRate(elapsedSec: readonly number[], counter: readonly number[]): number | undefined {
  const rows = counter.flatMap((value, row) => (Number.isNaN(value) ? [] : [row]));
  if (rows.length === 0) return undefined;
  const first = rows[0]!;
  const total = counter[rows.at(-1)!]!;
  // A counter is 0 at the beginning of the recording, which may be a second before the first row.
  const beginsBefore = counter[first]! > 0 && elapsedSec[first]! > 0;
  const startValue = beginsBefore ? 0 : counter[first]!;
  if (total <= startValue) return 0;
  const start = beginsBefore ? 0 : elapsedSec[rows.findLast((row) => counter[row] === startValue)!]!;
  const end = elapsedSec[rows.find((row) => counter[row] === total)!]!;
  return (total - startValue) / (end - start);
}
