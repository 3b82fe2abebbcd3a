import t from 'tap';
import { Message, type Qos, type Router } from '../../router/index.js';
import { cpuMs } from '../cpu-time.js';
import { collectGarbage } from '../garbage.js';
import { SeededRandom } from '../seeded-random.js';
import { Inbox, startedRouter, textOf } from './inbox.js';
import { naiveMatch } from './naive-matcher.js';

function retain(router: Router, id: string, text: string, qos: Qos = 0): void {
  router.publish(new Message(id, Buffer.from(text), 0, qos, true));
}

function kept(router: Router, filter: string): string[] {
  return router
    .retainedFor(filter)
    .map((message) => `${message.id}=${textOf(message)}`)
    .sort();
}

t.test('the last retained message of an id is kept for who subscribes later', async (t) => {
  const router = await startedRouter();
  retain(router, 'a/b', '1', 1);
  retain(router, 'a/b', '2', 2);
  router.send('a/b', 'not retained');
  t.same(kept(router, 'a/b'), ['a/b=2']);
  t.match(router.retainedFor('a/b'), [{ qos: 2, retain: true }]);
  t.match(router.stats(), { retained: 1 });
});

t.test('it is delivered, too, to those who are there already', async (t) => {
  const router = await startedRouter();
  const inbox = new Inbox();
  router.login('a', inbox);
  retain(router, 'a', 'x');
  t.same(inbox.texts, ['x']);
});

t.test('an empty payload clears it, and is delivered itself [MQTT-3.3.1-10]', async (t) => {
  const router = await startedRouter();
  const inbox = new Inbox();
  router.login('a/b', inbox);
  retain(router, 'a/b', 'x');
  retain(router, 'a/b/c', 'y');
  retain(router, 'a/b', '');
  retain(router, 'never', '');
  t.same(kept(router, '#'), ['a/b/c=y']);
  t.same(inbox.texts, ['x', '']);
  retain(router, 'a/b/c', '');
  t.match(router.stats(), { retained: 0, retainedBytes: 0 });
});

t.test('a filter finds what it matches, $-topics only by name', async (t) => {
  const router = await startedRouter();
  for (const id of ['a', 'a/b', 'a/c/d', '$SYS/up', '/', 'e']) retain(router, id, 'x');
  const found = (filter: string) =>
    router
      .retainedFor(filter)
      .map(({ id }) => id)
      .sort();
  t.same(found('#'), ['/', 'a', 'a/b', 'a/c/d', 'e']);
  t.same(found('+'), ['a', 'e']);
  t.same(found('a/#'), ['a', 'a/b', 'a/c/d']);
  t.same(found('a/+'), ['a/b']);
  t.same(found('+/up'), []);
  t.same(found('$SYS/+'), ['$SYS/up']);
  t.same(found('+/+'), ['/', 'a/b']);
  t.same(found('a/c'), []);
});

t.test('limits on count, size and bytes in all are kept, and each refusal is counted', async (t) => {
  const router = await startedRouter({ maxRetained: 2, maxRetainedSize: 10, retainedBytesTotalMax: 925 });
  retain(router, 'a', 'x');
  retain(router, 'b', 'x');
  retain(router, 'c', 'x');
  t.same(kept(router, '#'), ['a=x', 'b=x']);
  t.match(router.stats().retainedRefused, { count: 1, size: 0, bytes: 0 });
  retain(router, 'a', 'x'.repeat(10));
  t.same(kept(router, 'a'), [`a=${'x'.repeat(10)}`], 'one that is there may change at the limit');
  retain(router, 'b', 'x'.repeat(11));
  t.match(router.stats().retainedRefused, { count: 1, size: 1, bytes: 0 });
  t.same(kept(router, 'b'), [], 'what is out of date is not told either');
  retain(router, 'b', 'x'.repeat(10));
  retain(router, 'b', 'x');
  t.match(router.stats(), { retained: 2 });
  retain(router, 'bbbbbb', '');
  retain(router, 'b', '');
  retain(router, 'bbbbbbbbb', 'x'.repeat(10));
  t.match(router.stats().retainedRefused, { count: 1, size: 1, bytes: 1 });
  t.match(router.stats(), { retained: 1 });
});

t.test('each level of an id counts, where several ids share it once', async (t) => {
  const router = await startedRouter();
  const bytesOf = (id: string) => {
    const before = router.stats().retainedBytes;
    retain(router, id, 'x');
    return router.stats().retainedBytes - before - id.length;
  };
  const one = bytesOf('a');
  const level = (bytesOf('b/c/d') - one) / 2;
  t.ok(level >= 60 && level <= 150, `${level} bytes`);
  t.equal(bytesOf('b/c/d/e'), one);
  t.equal(bytesOf('b/c'), one - level, 'it was there as a level already');
  const deep = await startedRouter({ retainedBytesTotalMax: 100 * level });
  retain(deep, 'a/'.repeat(99), 'x');
  t.match(deep.stats(), { retained: 0, retainedBytes: 0, retainedRefused: { bytes: 1 } });
});

