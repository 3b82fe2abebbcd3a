import t from 'tap';
import { Bucket, Buckets, rateOf } from '../../../gateway/rate.js';

/** Budgets that refill, on a clock that the test moves. */

const rate = { burst: 10, ratePerSec: 5 };

t.test('a burst at once, then one at a time', async (t) => {
  t.same(rateOf('10,5'), rate);
  t.equal(rateOf(''), undefined);
  const bucket = new Bucket(rate, 0);
  for (let n = 0; n < 10; n++) {
    t.equal(bucket.waitMs(0), 0);
    bucket.take(0);
  }
  t.equal(bucket.waitMs(0), 200);
  t.equal(bucket.waitMs(150), 50);
  t.equal(bucket.waitMs(200), 0);
  bucket.take(200);
  t.notOk(bucket.isFull(1_000));
  t.ok(bucket.isFull(2_200));
});

t.test('more than there is may be taken, and is paid back first', async (t) => {
  const bucket = new Bucket(rate, 0);
  for (let n = 0; n < 60; n++) bucket.take(0);
  t.equal(bucket.waitMs(0), 10_200);
  t.equal(bucket.waitMs(10_200), 0);
});

t.test('each key has a bucket of its own, which is forgotten once it is full', async (t) => {
  const buckets = new Buckets(rate);
  for (let n = 0; n < 10; n++) buckets.of('a', 0).take(0);
  t.equal(buckets.of('a', 0).waitMs(0), 200);
  t.equal(buckets.of('b', 0).waitMs(0), 0);
  t.equal(buckets.of('a', 0).waitMs(0), 200, 'it is the same one');
  const { bytes } = buckets;
  for (let n = 0; n < 1_000; n++) buckets.of(`other-${n}`, n * 2_000).take(n * 2_000);
  t.ok(buckets.bytes <= bytes + 100, 'others take the place of those that are full again');
});

t.test('keys without end take no more memory than they may', async (t) => {
  const bytesMax = 65_536;
  const buckets = new Buckets(rate, bytesMax);
  let [refused, most] = [0, 0];
  for (let n = 0; n < 10_000; n++) {
    buckets.of('x'.repeat(n % 1_000) + n, 0).take(0);
    const busy = buckets.of('busy', 0);
    if (busy.waitMs(0) > 0) refused++;
    else busy.take(0);
    most = Math.max(most, buckets.bytes);
  }
  t.ok(most > bytesMax / 2 && most <= bytesMax + 1_300, `${most} bytes`);
  t.equal(refused, 9_990, 'the one that is used most is not forgotten');
});
