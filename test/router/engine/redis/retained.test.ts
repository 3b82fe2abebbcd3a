import t, { type Test } from 'tap';
import { RedisServer } from '../../../redis-server.js';
import { SeededRandom } from '../../../seeded-random.js';
import { Functions, limitsText, Subscriber } from './functions.js';

/** Retained messages: every node can read the changes since a place. */

async function nodeOf(t: Test): Promise<{ server: RedisServer; node: Functions }> {
  const server = await RedisServer.start();
  t.teardown(() => server.stop());
  return { server, node: await Functions.open(server) };
}

interface Page {
  floor: number;
  next: number;
  complete: boolean;
  /** '' = cleared. */
  changes: { id: string; place: number; text: string }[];
}

async function pageOf(node: Functions, after: number, bytesMax = 1_000_000): Promise<Page> {
  const command = ['FCALL', `${node.library.prefix}retained`, '0', String(after), String(bytesMax)] as const;
  const reply = (await node.redis.callBuffer(...command)) as unknown as [number, number, number, ...Buffer[]];
  const [floor, next, complete, ...flat] = reply;
  const changes: Page['changes'] = [];
  for (let i = 0; i < flat.length; i += 2) {
    const entry = flat[i + 1]!;
    changes.push({
      id: flat[i]!.toString(),
      place: Number(entry.readBigUInt64BE(0)),
      text: entry.toString('utf8', 9),
    });
  }
  return { floor, next, complete: complete === 1, changes };
}

/** As a node does it: page by page. */
async function follow(
  node: Functions,
  known: Map<string, string>,
  after: number,
  bytesMax: number,
): Promise<number> {
  for (;;) {
    const { next, complete, changes } = await pageOf(node, after, bytesMax);
    for (const { id, text } of changes) {
      if (text === '') known.delete(id);
      else known.set(id, text);
    }
    after = next;
    if (complete) return after;
  }
}

const retain = (id: string, text: string) => ({ id, body: `\x04${text}`, rule: '' });

t.test('a read returns what was retained and cleared behind a place, and nothing else', async (t) => {
  const { node } = await nodeOf(t);
  await node.publish([retain('a', '1'), retain('b', '1'), retain('c', '1')]);
  const { next, complete, changes } = await pageOf(node, 0);
  t.ok(complete);
  t.strictSame(
    changes.map(({ id, text }) => [id, text]),
    [
      ['a', '1'],
      ['b', '1'],
      ['c', '1'],
    ],
  );
  const { seq } = await node.publish([retain('b', '2'), retain('c', ''), retain('never', ''), { id: 'a' }]);
  const later = await pageOf(node, next);
  t.strictSame(
    later.changes.map(({ id, text, place }) => [id, text, place - seq]),
    [
      ['b', '2', -3],
      ['c', '', -2],
    ],
  );
  t.ok(later.floor <= next, 'nothing was missed');
  t.strictSame((await pageOf(node, later.next)).changes, []);
  t.strictSame(
    (await pageOf(node, 0)).changes.map(({ id }) => id),
    ['a', 'b', 'c'],
  );
  await node.publish([retain('c', '3')]);
  t.strictSame(
    (await pageOf(node, later.next)).changes.map(({ id, text }) => [id, text]),
    [['c', '3']],
    'retained again: it is not cleared any more',
  );
});

t.test('ids with $ go to the nodes and are not kept', async (t) => {
  const { server, node } = await nodeOf(t);
  const subscriber = await Subscriber.of(server, ['encke:r']);
  await node.publish([retain('$SYS/x', '1')]);
  t.equal((await subscriber.take()).length, 1);
  t.strictSame((await pageOf(node, 0)).changes, []);
});

