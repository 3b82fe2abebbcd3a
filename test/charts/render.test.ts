import { Resvg } from '@resvg/resvg-js';
import t from 'tap';
import type { Chart } from '../../charts/chart.js';
import { Csv } from '../../charts/csv.js';
import { curveChart } from '../../charts/curve-chart.js';
import { runDrawings } from '../../charts/draw.js';
import { renderPng, renderSvg } from '../../charts/render.js';
import { Run } from '../../charts/run.js';
import { FONT_FILES, textWidth } from '../../charts/text-width.js';
import { type SampleOptions, sampleMetadata, sampleRunCsv } from './sample-run.js';
import { textBoxes } from './svg-text.js';

const SIZE = { widthPx: 800, heightPx: 460 };
const ORIGINAL = [
  { label: '2008 original: 250 MB', value: 250e6 },
  { label: '2008 original, hibernating: 78 MB', value: 78e6 },
];

function sampleRun(title: string, options: SampleOptions): Run {
  const csv = new Csv(sampleRunCsv(options), 'run.csv');
  return new Run({ csv, name: 'run', title, metadata: JSON.parse(sampleMetadata()), notes: [] });
}

function charts(runs: readonly Run[], widthPx = 800): Record<string, Chart> {
  const { drawings } = runDrawings('run', runs, { widthPx, references: ORIGINAL });
  return Object.fromEntries(drawings.map(({ name, chart }) => [name, chart]));
}

const hour = sampleRun('an hour of <markup> & more', {
  lengthSec: 3_600,
  connections: 10_000,
  peaksAtSec: [1_800],
});

t.test('each chart names what it shows, in which units, where and how it was measured', async (t) => {
  const drawn = charts([hour]);
  const expected: Record<string, string[]> = {
    'run-memory': [
      'Server memory and connections',
      'Server RSS (MB)',
      'Connections',
      'server RSS',
      'connections (right)',
      ...ORIGINAL.map(({ label }) => label),
    ],
    'run-messages': ['Messages per second', 'messages/s, mean over 15 s', 'messages/s, each second'],
    'run-latency': ['Latency', 'Latency (ms)', 'latency p50', 'latency p99', 'latency max', '1,000'],
    'run-cpu': ['Server CPU', 'CPU (% of one core)', 'CPU of the server, mean over 15 s'],
  };
  t.same(Object.keys(drawn), Object.keys(expected));
  for (const [name, texts] of Object.entries(expected)) {
    const inPicture = textBoxes(renderSvg(drawn[name]!, SIZE)).map(({ text }) => text);
    for (const text of texts.slice(1)) t.ok(inPicture.includes(text), `${name}: ${text}`);
    t.ok(inPicture.includes(`${texts[0]}: an hour of <markup> & more`), `${name}: its title`);
    t.ok(inPicture.includes('Time (min)'), `${name}: its time axis`);
    t.ok(
      inPicture.some((text) => text.includes('Example CPU @ 2.50GHz, 2 cores, 8.33 GB')),
      `${name}: the machine`,
    );
    t.ok(
      inPicture.some((text) => text.includes('2026-03-01 12:00 UTC')),
      `${name}: the date`,
    );
    t.ok(inPicture.includes('encke floodtest --connections 10000 --rate 2000'), `${name}: what was asked`);
  }
});

