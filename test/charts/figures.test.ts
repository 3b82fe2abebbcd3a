import t from 'tap';
import { Csv } from '../../charts/csv.js';
import { runFigures } from '../../charts/figures.js';
import { meanRate, rates } from '../../charts/rate.js';
import { Run } from '../../charts/run.js';
import { leastSquaresSlope } from '../../charts/steady-phase.js';
import { markdownTable } from '../../charts/table.js';
import { movingMost } from '../../charts/window.js';
import { RUN_HEADER, sampleMetadata } from './sample-run.js';

function runOf(rows: readonly string[], title = 'a run'): Run {
  const csv = new Csv(`${[RUN_HEADER, ...rows].join('\n')}\n`, 'run.csv');
  return new Run({ csv, name: 'run', title, metadata: JSON.parse(sampleMetadata()), notes: [] });
}

// Opens 1,000 a second, holds 2,000 from second 2 to 7, closes; 500 messages/s from second 3 to 6.
const ROWS = [
  '0,0,0,0,0,0,0,0,,,,40000000,1.00',
  '1,1000,0,0,0,0,0,0,,,,41000000,1.10',
  '2,2000,0,0,0,0,0,0,,,,42000000,1.20',
  '3,2000,0,500,500,0,0,0,0.4,2,5,42000100,1.30',
  '4,2000,0,1000,1000,0,0,0,0.5,3,9,42000200,1.40',
  '5,1999,1,1500,1500,1,0,2,0.7,8,80,42000300,1.50',
  '6,1999,1,2000,2000,1,3,2,0.6,4,7,42000400,1.60',
  '7,1999,1,2000,2000,1,3,2,,,,42000500,1.70',
  '8,0,1,2000,2000,1,3,2,,,,40500000,1.70',
];

t.test('the slope of a known line', async (t) => {
  const xs = Array.from({ length: 86_400 }, (_, i) => i + 0.25);
  const ys = xs.map((x) => 52e6 + 0.125 * x);
  t.ok(Math.abs(leastSquaresSlope(xs, ys, 0, xs.length - 1)! - 0.125) < 1e-9);
  const withHoles = ys.map((y, i) => (i % 3 === 0 ? Number.NaN : y));
  t.ok(Math.abs(leastSquaresSlope(xs, withHoles, 0, xs.length - 1)! - 0.125) < 1e-9, 'unknown rows left out');
  t.equal(leastSquaresSlope([0, 1, 2, 3], [9, 1, 1, 1], 1, 3), 0, 'only the rows between');
  t.equal(leastSquaresSlope([0, 1], [Number.NaN, 1], 0, 1), undefined, 'one row has no slope');
});

t.test('rates over a window, from a counter with gaps and a restart', async (t) => {
  t.same(rates([0, 1, 2, 3, 4], [0, 10, 30, 60, 60], 1), [Number.NaN, 10, 20, 30, 0]);
  t.same(rates([0, 1, 2, 3, 4], [0, 10, 30, 60, 60], 2), [Number.NaN, 10, 15, 25, 15]);
  t.same(rates([0, 1, 2, 3], [0, Number.NaN, 30, 60], 1), [Number.NaN, Number.NaN, 15, 30]);
  t.same(rates([0, 1, 2, 3], [50, 60, 0, 5], 1), [Number.NaN, 10, Number.NaN, 5]);
  t.same(
    rates([0, 1.02, 1.99, 3.01], [0, 102, 199, 301], 1).slice(1).map(Math.round),
    [100, 100, 100],
    'rows that come early',
  );
});

t.test('the mean rate is that of the time in which messages came', async (t) => {
  t.equal(meanRate([0, 1, 2, 3, 4, 5], [0, 0, 100, 200, 200, 200]), 100);
  t.equal(meanRate([1, 2], [100, 200]), 100, 'the first row already has a second of them');
  t.equal(meanRate([0, 1], [0, 0]), 0);
  t.equal(meanRate([0, 1], [Number.NaN, Number.NaN]), undefined);
});

t.test('the worst of a moving window is that of what is known', async (t) => {
  t.same(movingMost([0, 1, 2, 3, 9], [1, 3, Number.NaN, 5, Number.NaN], 2), [1, 3, 3, 5, Number.NaN]);
});

