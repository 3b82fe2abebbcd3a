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
import { Waiting } from '../../msggen/waiting.js';

t.test('a stamp reads back as it was written, wherever it lies', async (t) => {
  const publisher = newPublisher(nowUs());
  t.match(publisher, /^[0-9a-f]{8}$/);
  for (const seq of [1, 42, 4_294_967_295]) {
    const sentAtUs = nowUs();
    const text = formatStamp(publisher, seq, sentAtUs);
    const bytes = Buffer.from(`'${text}xxxx`);
    const stamp: Stamp = { publisher: 0, seq: 0, sentAtUs: 0 };
    t.ok(readStamp(bytes, 1, bytes.length, stamp));
    t.same(stamp, { publisher: Number.parseInt(publisher, 16), seq, sentAtUs });
  }
});

t.test('what is no whole stamp is none', async (t) => {
  const stamp: Stamp = { publisher: 0, seq: 0, sentAtUs: 0 };
  const good = '[m 0123abcd 5 1700000000000000]';
  for (let end = 0; end < good.length; end++) {
    const bytes = Buffer.from(good);
    t.notOk(readStamp(bytes, 0, end, stamp), `cut off at ${end}, though the bytes go on`);
  }
  for (const text of [
    'Hello World',
    '[m 0123abcg 5 17]',
    '[m 0123abcd 0 17]',
    '[m 0123abcd  17]',
    '[m 0123abcd 5 ]',
    '[m 0123abcd 5 17',
    '[M 0123abcd 5 17]',
    '[m 0123ABCD 5 17]',
  ]) {
    t.notOk(readStamp(Buffer.from(text), 0, text.length, stamp), text);
  }
});

t.test('a publisher tells whether it began after a moment', async (t) => {
  const currentUs = 1_800_000_000_500_000;
  for (const ageSec of [0, 1, 10, 3600, 60_000]) {
    const publisher = Number.parseInt(newPublisher(currentUs - ageSec * 1e6), 16);
    t.equal(
      publisherBeganAfter(publisher, currentUs - (ageSec + 1) * 1e6, currentUs),
      true,
      `${ageSec} s old`,
    );
    t.equal(
      publisherBeganAfter(publisher, currentUs - ageSec * 1e6, currentUs),
      false,
      'the same second: unknown',
    );
    if (ageSec > 0) t.equal(publisherBeganAfter(publisher, currentUs - (ageSec - 1) * 1e6, currentUs), false);
  }
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

t.test('latencies beyond the scale are kept at its end', async (t) => {
  const histogram = new LatencyHistogram();
  histogram.record(-5);
  histogram.record(1e12);
  t.equal(histogram.percentileMs(50), 0);
  t.equal(histogram.percentileMs(100), 0xffff_ffff / 1000);
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
  const waiting = new Waiting(3, 4);
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