t.test('no text lies over another or outside the picture, whatever is drawn', async (t) => {
  const short = sampleRun('a short run', { lengthSec: 45, connections: 500, seed: 3 });
  const day = sampleRun('a day', {
    lengthSec: 86_400,
    connections: 1_000_000,
    openPerSec: 20_000,
    bytesPerConnection: 2_000,
    seed: 4,
  });
  const long = sampleRun(
    'a title that goes on and on and on, well beyond one line of a chart, and beyond two of them as well',
    { lengthSec: 900, connections: 10_000 },
  );
  const cases: [string, readonly Run[], number][] = [
    ['an hour', [hour], 800],
    ['a short run', [short], 800],
    ['a day', [day], 800],
    ['a long title', [long], 800],
    ['narrow', [day], 320],
    ['wide', [hour], 2_000],
    ['two runs', [hour, short], 800],
    ['six runs', [hour, short, day, long, hour, hour], 800],
  ];
  for (const [what, runs, widthPx] of cases) {
    for (const [name, chart] of Object.entries(charts(runs, widthPx))) {
      const svg = renderSvg(chart, { widthPx, heightPx: 460 });
      const heightPx = Number(/ height="(\d+)"/.exec(svg)![1]);
      const boxes = textBoxes(svg);
      t.ok(boxes.length > 10, `${what}, ${name}: ${boxes.length} texts`);
      for (const [i, box] of boxes.entries()) {
        const inside = box.left >= 0 && box.top >= 0 && box.right <= widthPx && box.bottom <= heightPx;
        if (!inside) t.fail(`${what}, ${name}: "${box.text}" is cut off`, box);
        for (const other of boxes.slice(i + 1)) {
          const apart =
            box.right <= other.left ||
            other.right <= box.left ||
            box.bottom <= other.top ||
            other.bottom <= box.top;
          if (!apart) t.fail(`${what}, ${name}: "${box.text}" and "${other.text}" overlap`, { box, other });
        }
      }
    }
  }
});

t.test('a PNG has the asked size, a white ground, and the lines in their colours', async (t) => {
  const chart = charts([hour])['run-memory']!;
  const png = renderPng(renderSvg(chart, SIZE));
  const { width, height, pixels } = decode(png, SIZE);
  t.same({ width, height }, { width: 800, height: 460 });
  const colors = new Map<number, number>();
  for (let i = 0; i < pixels.length; i += 4) {
    const color = pixels.readUIntBE(i, 3);
    colors.set(color, (colors.get(color) ?? 0) + 1);
  }
  t.ok(colors.get(0xffffff)! > 0.8 * 800 * 460, 'white');
  for (const { name, color } of chart.lines) {
    const drawnPx = colors.get(Number.parseInt(color.slice(1), 16)) ?? 0;
    t.ok(drawnPx > 300, `${name}: ${drawnPx} pixels of ${color}`);
  }
});

t.test('a peak of one second in a day is in the picture', async (t) => {
  const day = { lengthSec: 86_400, connections: 1_000, messagesPerSec: 10 };
  const peak = sampleRun('peak', { ...day, peaksAtSec: [43_210] });
  const chart = charts([peak])['run-latency']!;
  const points = chart.lines.flatMap(({ stretches }) => stretches.flat());
  t.ok(points.some(([x, y]) => x === 43_210 && y === 2_000));
  t.ok(points.length <= 3 * (2 * 800 + 2), `${points.length} points are drawn of ${3 * 86_400}`);
});

t.test('the same chart gives the same bytes, in whatever order it is drawn', async (t) => {
  const drawn = charts([hour]);
  const first = Object.values(drawn).map((chart) => renderSvg(chart, SIZE));
  const again = Object.values(drawn)
    .reverse()
    .map((chart) => renderSvg(chart, SIZE))
    .reverse();
  t.ok(first.every((svg, i) => svg === again[i]));
  for (const svg of first) t.notMatch(svg, /zr\d|class=|<style|ecmeta/);
  t.ok(renderPng(first[0]!).equals(renderPng(again[0]!)));
});

t.test('the latency axis is logarithmic only when the span asks for it', async (t) => {
  const calm = sampleRun('calm', { lengthSec: 60, connections: 100 });
  t.notOk(charts([calm])['run-latency']!.left.log);
  t.ok(charts([hour])['run-latency']!.left.log);
});

