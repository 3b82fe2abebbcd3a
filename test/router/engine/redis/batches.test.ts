import t, { type Test } from 'tap';
import { RedisServer, type RedisServerOptions } from '../../../redis-server.js';
import { Functions, run, Subscriber } from './functions.js';

/** Batches: all of one runs or nothing, late and superseded ones do nothing, and a node learns which ran. */

async function nodeOf(
  t: Test,
  options?: RedisServerOptions,
): Promise<{ server: RedisServer; node: Functions }> {
  const server = await RedisServer.start(options);
  t.teardown(() => server.stop());
  return { server, node: await Functions.open(server) };
}

t.test('a late batch does nothing', async (t) => {
  const { server, node } = await nodeOf(t);
  const subscriber = await Subscriber.of(server, ['encke:i:123']);
  const { seq, nowMs } = await node.place();
  await t.rejects(node.publish([{ id: '123' }], { notAfterMs: nowMs - 1 }), /^LATE/);
  t.equal((await node.place()).seq, seq);
  t.equal(await node.redis.exists('encke:h:123'), 0);
  await node.publish([{ id: '123', body: '\0in time' }], { notAfterMs: nowMs + 60_000 });
  const { entries } = await node.read('123', 0);
  t.strictSame(
    entries.map(({ body }) => body),
    ['in time'],
  );
  t.equal((await subscriber.take()).length, 1);
});

t.test('a batch of an older connection does nothing once a newer one has begun', async (t) => {
  const { node } = await nodeOf(t);
  const old = node.generation;
  await node.begin();
  await t.rejects(node.publish([{ id: '123' }], { generation: old }), /^SUPERSEDED/);
  await t.rejects(node.begin({ generation: old }), /^SUPERSEDED/);
  await t.rejects(node.publish([{ id: '123' }], { runOf: run('f') }), /^SUPERSEDED/, 'one that never began');
  t.strictSame((await node.read('123', 0)).entries, []);
  t.equal((await node.publish([{ id: '123' }])).outcomes.length, 1);
});

t.test('a node learns which of its batches ran', async (t) => {
  const { node } = await nodeOf(t);
  const ran = async () => {
    const { last, bits } = await node.begin();
    return Array.from({ length: last }, (_, i) => i + 1).filter(
      (number) => last - number < 16 && ((bits >> (last - number)) & 1) === 1,
    );
  };
  t.strictSame(await ran(), []);
  await node.publish([{ id: '123' }], { number: 1 });
  await node.publish([{ id: '123' }], { number: 2 });
  t.strictSame(await ran(), [1, 2]);
  await t.rejects(node.publish([{ id: '123' }], { number: 3, notAfterMs: 1 }), /^LATE/);
  await node.publish([{ id: '123' }], { number: 4 });
  t.strictSame(await ran(), [1, 2, 4], 'a late one did not, though a later one did');
  await t.rejects(node.publish([{ id: '123' }], { number: 3 }), /^SUPERSEDED/, 'nor may it come behind that');
  await t.rejects(node.publish([{ id: '123' }], { number: 4 }), /^SUPERSEDED/, 'nor one twice');
  await node.publish([{ id: '123' }], { number: 25 });
  t.strictSame(await ran(), [25], 'of 16 it is known');
  t.equal((await node.read('123', 0)).entries.length, 4);
});

t.test('a batch that waits in Redis while its connection breaks', async (t) => {
  const { server, node } = await nodeOf(t);
  const { life } = await node.begin();
  const other = new Functions(server, node.run);
  other.generation = node.generation;
  server.pause();
  const pending = node.publish([{ id: '123', body: '\0under way' }]);
  pending.catch(() => {});
  await new Promise((resolve) => setImmediate(resolve)); // it is in the socket
  node.redis.disconnect();
  const begun = other.begin();
  server.resume();
  const { last, bits, life: same } = await begun;
  const { entries } = await other.read('123', 0);
  t.equal(same, life);
  t.equal(last === 1 && bits === 1, entries.length === 1, 'what begin says is what ran');
  t.equal(last, 1, 'it had come before the connection broke');
});

t.test('knowledge lost with the process, or with the functions, is not taken for known', async (t) => {
  const { server, node } = await nodeOf(t);
  await node.send('123');
  const { life } = await node.begin();
  await node.redis.call('FUNCTION', 'FLUSH');
  await node.library.load(node.redis);
  await t.rejects(node.send('123'), /^SUPERSEDED/);
  const second = await node.begin();
  t.not(second.life, life);
  t.equal(second.begin < (await node.place()).seq, true, 'no generation: the places are there');
  t.ok((await node.send('123')) > second.seq);
  await node.redis.save();
  await server.restart();
  await t.rejects(node.send('123'), /^SUPERSEDED/);
  await t.rejects(node.read('123', 0), /^SUPERSEDED/);
  t.not((await node.begin()).life, second.life);
});

