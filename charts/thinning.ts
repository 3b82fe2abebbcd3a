// A day with a row a second is 86,400 points for 700 pixels. Each bucket of the x axis keeps its lowest and its highest
// point, in order. So the chart covers the same pixels as with all points, and the one second with a latency of two
// seconds stays on it. (LTTB keeps one point a bucket, the one with the largest triangle. Its curves are smoother, but of
// two peaks in a bucket, or a peak and a dip, one is gone.)

import type { Point } from './chart.js';

/** An unknown stretch longer than this part of the run is a gap; the line crosses a shorter one. */
const GAP_PART_MAX = 1 / 50;

/** Turns columns into stretches of points: without unknown values, with gaps, thinned to `buckets` in all. */
export function drawnStretches(xs: readonly number[], ys: readonly number[], buckets: number): Point[][] {
  const lengthX = (xs.at(-1) ?? 0) - (xs[0] ?? 0);
  return splitAtGaps(xs, ys, lengthX * GAP_PART_MAX).map((stretch) => {
    const spanX = stretch.at(-1)![0] - stretch[0]![0];
    return thin(stretch, Math.max(1, Math.ceil((buckets * spanX) / (lengthX || 1))));
  });
}

/** At most two points a bucket, besides the first and the last. `points` ascend in x. */
export function thin(points: readonly Point[], buckets: number): Point[] {
  if (points.length <= 2 * buckets + 2) return [...points];
  const firstX = points[0]![0];
  const bucketX = (points.at(-1)![0] - firstX) / buckets;
  const bucketOf = ([x]: Point) =>
    bucketX > 0 ? Math.min(buckets - 1, Math.floor((x - firstX) / bucketX)) : 0;
  const kept: Point[] = [points[0]!];
  let low = points[1]!;
  let high = low;
  let bucket = bucketOf(low);
  const keep = () => {
    const [a, b] = low[0] <= high[0] ? [low, high] : [high, low];
    kept.push(a);
    if (a !== b) kept.push(b);
  };
  for (const point of points.slice(2, -1)) {
    const itsBucket = bucketOf(point);
    if (itsBucket !== bucket) {
      keep();
      low = point;
      high = point;
      bucket = itsBucket;
    }
    if (point[1] < low[1]) low = point;
    if (point[1] > high[1]) high = point;
  }
  keep();
  kept.push(points.at(-1)!);
  return kept;
}

function splitAtGaps(xs: readonly number[], ys: readonly number[], gapX: number): Point[][] {
  const stretches: Point[][] = [];
  let stretch: Point[] = [];
  let unknown = false;
  for (let i = 0; i < xs.length; i++) {
    const x = xs[i]!;
    const y = ys[i]!;
    if (Number.isNaN(x) || Number.isNaN(y)) {
      unknown = true;
      continue;
    }
    const lastX = stretch.at(-1)?.[0];
    if (lastX !== undefined && unknown && x - lastX > gapX) {
      stretches.push(stretch);
      stretch = [];
    }
    unknown = false;
    stretch.push([x, y]);
  }
  if (stretch.length > 0) stretches.push(stretch);
  return stretches;
}
