// Axes: minimum, maximum, and ticks with labels for a span of data. Data stay in base units (seconds, bytes,
// milliseconds). Only the labels use larger units.

import type { Axis } from './chart.js';
import { byteUnit, formatCount, timeUnit, type Unit } from './units.js';

const MANTISSAS = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];
const TIME_STEPS: Readonly<Record<string, readonly number[]>> = {
  s: [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60],
  min: [0.5, 1, 2, 5, 10, 15, 20, 30],
  h: [0.5, 1, 2, 3, 4, 6, 12],
  days: [0.5, 1, 2, 5, 7, 14, 30, 60, 90, 180, 365],
};
const PLAIN: Unit = { name: '', size: 1 };

/** Left and right axes with the same number of steps share their grid lines. */
export const Y_STEPS = [4, 5, 6] as const;

/** A recording whose first row is not later than this is drawn from 0. */
const LATE_FROM_SEC = 5;

export interface Extent {
  readonly min: number;
  readonly max: number;
}

export function extentOf(...columns: readonly (readonly number[])[]): Extent | undefined {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const column of columns) {
    for (const value of column) {
      if (value < min) min = value;
      if (value > max) max = value;
    }
  }
  return min > max ? undefined : { min, max };
}

/** Time from 0, or from the first row of a recording that begins late, to its last row. */
export function timeAxis({ min, max }: Extent, widthPx: number): Axis {
  const ticksMax = Math.max(2, Math.min(10, widthPx / 70));
  const from = min <= Math.max(LATE_FROM_SEC, 0.1 * max) ? Math.min(0, min) : min;
  const unit = timeUnit(max - from);
  const steps = TIME_STEPS[unit.name]!;
  const step = steps.find((each) => (max - from) / (each * unit.size) <= ticksMax) ?? steps.at(-1)!;
  return linearAxis('Time', from, max > from ? max : from + 1, step * unit.size, unit);
}

/** Begins at 0, unless the data go below; ends on a tick. `steps` fixes the number of grid lines. */
export function valueAxis(
  title: string,
  { min, max }: Extent,
  options: { bytes?: boolean; whole?: boolean; unitName?: string; steps?: number } = {},
): Axis {
  const unit = options.bytes ? byteUnit(Math.max(max, -min)) : { ...PLAIN, name: options.unitName ?? '' };
  const leastStep = options.whole ? 1 : 0;
  if (min < 0) {
    const step = Math.max(leastStep, niceStep((Math.max(0, max) - min) / 5 / unit.size)) * unit.size;
    return linearAxis(
      title,
      Math.floor(min / step) * step,
      Math.ceil(Math.max(0, max) / step) * step,
      step,
      unit,
    );
  }
  // Room above the highest value, so that a flat line there does not lie on the frame.
  const wanted = max > 0 ? (max / unit.size) * 1.03 : 1;
  const fits = (options.steps ? [options.steps] : Y_STEPS).map((steps) => {
    const step = Math.max(leastStep, niceStep(wanted / steps));
    return { step, top: step * steps };
  });
  const best = fits.reduce((a, b) => (b.top < a.top ? b : a));
  return linearAxis(title, 0, best.top * unit.size, best.step * unit.size, unit);
}

/** The x axis of a plain curve: from 0 if the data begin near it, to the last point. */
export function curveAxis(
  title: string,
  { min, max }: Extent,
  options: { bytes?: boolean; unitName?: string; widthPx: number },
): Axis {
  const unit = options.bytes ? byteUnit(Math.max(max, -min)) : { ...PLAIN, name: options.unitName ?? '' };
  const from = min >= 0 && min <= 0.3 * max ? 0 : min;
  const to = max > from ? max : from + unit.size;
  const ticksMax = Math.max(2, Math.min(8, options.widthPx / 100));
  return linearAxis(title, from, to, niceStep((to - from) / ticksMax / unit.size) * unit.size, unit);
}

/** Whole decades around the data. The axis has no zero: see `floorOf`. */
export function logAxis(title: string, { min, max }: Extent, unitName: string): Axis {
  const from = Math.floor(Math.log10(min) + 1e-9);
  const to = Math.max(from + 1, Math.ceil(Math.log10(max) - 1e-9));
  const ticks: number[] = [];
  for (let decade = from; decade <= to; decade++) ticks.push(Number(`1e${decade}`));
  return {
    title: `${title} (${unitName})`,
    min: ticks[0]!,
    max: ticks.at(-1)!,
    ticks,
    labels: ticks.map((tick) => formatCount(tick, Math.max(0, -Math.floor(Math.log10(tick) + 1e-9)))),
    log: true,
  };
}

export function stepsOf(axis: Axis): number {
  return axis.ticks.length - 1;
}

function linearAxis(title: string, min: number, max: number, step: number, unit: Unit): Axis {
  const ticks: number[] = [];
  const first = Math.ceil(min / step - 1e-9);
  for (let i = first; i * step <= max + step * 1e-9; i++) ticks.push(Number((i * step).toPrecision(12)));
  const decimals = decimalsOf(step / unit.size);
  return {
    title: unit.name === '' ? title : `${title} (${unit.name})`,
    min,
    max,
    ticks,
    labels: ticks.map((tick) => formatCount(tick / unit.size, decimals)),
  };
}

function niceStep(atLeast: number): number {
  const decade = 10 ** Math.floor(Math.log10(atLeast));
  const mantissa = MANTISSAS.find((each) => each * decade >= atLeast * (1 - 1e-9)) ?? 10;
  return Number((mantissa * decade).toPrecision(12));
}

function decimalsOf(step: number): number {
  for (let decimals = 0; decimals < 9; decimals++) {
    const scaled = step * 10 ** decimals;
    if (Math.abs(scaled - Math.round(scaled)) < 1e-6) return decimals;
  }
  return 9;
}
