/** The parts of msggen by themselves: stamp, histogram, schedule, waiting list, random ids. */
import t from 'tap';
import { LatencyHistogram } from '../../msggen/latency.js';
import { Random } from '../../msggen/random.js';
import { Schedule } from '../../msggen/schedule.js';
import {
  formatStamp,
  newPublisher,
  nowUs,
  publisherBeganAfter,
  readStamp,
  type Stamp,
} from '../../msggen/stamp.js';
import { WaitingList } from '../../msggen/waiting-list.js';

t.test('a stamp reads back as it was written, wherever it lies', async (t) => {
  const publisher = newPublisher(nowUs());
  t.match(publisher, /^[0-9a-f]{12}$/);
  for (const seq of [1, 42, 4_294_967_295]) {
    const dueAtUs = nowUs();
    const text = formatStamp(publisher, seq, dueAtUs);
    const bytes = Buffer.from(`'${text}xxxx`);
    const stamp: Stamp = { publisher: 0, seq: 0, dueAtUs: 0 };
    t.ok(readStamp(bytes, 1, bytes.length, stamp));
    t.same(stamp, { publisher: Number.parseInt(publisher, 16), seq, dueAtUs });
  }
});

t.test('an incomplete stamp is none', async (t) => {
  const stamp: Stamp = { publisher: 0, seq: 0, dueAtUs: 0 };
  const good = '[m 00000123abcd 5 1700000000000000]';
  for (let end = 0; end < good.length; end++) {
    const bytes = Buffer.from(good);
    t.notOk(readStamp(bytes, 0, end, stamp), `cut off at ${end}, though the bytes go on`);
  }
  for (const text of [
    'Hello World',
    '[m 00000123abcg 5 17]',
    '[m 00000123abcd 0 17]',
    '[m 00000123abcd  17]',
    '[m 00000123abcd 5 ]',
    '[m 00000123abcd 5 17',
    '[M 00000123abcd 5 17]',
    '[m 00000123ABCD 5 17]',
  ]) {
    t.notOk(readStamp(Buffer.from(text), 0, text.length, stamp), text);
  }
});

t.test('a publisher tells whether it began after a moment', async (t) => {
  const currentUs = 1_800_000_000_500_000;
  for (const ageSec of [0, 1, 10, 3600, 65_535, 65_536, 65_540, 86_400, 30 * 86_400]) {
    const publisher = Number.parseInt(newPublisher(currentUs - ageSec * 1e6), 16);
    t.equal(publisherBeganAfter(publisher, currentUs - (ageSec + 1) * 1e6), true, `${ageSec} s old`);
    t.equal(publisherBeganAfter(publisher, currentUs - ageSec * 1e6), false, 'the same second: unknown');
    if (ageSec > 0) t.equal(publisherBeganAfter(publisher, currentUs - (ageSec - 1) * 1e6), false);
    const weekUs = 7 * 86_400 * 1e6;
    t.equal(publisherBeganAfter(publisher, currentUs - ageSec * 1e6 - weekUs), true, 'a week before');
    t.equal(publisherBeganAfter(publisher, currentUs - ageSec * 1e6 + weekUs), false, 'a week after');
  }
});

t.test('a clock that is known to be ahead does not make a publisher begin later than it did', async (t) => {
  const loggedInUs = 1_800_000_000_500_000;
  const publisher = Number.parseInt(newPublisher(loggedInUs + 3e6), 16);
  t.equal(publisherBeganAfter(publisher, loggedInUs), true);
  t.equal(publisherBeganAfter(publisher, loggedInUs, 5e6), false);
});

t.test('latencies may be negative, and longer than the last bucket', async (t) => {
  const parts = [new LatencyHistogram(), new LatencyHistogram()];
  for (let ms = 1; ms <= 100; ms++) parts[ms % 2]!.record((ms - 51) * 1000);
  const whole = new LatencyHistogram();
  for (const part of parts) whole.add(part.toCounts());
  t.match(whole.summaryMs(), { min: -50, max: 49, mean: -0.5 });
  t.equal(whole.negatives, 50);
  for (const [percent, ms] of [
    [1, -50],
    [10, -41],
    [50, -1],
    [51, 0],
    [100, 49],
  ] as const) {
    const measured = whole.percentileMs(percent)!;
    t.ok(Math.abs(measured - ms) <= 0.008 * Math.abs(ms), `p${percent} ${measured}`);
  }
  whole.reset();
  t.equal(whole.summaryMs(), undefined);
  whole.record(5e9, 3);
  whole.record(-6e9);
  t.match(whole.summaryMs(), { p50: 5e6, max: 5e6, min: -6e6 });
  t.equal(whole.total, 4);
});

