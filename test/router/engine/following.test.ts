import t from 'tap';
import { Following } from '../../../router/engine/nats/following.js';

const come = (sequence: number) => ({ id: 'a', sequence, last: 0, data: Buffer.from('x') });

t.test('what comes while it is off comes in order when it goes on, less what was read', async (t) => {
  const following = new Following();
  t.ok(following.isOn);
  following.interrupt();
  following.interrupt();
  t.notOk(following.isOn);
  for (const sequence of [9, 7, 8]) t.ok(following.keep(come(sequence)));
  t.same(
    following.goOn(7).map(({ sequence }) => sequence),
    [8, 9],
  );
  t.ok(following.isOn);
  t.equal(following.times, 1);
});

t.test('who waits is told as soon as it goes on, and at the latest after the wait', async (t) => {
  const following = new Following();
  t.equal(await following.within(1), true);
  following.interrupt();
  const startedMs = performance.now();
  t.equal(await following.within(50), false);
  t.ok(performance.now() - startedMs >= 49);
  const waited = following.within(60_000);
  following.goOn(1);
  t.equal(await waited, true);
});

t.test('who waits goes on waiting where it is off again before it was told', async (t) => {
  const following = new Following();
  following.interrupt();
  const waited = following.within(60_000);
  following.goOn(1);
  following.interrupt();
  const late = Promise.race([waited, new Promise((resolve) => setImmediate(() => resolve('waits')))]);
  t.equal(await late, 'waits');
  following.goOn(2);
  t.equal(await waited, true);
});

t.test('at the end nobody waits any more', async (t) => {
  const following = new Following();
  following.interrupt();
  const waited = following.within(60_000);
  following.end();
  t.equal(await waited, false);
  t.equal(await following.within(60_000), false);
});