t.test('runs on one chart are told apart by their titles', async (t) => {
  const before = sampleRun('before', { lengthSec: 600, connections: 1_000, bytesPerConnection: 3_000 });
  const after = sampleRun('after', { lengthSec: 600, connections: 1_000 });
  const chart = charts([before, after])['run-memory']!;
  t.match(chart.title, 'before and after');
  t.same(
    chart.lines.map(({ name }) => name),
    ['before: server RSS', 'after: server RSS', 'before: connections (right)', 'after: connections (right)'],
  );
  t.not(chart.lines[0]!.color, chart.lines[1]!.color);
  const twins = charts([after, after])['run-memory']!.lines.map(({ name }) => name);
  t.equal(new Set(twins).size, 4, 'two of the same title too');
});

t.test('a column that was not recorded has no chart, with a note', async (t) => {
  const csv = new Csv('elapsedSec,connected,messages\n0,0,0\n1,10,5\n2,10,9\n', 'run.csv');
  const run = new Run({ csv, name: 'run', title: 'bare', metadata: {}, notes: [] });
  const { drawings, notes } = runDrawings('run', [run], { widthPx: 800, references: ORIGINAL });
  t.same(
    drawings.map(({ name }) => name),
    ['run-memory', 'run-messages'],
  );
  t.match(drawings[0]!.chart.title, 'Connections');
  t.equal(notes.length, 3, notes.join(' '));
});

t.test('a curve of any columns, with units from their names or from the user', async (t) => {
  const csv = new Csv(
    'connections,rssBytes,heapBytes\n10000,52000000,9000000\n0,41000000,\n5000,46000000,8500000\n',
    'idle.csv',
  );
  const source = { csv, name: 'idle', title: 'idle', metadata: {}, notes: [] };
  const options = { x: 'connections', y: ['rssBytes', 'heapBytes'], widthPx: 800, references: [] };
  const chart = curveChart([source], options);
  t.equal(chart.left.title, 'rss, heap (MB)');
  t.equal(chart.x.title, 'connections');
  t.same(
    chart.lines[0]!.stretches,
    [
      [
        [0, 41e6],
        [5_000, 46e6],
        [10_000, 52e6],
      ],
    ],
    'by rising x',
  );
  t.same(
    chart.lines[1]!.stretches,
    [
      [
        [5_000, 8.5e6],
        [10_000, 9e6],
      ],
    ],
    'an empty field is no point',
  );
  t.match(renderSvg(chart, SIZE), 'rss, heap (MB)');
  const named = curveChart([source], { ...options, y: ['rssBytes'], xUnit: 'open', yUnit: 'pages' });
  t.equal(named.left.title, 'rssBytes (pages)');
  t.equal(named.x.title, 'connections (open)');
});

t.test('widths of texts are those of the font', async (t) => {
  for (const bold of [false, true]) {
    for (const text of ['Server memory and connections', '10,000 wWmMiIlL', '{"id": @#%&}']) {
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="800" height="60"><text x="10" y="40" style="font-size:20px;font-family:'DejaVu Sans'${bold ? ';font-weight:bold' : ''}">|${text.replaceAll('&', '&amp;')}|</text></svg>`;
      const box = new Resvg(svg, { font: { loadSystemFonts: false, fontFiles: FONT_FILES } }).getBBox()!;
      const asked = textWidth(`|${text}|`, { sizePx: 20, bold });
      // The box ends at the ink of the bars, not at their advance; kerning takes a little.
      t.ok(Math.abs(asked - box.width) < 8, `${text}: ${asked} for ${box.width}`);
    }
  }
});

/** resvg reads its own PNG back to pixels. */
function decode(png: Buffer, { widthPx, heightPx }: typeof SIZE) {
  const width = png.readUInt32BE(16);
  const height = png.readUInt32BE(20);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${widthPx}" height="${heightPx}"><image href="data:image/png;base64,${png.toString('base64')}" width="${widthPx}" height="${heightPx}"/></svg>`;
  return { width, height, pixels: new Resvg(svg).render().pixels };
}