t.test('bad arguments do nothing, and say what was wanted', async (t) => {
  const { node } = await nodeOf(t);
  const { seq } = await node.place();
  const forever = 4e12;
  const bad: [RegExp, (string | number)[]][] = [
    [/^ARGUMENT publish run/, []],
    [/^ARGUMENT publish run/, [node.run, 1, 1, forever]],
    [/^ARGUMENT publish run/, [node.run, 1, 1, forever, 'id', '', '', '\0']],
    [/^ARGUMENT publish run/, [node.run, 1, 'x', forever, 'id', '', '', '\0', '']],
    [/^ARGUMENT publish run/, [node.run, 1, 1, 'soon', 'id', '', '', '\0', '']],
    [/^ARGUMENT a rule is messages:ageMs, got x/, [node.run, 1, 1, forever, 'id', 'x', '', '\0', '']],
    [/^ARGUMENT a rule keeps something/, [node.run, 1, 1, forever, 'id', '0:1000', '', '\0', '']],
    [/^ID an id has 1 to 65535 bytes/, [node.run, 1, 1, forever, '', '', '', '\0', '']],
    [/^ID an id has 1 to 65535 bytes/, [node.run, 1, 1, forever, 'x'.repeat(65_536), '', '', '\0', '']],
    [/^ID/, [node.run, 1, 1, forever, 'good', '', '', '\0', '', '', '', '', '\0', '']],
  ];
  for (const [expected, args] of bad) await t.rejects(node.call('publish', ...args), expected);
  await t.rejects(node.call('begin', 'short'), /^ARGUMENT begin run/);
  await t.rejects(node.call('begin', 'G'.repeat(16), 1, 0, 0, 1, 'c', '[]', '{}'), /^ARGUMENT begin run/);
  await t.rejects(node.call('place', 'x'), /^ARGUMENT place run/);
  await t.rejects(node.call('read', node.run, 'x'), /^ARGUMENT read run/);
  await t.rejects(node.call('read', node.run, 10, 'id', 'x', '1:1'), /^ARGUMENT read wants/);
  await t.rejects(node.call('read', node.run, 10, 'id', 0, ''), /^ARGUMENT read wants/);
  t.equal((await node.place()).seq, seq);
});

t.test('where one id is unusable, its message alone is refused', async (t) => {
  const { server, node } = await nodeOf(t);
  const subscriber = await Subscriber.of(server, ['encke:i:1', 'encke:i:2', 'encke:i:3']);
  await node.redis.set('encke:h:2', 'somebody was here');
  const { outcomes, seq } = await node.publish([{ id: '1' }, { id: '2' }, { id: '3' }]);
  t.strictSame(outcomes.slice(0, 3), [1, -1, 1]);
  t.match(outcomes[3], /^WRONGTYPE/);
  t.strictSame(
    (await subscriber.take()).map(({ channel, place }) => [channel, place]),
    [
      ['encke:i:1', seq - 2],
      ['encke:i:3', seq],
    ],
  );
});

t.test('what became of the messages of the last 16 batches is known, where not all went out', async (t) => {
  const { node } = await nodeOf(t);
  await node.redis.set('encke:h:2', 'somebody was here');
  await node.publish([{ id: '1' }, { id: '2' }]);
  await node.publish([{ id: '2' }]);
  t.strictSame((await node.begin()).troubled, { 1: '+-', 2: '-' });
  await node.publish([{ id: '2' }, { id: '1' }], { number: 17 });
  t.strictSame((await node.begin()).troubled, { 2: '-', 17: '-+' });
  await node.publish([{ id: '1' }], { number: 18 });
  t.equal((await node.begin()).troubled[18], undefined, 'one that all went out is not named');
});

t.test('where one message breaks off, the others go out, and it is told', async (t) => {
  const { server, node } = await nodeOf(t);
  const channels = ['encke:i:1', 'encke:i:2', 'encke:i:3', 'encke:i:4'];
  const subscriber = await Subscriber.of(server, channels);
  await node.redis.set('encke:r:m', 'somebody was here');
  const sent = ['1', '2', '3', '4'].map((id) => ({ id, body: id === '2' || id === '4' ? '\x04x' : '\0x' }));
  const { outcomes } = await node.publish(sent);
  t.strictSame(outcomes.slice(0, 4), [1, -2, 1, -2]);
  t.match(outcomes[4], /^WRONGTYPE/);
  t.equal(outcomes.length, 5);
  t.strictSame(
    (await subscriber.take()).map(({ channel }) => channel),
    ['encke:i:1', 'encke:i:3'],
    'what goes wrong goes wrong before the copies',
  );
  const { last, bits, troubled } = await node.begin();
  t.strictSame([last, bits], [1, 1], 'it has run');
  t.strictSame(troubled, { 1: '+?+?' }, 'and who did not hear the answer learns what went out');
  await node.redis.del('encke:r:m');
  t.strictSame((await node.publish([{ id: '2', body: '\x04x' }])).outcomes, [1]);
});

