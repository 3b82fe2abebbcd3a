// Chooses the place of a reference line's label: one of a few places along the line, above or below it, where it covers
// no curve and no other label.

import type { Axis, Chart } from './chart.js';
import { type Font, textWidth } from './text-width.js';

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Places along the line. The right end comes first: there all connections are open, and curves are flat. */
const PLACES = [1, 0, 0.5, 0.75, 0.25];
const PADDING_PX = 4;
const SAMPLE_PX = 3;

/** @returns a box for each reference of the chart, in order */
export function placeReferenceLabels(chart: Chart, plot: Box, font: Font): Box[] {
  const placed: Box[] = [];
  for (const { label, value } of chart.references) {
    const width = textWidth(label, font) + 2 * PADDING_PX;
    const height = font.sizePx + 2 * PADDING_PX;
    const lineY = yPixel(chart.left, value, plot);
    // Two lines may be closer than the height of a label: then one label goes to the other side of both.
    const near = chart.references
      .map((other) => yPixel(chart.left, other.value, plot))
      .filter((y) => y !== lineY && Math.abs(y - lineY) < height);
    const tops = [lineY, ...near].flatMap((y) => [y - height, y + 1]);
    const candidates = tops.flatMap((top) =>
      PLACES.map((place) => ({ left: plot.left + place * (plot.width - width), top, width, height })),
    );
    const covered = candidates.map((box) => coverage(box, chart, plot, placed));
    placed.push(candidates[covered.indexOf(Math.min(...covered))]!);
  }
  return placed;
}

export function part(axis: Axis, value: number): number {
  if (!axis.log) return (value - axis.min) / (axis.max - axis.min);
  return Math.log(value / axis.min) / Math.log(axis.max / axis.min);
}

function yPixel(axis: Axis, value: number, plot: Box): number {
  return plot.top + plot.height * (1 - part(axis, value));
}

/** Cost of a label in this box: hidden points of curves, and much more for other labels or its own end. */
function coverage(box: Box, chart: Chart, plot: Box, labels: readonly Box[]): number {
  if (box.top < plot.top || box.top + box.height > plot.top + plot.height) return Number.MAX_VALUE;
  let covered = labels.filter((label) => overlap(box, label)).length * 1e6;
  for (const { value } of chart.references) {
    const y = yPixel(chart.left, value, plot);
    if (y > box.top + 1 && y < box.top + box.height - 1) covered += 1e3;
  }
  for (const { axis, stretches } of chart.lines) {
    const yAxis = axis === 'right' && chart.right ? chart.right : chart.left;
    for (const stretch of stretches) {
      let last: { x: number; y: number } | undefined;
      for (const [xValue, yValue] of stretch) {
        const x = plot.left + plot.width * part(chart.x, xValue);
        const y = yPixel(yAxis, yValue, plot);
        covered += pointsInside(box, last ?? { x, y }, { x, y });
        last = { x, y };
      }
    }
  }
  return covered;
}

function pointsInside(box: Box, a: { x: number; y: number }, b: { x: number; y: number }): number {
  const samples = Math.max(1, Math.ceil(Math.max(Math.abs(b.x - a.x), Math.abs(b.y - a.y)) / SAMPLE_PX));
  let inside = 0;
  for (let i = 1; i <= samples; i++) {
    const x = a.x + ((b.x - a.x) * i) / samples;
    const y = a.y + ((b.y - a.y) * i) / samples;
    if (x >= box.left && x <= box.left + box.width && y >= box.top && y <= box.top + box.height) inside++;
  }
  return inside;
}

function overlap(a: Box, b: Box): boolean {
  return (
    a.left < b.left + b.width &&
    b.left < a.left + a.width &&
    a.top < b.top + b.height &&
    b.top < a.top + a.height
  );
}