t.test('the counted bytes are about the used ones', async (t) => {
  const levels = 'abcdefghij'.repeat(12).split('').join('/');
  const shapes: Record<string, (n: number) => string> = {
    'one level': (n) => `${n}r`,
    '121 levels': (n) => `${n}r/${levels}`,
    'two together': (n) => `user/${n >> 1}/${n & 1}`,
    'nine together': (n) => `user/${Math.floor(n / 9)}/${n % 9}`,
    'a tree of twos': (n) => n.toString(2).padStart(13, '0').split('').join('/'),
  };
  for (const [name, id] of Object.entries(shapes)) {
    const router = await startedRouter();
    const before = usedHeapBytes();
    for (let n = 0; n < 8_000; n++) retain(router, id(n), 'x');
    const taken = usedHeapBytes() - before;
    const { retained, retainedBytes } = router.stats();
    t.equal(retained, 8_000);
    const ratio = retainedBytes / taken;
    t.ok(ratio > 0.8 && ratio < 2.2, `${name}: ${retainedBytes} bytes counted, ${taken} measured`);
  }
});

t.test('a refused message is delivered all the same', async (t) => {
  const router = await startedRouter({ maxRetained: 0 });
  const inbox = new Inbox();
  router.login('a', inbox);
  retain(router, 'a', 'x');
  t.same(inbox.texts, ['x']);
});

t.test('a kept message owns its bytes, and its encodings are not kept', async (t) => {
  const router = await startedRouter();
  const pool = Buffer.alloc(8_192, 'x');
  for (const size of [10, 64, 100, 4_000]) {
    const message = new Message(`size/${size}`, pool.subarray(100, 100 + size), 0, 1, true);
    message.wire = [Buffer.alloc(100)];
    router.publish(message);
    const [found] = router.retainedFor(`size/${size}`);
    t.equal(found!.payload.length, size);
    t.ok(found!.payload.buffer.byteLength <= size + 64, `${size} B in ${found!.payload.buffer.byteLength}`);
    t.equal(found!.wire, undefined);
    found!.wire = [Buffer.alloc(100)];
    t.equal(router.retainedFor(`size/${size}`)[0]!.wire, undefined);
  }
});

t.test('a filter looks only where it can match: 100,000 others cost it nothing', async (t) => {
  const router = await startedRouter();
  for (let n = 0; n < 100_000; n++) retain(router, `user/${n}/status`, 'x');
  router.retainedFor('user/5/+'); // warm
  const startedMs = cpuMs();
  for (let n = 0; n < 1_000; n++) router.retainedFor(`user/${n}/+`);
  const tookMs = cpuMs() - startedMs;
  t.ok(tookMs < 200, `${tookMs.toFixed(1)} ms for 1,000 lookups; a scan takes over 10 s`);
});

t.test('random retained messages are found as a naive matcher finds them', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed}`);
  const router = await startedRouter({ maxRetained: 60 });
  const model = new Map<string, string>();
  const levels = ['a', 'b', '', '$s', 'x'.repeat(20)];
  const randomId = () =>
    Array.from({ length: 1 + random.below(4) }, () => random.pick(levels)).join('/') || '/';
  for (let step = 0; step < 10_000; step++) {
    const id = randomId();
    if (random.chance(0.6)) {
      const text = random.chance(0.3) ? '' : `${step}`;
      retain(router, id, text);
      if (text === '') model.delete(id);
      else if (model.has(id) || model.size < 60) model.set(id, text);
    } else {
      const parts = id.split('/').map((level) => (random.chance(0.4) ? '+' : level));
      if (random.chance(0.3)) parts.push('#');
      const filter = parts.join('/');
      const expected = [...model]
        .filter(([one]) => naiveMatch(filter, one))
        .map(([one, text]) => `${one}=${text}`);
      const found = kept(router, filter);
      if (found.join() !== expected.sort().join())
        return t.fail(`step ${step}: ${filter}: ${found} not ${expected}`);
    }
  }
  t.match(router.stats(), { retained: model.size });
  for (const id of model.keys()) retain(router, id, '');
  t.match(router.stats(), { retained: 0, retainedBytes: 0 });
});

function usedHeapBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

t.test(
  'whether anything is retained for a filter is told without a walk, and never no where a walk finds something',
  async (t) => {
    const router = await startedRouter();
    t.equal(router.mayHaveRetained('#'), false, 'nothing is retained at all');
    for (const id of ['a/b/c', 'd', '$SYS/x']) router.publish(new Message(id, Buffer.from('x'), 0, 0, true));
    const filters = [
      'a',
      'a/b',
      'a/b/c',
      'a/b/c/d',
      'a/#',
      'a/b/c/#',
      'a/+',
      '+',
      '#',
      'd',
      'd/#',
      'e',
      'e/#',
      '$SYS/#',
      '+/x',
    ];
    for (const filter of filters)
      if (router.retainedFor(filter).length > 0) t.ok(router.mayHaveRetained(filter), filter);
    for (const filter of ['a', 'a/b', 'a/b/c/d', 'e', 'b/c', ''])
      t.notOk(router.mayHaveRetained(filter), filter);
  },
);
