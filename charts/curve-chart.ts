// Draws columns of a CSV against one another, such as the figures of a benchmark at 1,000, 2,000, ... connections.
// Units come from the ends of the column names (rssBytes, latencyMs), unless the user names them.

import type { Chart, ChartOptions, Line } from './chart.js';
import { heading, legendNames, lineName } from './heading.js';
import { ChartInputError } from './input-error.js';
import type { RecordedCsv } from './recording.js';
import { curveAxis, type Extent, extentOf, timeAxis, valueAxis } from './scale.js';
import { colorOf } from './theme.js';
import { drawnStretches } from './thinning.js';

/** Up to so many points, each gets a mark: the line between few measurements is a guess. */
const MARKED_POINTS_MAX = 60;

const UNIT_ENDINGS: readonly (readonly [ending: string, unit: string])[] = [
  ['Bytes', 'B'],
  ['Sec', 's'],
  ['Ms', 'ms'],
  ['Us', 'µs'],
  ['Percent', '%'],
];

export interface CurveOptions extends ChartOptions {
  readonly x: string;
  readonly y: readonly string[];
  readonly xUnit?: string | undefined;
  readonly yUnit?: string | undefined;
}

interface Quantity {
  readonly name: string;
  readonly unit: string;
}

export function curveChart(sources: readonly RecordedCsv[], options: CurveOptions): Chart {
  const points = sources.map(({ csv }) =>
    ascending(
      csv.numbers(options.x),
      options.y.map((name) => csv.numbers(name)),
    ),
  );
  const xExtent = extentOf(...points.map(({ x }) => x));
  const yExtent = extentOf(
    ...points.flatMap(({ ys }) => ys),
    options.references.map(({ value }) => value),
  );
  if (!xExtent || !points.some(({ ys }) => extentOf(...ys)) || !yExtent) {
    const files = sources.map(({ csv }) => csv.fileName).join(' and ');
    throw new ChartInputError(
      `${files}: no row has both ${options.x} and ${options.y.join(' or ')}, so nothing can be drawn.`,
    );
  }
  const x = quantity(options.x, options.xUnit);
  const ys = options.y.map((name) => quantity(name, options.yUnit));
  // The axis cannot name a unit for columns of different units.
  const sameUnit = ys.every(({ unit }) => unit === ys[0]!.unit);
  const y: Quantity = sameUnit
    ? { name: ys.map(({ name }) => name).join(', '), unit: ys[0]!.unit }
    : { name: options.y.join(', '), unit: '' };
  const lineNames = sameUnit ? ys.map(({ name }) => name) : options.y;

  const names = legendNames(sources);
  const lines = points.flatMap(({ x: xs, ys: columns }, i) =>
    columns.map(
      (column, k): Line => ({
        name:
          columns.length === 1 && sources.length > 1
            ? names[i]!
            : lineName(names[i]!, lineNames[k]!, sources.length),
        stretches: drawnStretches(xs, column, options.widthPx),
        color: colorOf(i * columns.length + k),
        thicknessPx: 2,
        marks: xs.length <= MARKED_POINTS_MAX,
      }),
    ),
  );
  return {
    ...heading(`${y.name} by ${x.name}`, sources, options.title),
    x: xAxis(x, xExtent, options.widthPx),
    left: valueAxis(y.name, yExtent, { bytes: y.unit === 'B', unitName: y.unit }),
    lines,
    references: options.references,
  };
}

/** The unit of a column: the one that the user named, or the end of the column's name. */
export function quantity(column: string, givenUnit: string | undefined): Quantity {
  const [ending, unit] = UNIT_ENDINGS.find(([each]) => column.endsWith(each) && column !== each) ?? ['', ''];
  if (givenUnit !== undefined && givenUnit !== unit) return { name: column, unit: givenUnit };
  return { name: column.slice(0, column.length - ending.length), unit };
}

function xAxis({ name, unit }: Quantity, extent: Extent, widthPx: number) {
  if (unit !== 's') return curveAxis(name, extent, { bytes: unit === 'B', unitName: unit, widthPx });
  const axis = timeAxis(extent, widthPx);
  return { ...axis, title: axis.title.replace('Time', name) };
}

/** Rows in order of x, without those that have no x: a line that runs back and forth looks like two. */
function ascending(x: readonly number[], ys: readonly (readonly number[])[]) {
  const rows = x.flatMap((value, row) => (Number.isNaN(value) ? [] : [row])).sort((a, b) => x[a]! - x[b]!);
  return { x: rows.map((row) => x[row]!), ys: ys.map((y) => rows.map((row) => y[row]!)) };
}