t.test('a percentile between two values is the higher one: so many do not exceed it', async (t) => {
  const three = new LatencyHistogram();
  for (const us of [10, 20, 30]) three.record(us);
  t.same(
    [1, 33, 34, 50, 66, 67, 99].map((percent) => three.percentileMs(percent)),
    [0.01, 0.01, 0.02, 0.02, 0.02, 0.03, 0.03],
  );
});

t.test('percentiles are at most 0.8 % off, whether recorded at once or added up from parts', async (t) => {
  const random = new Random(1);
  const whole = new LatencyHistogram();
  const parts = [new LatencyHistogram(), new LatencyHistogram(), new LatencyHistogram()];
  const values: number[] = [];
  for (let i = 0; i < 30_000; i++) {
    const us = 2 ** (random.below(2_400) / 100);
    values.push(Math.round(us));
    whole.record(us);
    parts[i % 3]!.record(us);
  }
  values.sort((a, b) => a - b);
  const added = new LatencyHistogram();
  for (const part of parts) added.add(part.toCounts());
  for (const percent of [0, 1, 50, 90, 99, 99.9, 100]) {
    const exactMs = values[Math.max(0, Math.ceil((percent / 100) * values.length) - 1)]! / 1000;
    const ms = whole.percentileMs(percent)!;
    t.ok(ms >= exactMs && ms <= exactMs * 1.008, `p${percent}: ${ms} for ${exactMs}`);
    t.equal(added.percentileMs(percent), ms);
  }
  t.same(added.summaryMs(), whole.summaryMs());
  t.equal(whole.summaryMs()!.max, values.at(-1)! / 1000);
  whole.reset();
  t.equal(whole.summaryMs(), undefined);
});

t.test('the deadlines of all senders lie evenly over the interval', async (t) => {
  const schedule = new Schedule((4 * 1000) / 100, 12, Number.POSITIVE_INFINITY);
  const dueAtMs = Array.from({ length: 12 }, (_, n) => schedule.dueAtMs(n));
  const ofSecondSender = dueAtMs.filter((_, n) => n % 4 === 1);
  t.same(ofSecondSender, [25, 125, 225], 'each sender keeps its interval, from a phase of its own');
  t.equal(schedule.dueBy(0), 1);
  t.equal(schedule.dueBy(24.9), 1);
  t.equal(schedule.dueBy(25), 2);
  t.equal(schedule.dueBy(1e9), 12);
});

t.test('a schedule ends with the time it is given', async (t) => {
  t.equal(new Schedule(1000, Number.POSITIVE_INFINITY, 5000).messagesTotal, 5000);
  t.equal(new Schedule(1000, 300, 5000).messagesTotal, 300);
});

t.test('waiting lists are first in first out, and share one limit', async (t) => {
  const waiting = new WaitingList(3, 4);
  const take = (list: number) => (waiting.take(list) ? [waiting.takenId, waiting.takenNumber] : undefined);
  for (const [list, id] of [
    [0, 10],
    [2, 12],
    [0, 20],
    [0, 30],
  ] as const) {
    t.ok(waiting.add(list, id, id * 100));
  }
  t.notOk(waiting.add(1, 11, 1), 'the limit');
  t.equal(waiting.length, 4);
  t.same([take(0), take(1), take(2), take(0)], [[10, 1000], undefined, [12, 1200], [20, 2000]]);
  t.ok(waiting.add(0, 40, 1) && waiting.add(1, 41, 1) && waiting.add(0, 50, 1), 'what is taken makes room');
  t.same([take(0), take(0), take(0), take(0), take(1)], [[30, 3000], [40, 1], [50, 1], undefined, [41, 1]]);
  t.equal(waiting.length, 0);
});

t.test('random numbers reach every id about equally often', async (t) => {
  const counts = new Array<number>(10).fill(0);
  const random = new Random(3);
  for (let i = 0; i < 100_000; i++) counts[random.below(10)]!++;
  t.ok(
    counts.every((count) => count > 9500 && count < 10_500),
    counts.join(' '),
  );
});
