import t from 'tap';
import { Arrivals } from '../../../router/engine/nats/arrivals.js';

t.test('copies are taken once, late ones never, each publisher for itself', async (t) => {
  const arrivals = new Arrivals();
  const taken = [7, 8, 8, 8, 9, 12, 11, 12, 13].filter((sequence) => arrivals.take(1, sequence));
  t.same(taken, [7, 8, 9, 12, 13]);
  t.equal(arrivals.late, 1, 'the 11; copies are not late');
  t.ok(arrivals.take(2, 3), 'another publisher counts for itself');
});

t.test('who is forgotten begins anew, and the others do not', async (t) => {
  const arrivals = new Arrivals();
  arrivals.take(1, 9);
  arrivals.take(2, 9);
  arrivals.forget(1);
  t.ok(arrivals.take(1, 3));
  t.notOk(arrivals.take(2, 3));
});

t.test('a crowd of publishers fills no memory: past 10,000 the first is forgotten', async (t) => {
  const arrivals = new Arrivals();
  for (let run = 1; run <= 10_001; run++) arrivals.take(run, 5);
  t.notOk(arrivals.take(2, 5), 'the second is still known');
  t.ok(arrivals.take(1, 5), 'the first is not');
  t.notOk(arrivals.take(10_001, 5));
});
