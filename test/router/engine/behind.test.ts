import t from 'tap';
import { Behind, behindNumber, hasMoreNumber, noStream } from '../../../router/engine/nats/behind.js';

t.test('each node counts once for each stream that it is behind with', async (t) => {
  const behind = new Behind(['A', 'B']);
  for (const run of [2, 3, 3]) behind.note(behindNumber(0), run);
  behind.note(behindNumber(1), 2);
  t.same(
    ['A', 'B', noStream, 'C'].map((stream) => behind.with(stream)),
    [2, 1, 0, 0],
  );
});

t.test('a node that has no room for all it has to tell is behind with everything', async (t) => {
  const behind = new Behind(['A', 'B']);
  behind.note(behindNumber(0), 2);
  for (const run of [2, 3]) behind.note(hasMoreNumber, run);
  t.same(
    ['A', 'B', noStream].map((stream) => behind.with(stream)),
    [2, 2, 2],
  );
});

t.test('a stream that the question did not name harms nobody', async (t) => {
  const behind = new Behind(['A']);
  for (const number of [behindNumber(1), -1.5, -1e300]) behind.note(number, 2);
  t.equal(behind.with('A'), 0);
});
