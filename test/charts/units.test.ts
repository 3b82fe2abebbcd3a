import t from 'tap';
import { logAxis, stepsOf, timeAxis, valueAxis } from '../../charts/scale.js';
import { formatBytes, formatDuration, parseBytes } from '../../charts/units.js';

t.test('bytes read as people write them', async (t) => {
  t.equal(formatBytes(1_234), '1.234 KB');
  t.equal(formatBytes(999), '999 B');
  t.equal(formatBytes(12_345_678), '12.35 MB');
  t.equal(parseBytes('78MB'), 78e6);
  t.equal(parseBytes('1.5 GB'), 1.5e9);
  t.equal(parseBytes('2KiB'), 2_048);
  t.equal(parseBytes('1250'), 1_250);
  for (const text of ['', 'MB', '-3MB', '1e6', '3 apples', '0x10'])
    t.equal(parseBytes(text), undefined, text);
});

t.test('durations', async (t) => {
  t.equal(formatDuration(0), '0 s');
  t.equal(formatDuration(59.6), '1 min 0 s');
  t.equal(formatDuration(3_612), '1 h 0 min 12 s');
  t.equal(formatDuration(86_400), '1 day 0 h 0 min 0 s');
});

t.test('the time axis has the unit that fits the length', async (t) => {
  const axisOf = (max: number, widthPx = 800) => timeAxis({ min: 0, max }, widthPx);
  t.match(axisOf(45), {
    title: 'Time (s)',
    labels: ['0', '5', '10', '15', '20', '25', '30', '35', '40', '45'],
  });
  t.match(axisOf(3_605), {
    title: 'Time (min)',
    labels: ['0', '10', '20', '30', '40', '50', '60'],
    max: 3_605,
  });
  t.match(axisOf(86_400), { title: 'Time (h)', labels: ['0', '3', '6', '9', '12', '15', '18', '21', '24'] });
  t.match(axisOf(7 * 86_400), { title: 'Time (days)', labels: ['0', '1', '2', '3', '4', '5', '6', '7'] });
  t.ok(axisOf(86_400, 320).ticks.length <= 5, 'a narrow chart has fewer ticks');
});

t.test('a value axis begins at 0, ends on a tick and says its unit', async (t) => {
  const axis = valueAxis('Server RSS', { min: 0, max: 53_400_000 }, { bytes: true });
  t.match(axis, { title: 'Server RSS (MB)', min: 0, labels: ['0', '15', '30', '45', '60'] });
  t.equal(axis.max, 60e6);
  t.match(valueAxis('Connections', { min: 0, max: 3 }, { whole: true }).labels, ['0', '1', '2', '3', '4']);
  t.match(valueAxis('y', { min: -4, max: 8 }).labels, ['-5.0', '-2.5', '0.0', '2.5', '5.0', '7.5', '10.0']);
  t.ok(valueAxis('y', { min: 0, max: 0 }).max > 0, 'all zero is still an axis');
});

t.test('the right axis can have as many steps as the left', async (t) => {
  for (const steps of [4, 5, 6]) {
    t.equal(stepsOf(valueAxis('Connections', { min: 0, max: 10_000 }, { whole: true, steps })), steps);
  }
});

t.test('a log axis covers whole decades', async (t) => {
  t.match(logAxis('Latency', { min: 0.4, max: 2_000 }, 'ms'), {
    title: 'Latency (ms)',
    labels: ['0.1', '1', '10', '100', '1,000', '10,000'],
  });
  t.match(logAxis('Latency', { min: 1, max: 1_000 }, 'ms').labels, ['1', '10', '100', '1,000']);
});
