import t from 'tap';
import type { Point } from '../../charts/chart.js';
import { drawnStretches, thin } from '../../charts/thinning.js';

function wave(length: number): number[] {
  return Array.from({ length }, (_, i) => Math.sin(i / 50));
}

t.test('few points are all kept', async (t) => {
  const points = wave(100).map((y, x): Point => [x, y]);
  t.same(thin(points, 100), points);
});

t.test('of a day at a row a second every peak and every dip stays', async (t) => {
  const ys = wave(86_400);
  const peaks = [1, 777, 778, 40_000, 40_001, 86_398];
  peaks.forEach((x, i) => {
    ys[x] = i % 2 === 0 ? 100 + i : -100 - i;
  });
  const points = ys.map((y, x): Point => [x, y]);
  const thinned = thin(points, 700);
  t.ok(thinned.length <= 2 * 700 + 2, `${thinned.length} points for 700 buckets`);
  for (const x of peaks) {
    t.ok(
      thinned.some(([keptX, keptY]) => keptX === x && keptY === ys[x]),
      `the one at ${x} s`,
    );
  }
  t.same(thinned[0], points[0]);
  t.same(thinned.at(-1), points.at(-1));
  t.ok(
    thinned.every(([x], i) => i === 0 || x > thinned[i - 1]![0]),
    'in their order',
  );
});

t.test('each bucket keeps its lowest and its highest', async (t) => {
  const ys = Array.from({ length: 10_000 }, (_, i) => (i * 7_919) % 1_009);
  const points = ys.map((y, x): Point => [x, y]);
  const kept = new Set(thin(points, 50).map(([x]) => x));
  const inside = points.slice(1, -1);
  for (let bucket = 0; bucket < 50; bucket++) {
    const its = inside.filter(([x]) => Math.floor((x / 9_999) * 50) === bucket);
    const low = its.reduce((a, b) => (b[1] < a[1] ? b : a));
    const high = its.reduce((a, b) => (b[1] > a[1] ? b : a));
    if (!kept.has(low[0]) || !kept.has(high[0])) t.fail(`bucket ${bucket} lost its lowest or highest`);
  }
  t.ok(kept.size <= 102);
});

t.test('points on one spot of the x axis do not hang it', async (t) => {
  const thinned = thin(
    Array.from({ length: 100 }, (_, i): Point => [5, i]),
    10,
  );
  t.ok(thinned.some(([, y]) => y === 99));
});

t.test('a second without a value is drawn across, a long time without one is left open', async (t) => {
  const xs = Array.from({ length: 1_000 }, (_, i) => i);
  const ys = xs.map((x) => (x === 10 || (x > 500 && x < 600) ? Number.NaN : x));
  const stretches = drawnStretches(xs, ys, 10_000);
  t.equal(stretches.length, 2);
  t.same(stretches[0]!.at(-1), [500, 500]);
  t.same(stretches[1]![0], [600, 600]);
  t.same(
    drawnStretches(
      xs,
      xs.map(() => Number.NaN),
      100,
    ),
    [],
    'nothing known, nothing drawn',
  );
});