t.test(
  'what all of a batch needs is done first: without it nothing goes out, and it has not run',
  async (t) => {
    const { server, node } = await nodeOf(t);
    const subscriber = await Subscriber.of(server, ['encke:i:123']);
    const { nowMs } = await node.place();
    const seconds = Array.from({ length: 30 }, (_, n) => `encke:recent:${Math.floor(nowMs / 1000) + n}`);
    for (const second of seconds) await node.redis.lpush(second, 'somebody was here');
    await t.rejects(node.send('123'), /^WRONGTYPE/);
    t.strictSame(await subscriber.take(), []);
    t.equal(await node.redis.exists('encke:h:123'), 0);
    t.equal((await node.begin()).last, 0);
  },
);

t.test('full memory refuses a batch as a whole, and leaves no bit; later ones run', async (t) => {
  const { node } = await nodeOf(t);
  await node.publish([{ id: '123' }], { number: 1 });
  await node.redis.call('CONFIG', 'SET', 'maxmemory', '1');
  await t.rejects(node.publish([{ id: '123' }, { id: '124' }], { number: 2 }), /^OOM/);
  t.ok((await node.place()).seq > 0, 'the node can still be heard');
  t.equal((await node.begin()).last, 1);
  await node.redis.call('CONFIG', 'SET', 'maxmemory', '0');
  await node.publish([{ id: '123' }], { number: 3 });
  const { last, bits } = await node.begin();
  t.strictSame([last, bits & 7], [3, 0b101]);
});

t.test('a key makes a repetition safe: it does nothing, and is answered as the first', async (t) => {
  const { server, node } = await nodeOf(t);
  const subscriber = await Subscriber.of(server, ['encke:i:123', 'encke:i:456']);
  const first = await node.publish([{ id: '123', key: 'k1', rule: '' }]);
  t.strictSame(first.outcomes, [1]);
  const again = await node.publish([{ id: '123', key: 'k1' }, { id: '123' }, { id: '123', key: 'k2' }]);
  t.strictSame(again.outcomes, [`${first.seq} 1`, 1, 1]);
  const twice = await node.publish([
    { id: '123', key: 'k3' },
    { id: '123', key: 'k3' },
  ]);
  t.strictSame(twice.outcomes, [1, `${twice.seq - 1} 1`], 'within one batch, too');
  const other = await node.publish([{ id: '456', key: 'k1' }]);
  t.strictSame(other.outcomes, [1], 'the key of another id is another key');
  t.equal((await subscriber.take()).length, 5);
  const ttl = await node.redis.pttl('encke:k:3:123:k1');
  t.ok(ttl > 290_000 && ttl <= 300_000, 'for five minutes');
  const restarted = new Functions(server, run('b'));
  await restarted.begin();
  t.strictSame(
    (await restarted.publish([{ id: '123', key: 'k1' }])).outcomes,
    [`${first.seq} 1`],
    'by another node, too',
  );
});

t.test('one begins for one list of servers only', async (t) => {
  const { node } = await nodeOf(t);
  const { cluster } = await node.begin({ cluster: 'another' });
  t.equal(cluster, 'c1', 'the first proposal holds');
  await t.rejects(node.begin({ count: 2 }), /^SHARD 0 1 c1/);
  await t.rejects(node.begin({ index: 1, count: 2 }), /^SHARD 0 1 c1/);
  const second = (await nodeOf(t)).node;
  await second.redis.flushall();
  await second.begin({ index: 1, count: 2, cluster: 'c1' });
  await second.begin({ index: 1, count: 2, cluster: 'c1' });
  await t.rejects(second.begin({ index: 1, count: 2, cluster: 'c2' }), /^SHARD 1 2 c1/, 'of another shard 0');
});

t.test('data in another format are left alone', async (t) => {
  const { server, node } = await nodeOf(t);
  await node.redis.hset('encke:meta', 'format', '99');
  await node.redis.save();
  await server.restart();
  await t.rejects(node.begin(), /^FORMAT the data in Redis has format 99/);
  await t.rejects(node.place(), /^SUPERSEDED/);
});
