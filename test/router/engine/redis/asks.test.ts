import t from 'tap';
import type { Answers, ClusterNode } from '../../../../router/engine/cluster.js';
import { Asks } from '../../../../router/engine/redis/asks.js';
import { until } from '../../../until.js';

const nodeOf = (run: number): ClusterNode => ({ run, name: '', group: '', role: 'both', startedMs: 0 });
const answerOf = (run: number) => ({ from: nodeOf(run), body: Uint8Array.of(run) });

function setUp(runs: number[], waitMs = 60_000) {
  const asks = new Asks();
  const ended: Answers[] = [];
  const number = asks.begin(runs.map(nodeOf), waitMs, (answers) => ended.push(answers))!;
  return { asks, ended, number };
}

t.test('it ends with the last answer, once, with all bodies', async (t) => {
  const { asks, ended, number } = setUp([2, 3]);
  asks.answered(number, answerOf(3));
  t.same(ended, []);
  asks.answered(number, answerOf(2));
  t.same(ended, [{ answers: [answerOf(3), answerOf(2)], unanswered: 0 }]);
  asks.answered(number, answerOf(2));
  asks.gone(3);
  asks.endAll();
  t.equal(ended.length, 1);
});

t.test('answers count once for each node that was asked, and for their own question', async (t) => {
  const { asks, ended, number } = setUp([2, 3]);
  for (const run of [2, 2, 2, 4]) asks.answered(number, answerOf(run));
  asks.answered(number + 1, answerOf(3));
  asks.answered(Number.NaN, answerOf(3));
  t.same(ended, []);
  asks.answered(number, answerOf(3));
  t.same(ended[0]!.answers, [answerOf(2), answerOf(3)]);
});

t.test('a node that goes is not waited for, and counts as missing', async (t) => {
  const { asks, ended, number } = setUp([2, 3]);
  asks.gone(2);
  asks.gone(9);
  t.same(ended, []);
  asks.answered(number, answerOf(3));
  t.same(ended, [{ answers: [answerOf(3)], unanswered: 1 }]);
});

t.test('it ends with the time, saying who is missing', async (t) => {
  const { asks, ended, number } = setUp([2, 3, 4], 20);
  asks.answered(number, answerOf(3));
  asks.gone(4);
  const startMs = performance.now();
  await until('the time is over', () => ended.length > 0);
  t.ok(performance.now() - startMs < 30_000);
  t.same(ended, [{ answers: [answerOf(3)], unanswered: 2 }]);
  asks.answered(number, answerOf(2));
  t.equal(ended.length, 1, 'what comes later is not heard');
});

t.test('past 10,000 that are pending nobody is waited for', async (t) => {
  const asks = new Asks();
  let ended = 0;
  for (let i = 0; i < 10_000; i++) asks.begin([nodeOf(2)], 60_000, () => ended++);
  t.equal(ended, 0);
  const over: Answers[] = [];
  t.equal(
    asks.begin([nodeOf(2), nodeOf(3)], 60_000, (answers) => over.push(answers)),
    undefined,
  );
  t.same(over, [{ answers: [], unanswered: 2 }]);
  asks.endAll();
  t.equal(ended, 10_000, 'at the end all are called back');
});
