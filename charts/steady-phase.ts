// The steady phase of a run (its hold): from the row in which all connections are open to the last row in which nearly
// all still are. The purpose of a run is the memory at both ends of this phase, and the slope between them.

import type { Run } from './run.js';
import { extentOf } from './scale.js';

/** The phase goes on while this part of the connections is open. */
const STILL_OPEN_PART = 0.99;

export interface SteadyPhase {
  /** Rows, both included. */
  readonly from: number;
  readonly to: number;
  readonly lengthSec: number;
  readonly connections: number;
}

export function findSteadyPhase(run: Run): SteadyPhase | undefined {
  const connected = run.column('connected');
  const connections = extentOf(connected)?.max ?? 0;
  if (connections === 0) return undefined;
  const from = connected.indexOf(connections);
  const to = connected.findLastIndex((value) => value >= connections * STILL_OPEN_PART);
  return { from, to, lengthSec: run.elapsedSec[to]! - run.elapsedSec[from]!, connections };
}

/** Least squares over the rows with a known y; undefined with fewer than two of them. */
export function leastSquaresSlope(
  xs: readonly number[],
  ys: readonly number[],
  from: number,
  to: number,
): number | undefined {
  let rows = 0;
  let sumX = 0;
  let sumY = 0;
  for (let i = from; i <= to; i++) {
    if (Number.isNaN(ys[i]!)) continue;
    rows++;
    sumX += xs[i]!;
    sumY += ys[i]!;
  }
  if (rows < 2) return undefined;
  // Relative to the means: otherwise sums of bytes times seconds of a day would lose digits.
  const meanX = sumX / rows;
  const meanY = sumY / rows;
  let squares = 0;
  let products = 0;
  for (let i = from; i <= to; i++) {
    if (Number.isNaN(ys[i]!)) continue;
    squares += (xs[i]! - meanX) ** 2;
    products += (xs[i]! - meanX) * (ys[i]! - meanY);
  }
  return products / squares;
}
