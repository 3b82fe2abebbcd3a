// The server's memory over time, with the open connections on a second axis, and reference levels (such as the 2008
// original's).

import type { Chart, ChartOptions, Line } from './chart.js';
import { heading, legendNames, lineName } from './heading.js';
import type { Run } from './run.js';
import { extentOf, stepsOf, timeAxis, valueAxis } from './scale.js';
import { colorOf } from './theme.js';
import { drawnStretches } from './thinning.js';

/** Two flat lines that are closer than this part of the plot's height look like one. */
const APART_PART_MIN = 0.08;

export function memoryChart(runs: readonly Run[], options: ChartOptions): Chart | undefined {
  const rss = extentOf(...runs.map((run) => run.column('serverRssBytes')));
  const connections = extentOf(...runs.map((run) => run.column('connected')));
  const time = timeAxis(extentOf(...runs.map((run) => run.elapsedSec))!, options.widthPx);
  const names = legendNames(runs);
  const line = (index: number, column: 'serverRssBytes' | 'connected', what: string): Line => ({
    name: lineName(names[index]!, what, runs.length),
    stretches: drawnStretches(runs[index]!.elapsedSec, runs[index]!.column(column), options.widthPx),
    color: colorOf(index),
    thicknessPx: 2,
  });

  if (!connections && !rss) return undefined;
  if (!rss) {
    return {
      ...heading('Connections', runs, options.title),
      x: time,
      left: valueAxis('Connections', connections!, { whole: true }),
      lines: runs.map((_, i) => line(i, 'connected', 'connections')),
      references: [],
    };
  }
  const referencesMax = Math.max(0, ...options.references.map(({ value }) => value));
  const left = valueAxis('Server RSS', { min: 0, max: Math.max(rss.max, referencesMax) }, { bytes: true });
  const memoryLines = runs.map((_, i) => line(i, 'serverRssBytes', 'server RSS'));
  if (!connections) {
    return {
      ...heading('Server memory', runs, options.title),
      x: time,
      left,
      lines: memoryLines,
      references: options.references,
    };
  }
  const connectionLines = runs.map(
    (_, i): Line => ({
      ...line(i, 'connected', 'connections (right)'),
      axis: 'right',
      dash: 'dashed',
      thicknessPx: 1.5,
      // One run: a colour for each line. Several runs: a colour for each run.
      ...(runs.length === 1 ? { color: colorOf(1) } : {}),
    }),
  );
  return {
    ...heading('Server memory and connections', runs, options.title),
    x: time,
    left,
    right: connectionsAxis(connections.max, stepsOf(left), rss.max / left.max),
    lines: [...memoryLines, ...connectionLines],
    references: options.references,
  };
}

/** A maximum that keeps the flat line of the connections apart from the flat line of the memory. */
function connectionsAxis(max: number, steps: number, memoryPart: number) {
  const heights = [1, 1.2, 1.5, 1.8];
  const axes = heights.map((height) =>
    valueAxis('Connections', { min: 0, max: max * height }, { whole: true, steps }),
  );
  return axes.find((axis) => Math.abs(max / axis.max - memoryPart) >= APART_PART_MIN) ?? axes[0]!;
}