t.test('clears are known for an hour; who knows less is told to read all', async (t) => {
  const { node } = await nodeOf(t);
  await node.publish([retain('a', '1'), retain('b', '1')]);
  const { next } = await pageOf(node, 0);
  await node.publish([retain('a', '')]);
  const place = Number(await node.redis.zscore('encke:r:t', 'a'));
  t.ok(place > next);
  await node.redis.zadd('encke:r:t', place - 3_700_000_000, 'a'); // an hour later
  await node.call('alive', node.run);
  await node.publish([retain('b', '')]);
  const { floor, changes } = await pageOf(node, place - 3_700_000_000 - 1);
  t.ok(floor > place - 3_700_000_000, 'what was cleared before is forgotten, and the floor says so');
  t.notOk(changes.some(({ id }) => id === 'a'));
});

t.test('no more clears are known than may be retained; who knows less is told to read all', async (t) => {
  const { node } = await nodeOf(t);
  await node.begin({ limits: limitsText.replace('}', ',"retainedMax":20}') });
  await node.publish([retain('kept', '1')]);
  const { next } = await pageOf(node, 0);
  for (let n = 0; n < 60; n++) await node.publish([retain(`id${n}`, '1'), retain(`id${n}`, '')]);
  await node.call('alive', node.run);
  t.equal(await node.redis.zcard('encke:r:t'), 20);
  const newest = (await pageOf(node, 0)).changes.filter(({ text }) => text === '').map(({ id }) => id);
  t.strictSame(
    newest,
    Array.from({ length: 20 }, (_, n) => `id${n + 40}`),
    'the newest',
  );
  const { floor } = await pageOf(node, next);
  const oldest = Number(await node.redis.zscore('encke:r:t', 'id40'));
  t.ok(floor > next && floor < oldest);
});

t.test('pages by bytes and by number', async (t) => {
  const { node } = await nodeOf(t);
  const all = Array.from({ length: 1_300 }, (_, i) => retain(`id${i}`, 'x'.repeat(91)));
  for (let i = 0; i < all.length; i += 50) await node.publish(all.slice(i, i + 50));
  const first = await pageOf(node, 0);
  t.ok(first.changes.length <= 500 && !first.complete);
  const small = await pageOf(node, 0, 1_000);
  t.ok(small.changes.length < 12 && !small.complete);
  const one = await pageOf(node, 0, 1);
  t.equal(one.changes.length, 1, 'one is given, however large it is');
  const known = new Map<string, string>();
  await follow(node, known, 0, 5_000);
  t.equal(known.size, 1_300);
});

t.test('a node that follows in pages, against a model with a seed', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed}`);
  const { node } = await nodeOf(t);
  const model = new Map<string, string>();
  const known = new Map<string, string>();
  let after = 0;
  for (let step = 0; step < 300; step++) {
    const batch = Array.from({ length: 1 + random.below(20) }, () => {
      const id = `id${random.below(60)}`;
      return { id, text: random.chance(0.3) ? '' : `${step}-${random.below(100)}` };
    });
    for (const { id, text } of batch) {
      if (text === '') model.delete(id);
      else model.set(id, text);
    }
    await node.publish(batch.map(({ id, text }) => retain(id, text)));
    if (random.chance(0.3)) {
      after = await follow(node, known, after, 10 + random.below(400));
      if (!t.strictSame(new Map([...known].sort()), new Map([...model].sort()), `step ${step}`)) return;
    }
  }
});

t.test('nodes give back what a server has lost, once, and not what was cleared', async (t) => {
  const { server, node } = await nodeOf(t);
  await node.publish([retain('cleared', '1')]);
  await node.publish([retain('cleared', ''), retain('there', 'new')]);
  const subscriber = await Subscriber.of(server, ['encke:r']);
  const restore = () =>
    node.call(
      'restore',
      node.run,
      'lost',
      '\x04text',
      'cleared',
      '\x041',
      'there',
      '\x04old',
      'empty',
      '\x04',
    );
  t.equal(await restore(), 1);
  t.equal(await restore(), 0);
  const copies = await subscriber.take();
  t.equal(copies.length, 1);
  const { changes } = await pageOf(node, 0);
  t.strictSame(changes.find(({ id }) => id === 'lost')?.text, 'text');
  t.strictSame(changes.find(({ id }) => id === 'there')?.text, 'new');
  t.strictSame(changes.find(({ id }) => id === 'cleared')?.text, '');
});
