import { mock } from 'node:test';
import t from 'tap';
import { Marks, markTimeoutMsMin } from '../../../router/engine/nats/marks.js';
import { until } from '../../until.js';

function marksOf(sent: number[], nodes = 10): Marks {
  const send = (number: number) => {
    sent.push(number);
    return true;
  };
  return new Marks(send, () => nodes);
}

t.test('who asks while a mark is on its way waits for the next, so that a storm is two', async (t) => {
  const sent: number[] = [];
  const marks = marksOf(sent);
  const first = marks.pass();
  await until('the first is sent', () => sent.length === 1);
  const others = Array.from({ length: 100 }, () => marks.pass());
  marks.arrived(1, 41);
  t.equal(await first, 41);
  await until('the second is sent, a moment later, as the stream keeps each', () => sent.length === 2);
  t.same(sent, [1, 2]);
  marks.arrived(2, 57);
  t.same(new Set(await Promise.all(others)), new Set([57]));
  t.equal(sent.length, 2);
});

t.test('one that is late answers nobody, but is known to be back; the next has twice the time', async (t) => {
  const { timers } = mock;
  timers.enable({ apis: ['setTimeout', 'setImmediate'] });
  t.teardown(() => timers.reset());
  const sent: number[] = [];
  const marks = marksOf(sent);
  const first = marks.pass();
  timers.tick(10);
  t.equal(sent.length, 1);
  timers.tick(markTimeoutMsMin);
  t.equal(await first, undefined);
  t.equal(marks.isBack(1), false);
  marks.arrived(1, 41);
  t.equal(marks.isBack(1), true);

  const second = marks.pass();
  timers.tick(10);
  timers.tick(markTimeoutMsMin + 500);
  marks.arrived(2, 57);
  t.equal(await second, 57, 'in time, as it has twice as long');

  const third = marks.pass();
  timers.tick(10);
  timers.tick(markTimeoutMsMin + 500);
  t.equal(await third, undefined, 'and all is as before where one has come in time');
});

t.test('NATS is away: nobody waits on', async (t) => {
  const sent: number[] = [];
  const marks = marksOf(sent);
  const all = [marks.pass()];
  await until('it is sent', () => sent.length === 1);
  all.push(marks.pass());
  marks.failAll();
  t.same(await Promise.all(all), [undefined, undefined]);
  marks.arrived(1, 41);
  t.equal(sent.length, 1);
});

t.test('what cannot be sent is answered at once', async (t) => {
  const marks = new Marks(
    () => false,
    () => 1,
  );
  t.equal(await marks.pass(), undefined);
});

t.test('the more nodes there are, the rarer each sends one', async (t) => {
  for (const nodes of [1, 600]) {
    const sentMs: number[] = [];
    const marks = new Marks(
      () => sentMs.push(performance.now()) > 0,
      () => nodes,
    );
    const first = marks.pass();
    await until('the first is sent', () => sentMs.length === 1);
    marks.arrived(1, 41);
    await first;
    const second = marks.pass();
    await until('the second is sent', () => sentMs.length === 2);
    const waitedMs = sentMs[1]! - sentMs[0]!;
    t.ok(nodes === 1 ? waitedMs < 400 : waitedMs > 500, `${nodes} nodes: ${Math.round(waitedMs)} ms`);
    marks.arrived(2, 42);
    await second;
  }
});
