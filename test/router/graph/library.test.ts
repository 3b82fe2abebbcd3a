import t from 'tap';
import { Graph, InvalidArgumentError, InvalidIdError, openGraph } from '../../../router/index.js';

t.test('edges are added and removed, each once', async (t) => {
  const graph = new Graph();
  t.equal(
    await graph.addSubscriptions([
      ['a', 'b'],
      ['c', 'b'],
      ['b', 'a'],
      ['a', 'b'],
    ]),
    3,
    'a cycle is fine',
  );
  t.same(graph.subscribersOf('b'), { count: 2, ids: graph.subscribersOf('b').ids, next: undefined });
  t.same(graph.subscribersOf('b').ids.sort(), ['a', 'c']);
  t.same(graph.subscriptionsOf('a').ids, ['b']);
  t.same(graph.subscriptionsOf('nobody'), { count: 0, ids: [], next: undefined });
  t.equal(
    await graph.removeSubscriptions([
      ['a', 'b'],
      ['a', 'b'],
      ['x', 'y'],
    ]),
    1,
  );
  t.same(graph.subscribersOf('b').ids, ['c']);
  t.equal(graph.edges, 2);
  t.equal(graph.ids, 3);
});

t.test('an edge to itself changes nothing, and bad arguments change nothing at all', async (t) => {
  const graph = new Graph({ idBytesMax: 10 });
  t.equal(await graph.addSubscriptions([['a', 'a']]), 0);
  await t.rejects(
    graph.addSubscriptions([
      ['a', 'b'],
      ['c', '+'],
    ]),
    InvalidIdError,
  );
  await t.rejects(
    graph.addSubscriptions([
      ['a', 'b'],
      ['c', 'x'.repeat(11)],
    ]),
    InvalidIdError,
  );
  await t.rejects(graph.addSubscriptions([['a', 'b', 'c']] as never), InvalidArgumentError);
  await t.rejects(graph.addSubscriptions(['ab'] as never), InvalidArgumentError);
  t.equal(graph.edges, 0);
  t.equal(graph.ids, 0);
});

t.test('the limits of a graph', async (t) => {
  const few = new Graph({ subscriptionsMax: 2 });
  await few.addSubscriptions([
    ['a', 'b'],
    ['a', 'c'],
  ]);
  t.equal(few.add('a', 'd'), 'too-many-subscriptions');
  t.equal(few.add('a', 'b'), 'unchanged');
  await t.rejects(few.addSubscriptions([['a', 'd']]), { name: 'RangeError', message: /as many others/ });
  few.remove('a', 'b');
  t.equal(few.add('a', 'd'), 'changed');

  const small = new Graph({ bytesMax: 4 * 1024 * 1024 });
  let added = 0;
  while (small.add(`${added}`, `of/${added % 1000}`) === 'changed') added++;
  t.equal(small.add('one more', 'x'), 'full');
  t.ok(added > 10_000, `${added} edges`);
  t.ok(small.bytes < 6 * 1024 * 1024, `${small.bytes} bytes`);
  t.throws(() => new Graph({ bytesMax: -1 }), RangeError);
});

t.test('a graph on disk is there again', async (t) => {
  const directory = t.testdir();
  const first = await openGraph(directory);
  await first.addSubscriptions([
    ['user/7', 'photo/789'],
    ['日本', 'user/7'],
    ['123', 'user/7'],
  ]);
  for (let n = 0; n < 1000; n++) first.add(`fan/${n}`, 'star');
  await first.stored();
  await first.removeSubscriptions([['123', 'user/7']]);
  await first.close();

  const second = await openGraph(directory);
  t.equal(second.edges, 1002);
  t.equal(second.ids, 1004, 'nobody follows 123, and it follows nobody');
  t.same(second.subscribersOf('user/7').ids, ['日本']);
  t.equal(second.subscribersOf('star').count, 1000);
  t.same(second.subscribersOf('star').ids.sort(), Array.from({ length: 1000 }, (_, n) => `fan/${n}`).sort());
  t.equal(
    await second.addSubscriptions([
      ['fan/1', 'star'],
      ['new', 'star'],
    ]),
    1,
    'a number is used again',
  );
  await second.close();

  const third = await openGraph(directory);
  t.equal(third.subscribersOf('star').count, 1001);
  t.equal(third.add('new', 'star'), 'unchanged');
  await third.close();
});

t.test('all that is changed at once is stored together', async (t) => {
  const graph = await openGraph(t.testdir());
  t.teardown(() => graph.close());
  const all = await Promise.all(
    Array.from({ length: 200 }, (_, n) => graph.addSubscriptions([[`${n}`, 'star']])),
  );
  t.same(new Set(all), new Set([1]));
  t.equal(graph.subscribersOf('star').count, 200);
});

t.test('a part of all edges looks at a bounded number of ids, and the next one goes on', async (t) => {
  const graph = new Graph();
  await graph.addSubscriptions(Array.from({ length: 12_000 }, (_, n) => [`user/${n}`, 'star']));
  let looked = 0;
  let parts = 0;
  let after: number | undefined = -1;
  for (; after !== undefined; parts++) {
    const before = looked;
    const part = graph.edgesAfter(after, 100, () => {
      looked++;
      return false;
    });
    t.same(part.edges, []);
    t.ok(looked - before <= 5_000);
    after = part.next;
  }
  t.equal(looked, 12_000);
  t.equal(parts, 3);
});
