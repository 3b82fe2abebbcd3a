import t from 'tap';
import { RecentKeys } from '../../../router/engine/embedded.js';

t.test('keys are known by id and key, and the oldest make room', async (t) => {
  const keys = new RecentKeys();
  const outcome = { delivered: 3, unanswered: 0, carried: 'yes' } as const;
  keys.set('a:b', 'c', outcome);
  t.equal(keys.get('a:b', 'c'), outcome);
  t.equal(keys.get('a', 'b:c'), undefined);
  for (let n = 0; n < 50_000; n++) keys.set('id', `${n}`, outcome);
  t.equal(keys.get('a:b', 'c'), undefined, 'they take 8 MiB at most');
  t.equal(keys.get('id', '1'), undefined);
  t.equal(keys.get('id', '49999'), outcome);
  keys.set('id', '49999', outcome);
  t.equal(keys.get('id', '30000'), outcome, 'one that comes again takes no more');
});
