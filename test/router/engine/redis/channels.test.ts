import t, { type Test } from 'tap';
import { RedisServer } from '../../../redis-server.js';
import { type Copy, Functions, Subscriber } from './functions.js';

/** Channels of a message: of its id, of the literal parts of filters, and of nodes that keep retained messages. */

async function nodeOf(t: Test): Promise<{ server: RedisServer; node: Functions }> {
  const server = await RedisServer.start();
  t.teardown(() => server.stop());
  return { server, node: await Functions.open(server) };
}

function withId({ rest }: Copy): { id: string; rest: string } {
  const length = rest.readUInt16BE(0);
  return { id: rest.toString('utf8', 2, 2 + length), rest: rest.toString('latin1', 2 + length) };
}

t.test('an id, its prefixes from long to short, and what is retained, all with one place', async (t) => {
  const { server, node } = await nodeOf(t);
  const channels = ['r', 'f', 'f:', 'i:a/b/c', 'f:a/', 'f:a/b/c/', 'f:a/b/', 'f:b/', 'i:a/b', 'f:a'];
  const subscriber = await Subscriber.of(
    server,
    channels.map((channel) => `encke:${channel}`),
  );
  const { seq, outcomes } = await node.publish([{ id: 'a/b/c', head: 'H', body: '\x05text' }]);
  t.strictSame(outcomes, [5], 'the copy on the channel of what is retained is not counted');
  const copies = await subscriber.take();
  t.strictSame(
    copies.map(({ channel }) => channel),
    ['encke:i:a/b/c', 'encke:f:a/b/c/', 'encke:f:a/b/', 'encke:f:a/', 'encke:f:', 'encke:r'],
  );
  t.ok(copies.every(({ place }) => place === seq));
  t.equal(copies[0]!.rest.toString('latin1'), 'H\x05text');
  for (const copy of copies.slice(1)) t.strictSame(withId(copy), { id: 'a/b/c', rest: 'H\x05text' });
});

t.test('each channel that somebody has, and no other, for ids of any shape', async (t) => {
  const { server, node } = await nodeOf(t);
  const cases: [id: string, prefixes: string[]][] = [
    ['1', ['1/', '']],
    ['/1', ['/1/', '/', '']],
    ['1/', ['1//', '1/', '']],
    ['//', ['///', '//', '/', '']],
    ['$SYS/x', ['$SYS/x/', '$SYS/']],
    ['$', ['$/']],
    ['grüße/ü', ['grüße/ü/', 'grüße/', '']],
    ['a b/%', ['a b/%/', 'a b/', '']],
  ];
  const all = [...new Set(cases.flatMap(([, prefixes]) => prefixes))];
  const subscriber = await Subscriber.of(server, ['encke:f', ...all.map((prefix) => `encke:f:${prefix}`)]);
  for (const [id, prefixes] of cases) {
    const { outcomes } = await node.publish([{ id, rule: '' }]);
    t.strictSame(
      (await subscriber.take()).map(({ channel }) => channel.slice('encke:f:'.length)),
      prefixes,
      id,
    );
    t.strictSame(outcomes, [prefixes.length], id);
  }
  const batch = await node.publish(cases.map(([id]) => ({ id, rule: '' })));
  t.strictSame(
    batch.outcomes,
    cases.map(([, { length }]) => length),
    'in one batch the same',
  );
});

t.test('nothing goes to prefixes while no node says that it has filters', async (t) => {
  const { server, node } = await nodeOf(t);
  const subscriber = await Subscriber.of(server, ['encke:f:', 'encke:f:1/']);
  t.strictSame((await node.publish([{ id: '1' }])).outcomes, [0]);
  const asked = await node.redis.info('commandstats');
  await Subscriber.of(server, ['encke:f']);
  t.strictSame((await node.publish([{ id: '1' }])).outcomes, [2]);
  t.equal((await subscriber.take()).length, 2);
  t.match(asked, /cmdstat_pubsub\|numsub:calls=1,/, 'and there is one question for that');
});

t.test('a batch comes in its order, and each message with the next place', async (t) => {
  const { server, node } = await nodeOf(t);
  const subscriber = await Subscriber.of(server, ['encke:i:1', 'encke:i:2', 'encke:f', 'encke:f:']);
  const { seq } = await node.publish([{ id: '1' }, { id: '2' }, { id: '1', rule: '' }, { id: '3' }]);
  t.strictSame(
    (await subscriber.take()).map(({ channel, place }) => `${channel} ${place - seq}`),
    [
      'encke:i:1 -3',
      'encke:f: -3',
      'encke:i:2 -2',
      'encke:f: -2',
      'encke:i:1 -1',
      'encke:f: -1',
      'encke:f: 0',
    ],
  );
});

t.test('ids of 128 levels in a batch of 64', async (t) => {
  const { server, node } = await nodeOf(t);
  const ids = Array.from({ length: 64 }, (_, n) => `${n}/${'x/'.repeat(126)}y`);
  const subscriber = await Subscriber.of(server, [
    'encke:f',
    `encke:f:${ids[63]}/`,
    'encke:f:63/',
    'encke:f:63/x/x/',
  ]);
  const { outcomes } = await node.publish(ids.map((id) => ({ id })));
  t.strictSame(outcomes, [...new Array<number>(63).fill(0), 3]);
  t.equal((await subscriber.take()).length, 3);
});

t.test('an operator who listens by a pattern counts as a copy, as Redis says nothing else', async (t) => {
  const { server, node } = await nodeOf(t);
  await server.client().psubscribe('encke:*');
  t.strictSame((await node.publish([{ id: '123' }])).outcomes, [1]);
});
