import t from 'tap';
import type { Axis, Chart, Point, Reference } from '../../charts/chart.js';
import { type Box, placeReferenceLabels } from '../../charts/reference-label.js';
import { LABEL } from '../../charts/theme.js';

const PLOT: Box = { left: 100, top: 50, width: 600, height: 300 };

function axis(max: number): Axis {
  return { title: '', min: 0, max, ticks: [0, max], labels: ['0', `${max}`] };
}

/** Levels from 0 to 100, time from 0 to 60; `curve` on the left axis. */
function chartOf(references: readonly Reference[], curve: readonly Point[]): Chart {
  const line = { name: 'curve', stretches: [curve], color: '#000000' };
  return { title: '', subtitle: [], x: axis(60), left: axis(100), lines: [line], references };
}

function pixel([x, y]: Point) {
  return { x: PLOT.left + (PLOT.width * x) / 60, y: PLOT.top + PLOT.height * (1 - y / 100) };
}

function covers(box: Box, point: Point): boolean {
  const { x, y } = pixel(point);
  return x >= box.left && x <= box.left + box.width && y >= box.top && y <= box.top + box.height;
}

function flat(y: number): Point[] {
  return Array.from({ length: 601 }, (_, i): Point => [i / 10, y]);
}

t.test('a label stands above its line at the right end', async (t) => {
  const [box] = placeReferenceLabels(chartOf([{ label: 'original', value: 50 }], flat(10)), PLOT, LABEL);
  t.equal(box!.left + box!.width, PLOT.left + PLOT.width);
  t.ok(box!.top + box!.height <= pixel([0, 50]).y);
});

t.test('it gives way to a curve above the line, and to the top of the plot', async (t) => {
  const curve = flat(53);
  const [below] = placeReferenceLabels(chartOf([{ label: 'original', value: 50 }], curve), PLOT, LABEL);
  t.notOk(curve.some((point) => covers(below!, point)));
  const [inside] = placeReferenceLabels(chartOf([{ label: 'original', value: 99 }], flat(10)), PLOT, LABEL);
  t.ok(inside!.top >= PLOT.top);
});

t.test('it gives way to a curve that is high at the right end only', async (t) => {
  const curve = flat(10).map(([x, y]): Point => [x, x > 40 ? 40 + x / 3 : y]);
  const [box] = placeReferenceLabels(chartOf([{ label: 'original', value: 55 }], curve), PLOT, LABEL);
  t.notOk(curve.some((point) => covers(box!, point)));
});

t.test('labels of lines that lie close do not overlap, nor stand on the other line', async (t) => {
  const references = [
    { label: '2008, hibernating: 50 MB', value: 50 },
    { label: 'the budget: 51 MB', value: 51 },
    { label: 'another: 52 MB', value: 52 },
  ];
  const boxes = placeReferenceLabels(chartOf(references, flat(47)), PLOT, LABEL);
  for (const [i, box] of boxes.entries()) {
    for (const other of boxes.slice(i + 1)) {
      const apart =
        box.left + box.width <= other.left ||
        other.left + other.width <= box.left ||
        box.top + box.height <= other.top ||
        other.top + other.height <= box.top;
      t.ok(apart);
    }
    for (const { value } of references) {
      const { y } = pixel([0, value]);
      t.notOk(box.top + 1 < y && y < box.top + box.height - 1, `label ${i} and the line at ${value}`);
    }
  }
});