t.test('the figures of a run are exact', async (t) => {
  t.match(runFigures(runOf(ROWS)), {
    lengthSec: 8,
    holdSec: 5,
    connections: 2_000,
    closed: 1,
    messages: 2_000,
    messagesPerSec: 500,
    lost: 1,
    duplicated: 3,
    outOfOrder: 2,
    latencyP50Ms: 0.55,
    latencyP99Ms: 3.5,
    worstP99Ms: 8,
    latencyMaxMs: 80,
    rssAtHoldStartBytes: 42_000_000,
    rssAtHoldEndBytes: 42_000_500,
    bytesPerConnectionAtHoldStart: 1_000,
    bytesPerConnectionAtHoldEnd: 2_000_500 / 1_999,
  });
  const { rssSlopeBytesPerHour, cpuSec, cpuShareInHold } = runFigures(runOf(ROWS));
  t.equal(rssSlopeBytesPerHour, undefined, 'a hold of 5 s has no slope that means anything');
  t.ok(Math.abs(cpuSec! - 0.7) < 1e-9);
  t.ok(Math.abs(cpuShareInHold! - 0.1) < 1e-9);
});

t.test('a slope is given of a hold of five minutes or more', async (t) => {
  const rows = (lengthSec: number) =>
    Array.from({ length: lengthSec + 1 }, (_, n) => `${n},10,0,0,0,0,0,0,,,,${42e6 + 100 * n},`);
  t.equal(runFigures(runOf(rows(25))).rssSlopeBytesPerHour, undefined);
  t.equal(runFigures(runOf(rows(299))).rssSlopeBytesPerHour, undefined);
  t.ok(Math.abs(runFigures(runOf(rows(300))).rssSlopeBytesPerHour! - 360_000) < 1e-6, '100 B a second');
});

t.test('bandwidth is that of the hold', async (t) => {
  const csv = ['elapsedSec,connected,bytesReceived,bytesSent', '0,0,0,0', '1,10,5000,900', '3,10,9000,1000'];
  const recording = new Csv(`${csv.join('\n')}\n`, 'run.csv');
  const figures = runFigures(
    new Run({ csv: recording, name: 'run', title: 'a run', metadata: {}, notes: [] }),
  );
  t.match(figures, { receivedBytesPerSec: 2_000, sentBytesPerSec: 50 });
});

t.test('the table', async (t) => {
  t.equal(
    markdownTable([runOf(ROWS, 'one | two')]),
    `| | one \\| two |
|---|---:|
| Length | 8 s |
| Hold (all connections open) | 5 s |
| Connections | 2,000 |
| Closed | 1 |
| Messages | 2,000 |
| Messages a second | 500 |
| Received by the clients, over the hold | – |
| Sent by the clients, over the hold | – |
| Lost | 1 |
| Duplicated | 3 |
| Out of order | 2 |
| Latency p50 (median of the seconds) | 0.55 ms |
| Latency p99 (median of the seconds) | 3.5 ms |
| Latency p99 (worst second) | 8 ms |
| Latency max | 80 ms |
| Server RSS at start of hold | 42 MB |
| Server RSS at end of hold | 42 MB |
| Bytes a connection at start of hold | 1,000 |
| Bytes a connection at end of hold | 1,001 |
| Slope of RSS over the hold | – |
| Server CPU time | 0.7 s |
| Server CPU over the hold | 10.0 % of one core |

Example CPU @ 2.50GHz, 2 cores, 8.33 GB, Debian GNU/Linux 12, Node 20.20.2; 2026-03-01 12:00 UTC; \`encke floodtest --connections 10000 --rate 2000\`

Bytes a connection: growth of RSS since the first row, divided by the connections opened since. Slope: least squares, of a hold of 5 min or more. 1 KB is 1,000 bytes.
`,
  );
});

t.test('a figure that was not recorded is a dash, not a zero', async (t) => {
  const table = markdownTable([runOf(['0,0,0,0,0,,,,,,,,', '1,10,0,0,0,,,,,,,,'])]);
  for (const row of [
    'Lost',
    'Latency max',
    'Server RSS at start of hold',
    'Slope of RSS over the hold',
    'Server CPU time',
  ]) {
    t.match(table, `| ${row} | – |`);
  }
  t.match(table, '| Connections | 10 |');
});
