// Latency from the deadline of a message to its arrival, second by second: median, 99th percentile and maximum. The axis
// is logarithmic when they are so far apart that the median would lie on the zero line.

import type { Chart, ChartOptions, Line } from './chart.js';
import { heading, legendNames, lineName } from './heading.js';
import type { Run } from './run.js';
import { extentOf, logAxis, timeAxis, valueAxis } from './scale.js';
import { colorOf } from './theme.js';
import { drawnStretches } from './thinning.js';
import { chooseWindowSec, describeWindow, movingMost } from './window.js';

const LOG_FROM_RATIO = 100;

interface Percentile {
  readonly name: string;
  readonly column: 'latencyP50Ms' | 'latencyP99Ms' | 'latencyMaxMs' | 'everythingLatencyMaxMs';
  readonly color: number;
  readonly thicknessPx: number;
}

const PERCENTILES: readonly Percentile[] = [
  { name: 'p50', column: 'latencyP50Ms', color: 0, thicknessPx: 2 },
  { name: 'p99', column: 'latencyP99Ms', color: 2, thicknessPx: 1.5 },
  { name: 'max', column: 'latencyMaxMs', color: 1, thicknessPx: 1 },
  { name: 'max, subscriber to everything', column: 'everythingLatencyMaxMs', color: 3, thicknessPx: 1 },
];

export function latencyChart(runs: readonly Run[], options: ChartOptions): Chart | undefined {
  // Several runs: lines of single seconds would cover one another. So the chart has p50 and p99 of the worst second in a
  // moving window, as a mean of percentiles has no meaning. The chart of a single run has everything.
  const several = runs.length > 1;
  const shown = PERCENTILES.filter(({ name, column }) =>
    several ? !name.startsWith('max') : column !== 'everythingLatencyMaxMs' || runs[0]!.has(column),
  );
  const windowSec = several ? chooseWindowSec(Math.max(...runs.map((run) => run.lengthSec))) : 1;
  const columns = runs.map((run) =>
    shown.map(({ column }) =>
      windowSec > 1 ? movingMost(run.elapsedSec, run.column(column), windowSec) : run.column(column),
    ),
  );
  const extent = extentOf(...columns.flat());
  if (!extent) return undefined;
  const positive = extentOf(...columns.flat().map((column) => column.filter((value) => value > 0)));
  const left =
    positive && positive.max > LOG_FROM_RATIO * positive.min
      ? logAxis('Latency', positive, 'ms')
      : valueAxis('Latency', { min: 0, max: extent.max }, { unitName: 'ms' });
  // A logarithmic axis has no zero: a latency of 0 lies on its lowest value.
  const onAxis = (column: readonly number[]) =>
    left.log ? column.map((value) => Math.max(value, left.min)) : column;

  const names = legendNames(runs);
  const meanOf = windowSec > 1 ? `, worst second of ${describeWindow(windowSec)}` : '';
  const lines = shown.flatMap(({ name, color, thicknessPx }, k) =>
    runs.map(
      (run, i): Line => ({
        name: lineName(names[i]!, `latency ${name}${meanOf}`, runs.length),
        stretches: drawnStretches(run.elapsedSec, onAxis(columns[i]![k]!), options.widthPx),
        color: colorOf(several ? i : color),
        thicknessPx,
        ...(several && name === 'p50' ? { dash: 'dotted' as const } : {}),
      }),
    ),
  );
  return {
    ...heading('Latency', runs, options.title),
    x: timeAxis(extentOf(...runs.map((run) => run.elapsedSec))!, options.widthPx),
    left,
    lines,
    references: [],
  };
}
