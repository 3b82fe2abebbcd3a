import t, { type Test } from 'tap';
import { shardOf } from '../../../../redis-access/shards.js';
import { RedisServer } from '../../../redis-server.js';
import { Functions, limitsText, rulesText, Subscriber } from './functions.js';

/** The functions that any program may call: <name>_send, _ids, _stats, _version. */

async function nodeOf(t: Test, name?: string): Promise<{ server: RedisServer; node: Functions }> {
  const server = await RedisServer.start();
  t.teardown(() => server.stop());
  return { server, node: await Functions.open(server, undefined, name) };
}

const send = (node: Functions, id: string | Buffer, ...args: (string | Buffer)[]) =>
  node.redis.call('FCALL', 'encke_send', '1', id, ...args);

t.test('one call reaches the nodes, and says how many copies went out', async (t) => {
  const { server, node } = await nodeOf(t);
  t.equal(await send(node, '123', 'to nobody'), 0);
  const subscriber = await Subscriber.of(server, ['encke:i:123', 'encke:f', 'encke:f:', 'encke:r']);
  t.equal(await send(node, '123', 'Hello World'), 2);
  const copies = await subscriber.take();
  t.equal(copies[0]!.rest.toString('latin1'), '\0\x01Hello World', 'nobody counts; QoS 1');
  t.equal(copies.length, 2);
  const { entries } = await node.read('123', 0);
  t.strictSame(
    entries.map(({ body }) => body),
    ['to nobody', 'Hello World'],
  );
  t.equal(entries[1]!.place, copies[0]!.place);
  const after = await node.send('123', 'of a node');
  t.ok(after > copies[0]!.place, 'one order with what nodes publish');
  t.equal(await send(node, '123', 'again'), 2);
  t.equal((await node.read('123', after)).entries.length, 1);
});

t.test('the history of an id is by the rules of the nodes', async (t) => {
  const { node } = await nodeOf(t);
  const rules = [
    ['none/#', 0, 0],
    ['two/+/x', 2, 60_000],
    ['exact', 1, 60_000],
    ['#', 3, 1_000],
  ];
  await node.begin({ rules: JSON.stringify(rules) });
  const kept: Record<string, number> = {
    none: 0,
    'none/a': 0,
    'two/1/x': 2,
    'two/1/y': 3,
    exact: 1,
    'exact/': 3,
  };
  for (const [id, count] of Object.entries(kept)) {
    for (let i = 0; i < 4; i++) await send(node, id, `${i}`);
    const all = await node.redis.exists(`encke:h:${id}`);
    if (count === 0) t.equal(all, 0, id);
    else t.equal((await node.read(id, 0, `${count}:60000`)).entries.length, count, id);
  }
  t.ok((await node.redis.pttl('encke:h:exact')) > 50_000);
  t.ok((await node.redis.pttl('encke:h:two/1/y')) <= 2_125, 'by an eighth longer than its age');
});

t.test('several ids, QoS, retained, and a key', async (t) => {
  const { server, node } = await nodeOf(t);
  const subscriber = await Subscriber.of(server, ['encke:i:1', 'encke:i:2', 'encke:r']);
  const call = (...args: string[]) => node.redis.call('FCALL', 'encke_send', '2', '1', '2', 'text', ...args);
  t.equal(await call('QOS', '2', 'retain'), 2);
  const copies = await subscriber.take();
  t.strictSame(
    copies.map(({ channel }) => channel),
    ['encke:i:1', 'encke:r', 'encke:i:2', 'encke:r'],
  );
  t.equal(copies[0]!.rest.toString('latin1'), '\0\x06text');
  t.equal(await call('KEY', 'k1'), 2);
  t.equal(await call('KEY', 'k1'), 2, 'answered as the first');
  t.equal((await subscriber.take()).length, 2, 'and nothing was sent');
  t.equal(await send(node, '1', '', 'RETAIN'), 1);
  t.strictSame(await node.redis.hkeys('encke:r:m'), ['2']);
});

t.test('refusals have a word and a sentence, and nothing is sent', async (t) => {
  const { server, node } = await nodeOf(t);
  await node.begin({ limits: JSON.stringify({ idBytesMax: 20, levelsMax: 3, payloadBytesMax: 10 }) });
  const { seq } = await node.place();
  const pattern = server.client();
  let came = 0;
  pattern.on('pmessage', () => came++);
  await pattern.psubscribe('*');
  const bad: [RegExp, (string | Buffer)[]][] = [
    [/^ID an id has no \+ and no #/, ['1', 'a/+', 'x']],
    [/^ID an id has no \+ and no #/, ['1', '#', 'x']],
    [/^ID ids that begin with \$/, ['1', '$SYS/x', 'x']],
    [/^ID an id is at least one character/, ['1', '', 'x']],
    [/^ID an id has no NUL/, ['1', 'a\0b', 'x']],
    [/^ID the id is longer than the nodes accept, 20 bytes/, ['1', 'x'.repeat(21), 'x']],
    [/^ID the id has more levels .* 3$/, ['1', 'a/b/c/d', 'x']],
    [/^ID an id is well-formed UTF-8/, ['1', Buffer.from('a\xff', 'latin1'), 'x']],
    [/^ID an id is well-formed UTF-8/, ['1', Buffer.from([0xed, 0xa0, 0x80]), 'x']],
    [/^ID an id is well-formed UTF-8/, ['1', Buffer.from([0xc0, 0xaf]), 'x']],
    [/^ID an id is well-formed UTF-8/, ['1', Buffer.from([0xf4, 0x90, 0x80, 0x80]), 'x']],
    [/^ID an id is well-formed UTF-8/, ['1', Buffer.from([0x61, 0xe2, 0x82]), 'x']],
    [/^ID/, ['2', 'good', 'bad/#', 'x']],
    [/^TOOBIG the message is longer than the nodes accept, 10 bytes/, ['1', '123', 'x'.repeat(11)]],
    [/^ARGUMENT FCALL encke_send 1 id text/, ['0', 'x']],
    [/^ARGUMENT FCALL encke_send 1 id text/, ['1', '123']],
    [/^ARGUMENT after the text come QOS.*got QOS/, ['1', '123', 'x', 'QOS', '3']],
    [/^ARGUMENT .*got QOS/, ['1', '123', 'x', 'QOS']],
    [/^ARGUMENT .*got World/, ['1', '123', 'Hello', 'World']],
    [/^ARGUMENT .*got KEY/, ['1', '123', 'x', 'KEY', 'with space']],
    [/^ARGUMENT .*got KEY/, ['1', '123', 'x', 'KEY', 'k'.repeat(65)]],
  ];
  for (const [expected, args] of bad)
    await t.rejects(node.redis.call('FCALL', 'encke_send', ...args), expected);
  t.equal((await node.place()).seq, seq);
  await pattern.ping();
  t.equal(came, 0);
  for (const good of ['grüße/x', '€', '𐍈', 'a/b/c', '//', ' ']) t.equal(await send(node, good, 'x'), 1, good);
});

t.test('an id of another shard is refused, by the same hash as the nodes have', async (t) => {
  const { node } = await nodeOf(t);
  await node.redis.flushall();
  await node.begin({ index: 1, count: 3 });
  for (let i = 0; i < 200; i++) {
    const id = i % 2 === 0 ? `user/${i}` : `grüße ${i}`;
    const shard = shardOf(id, 3);
    if (shard === 1) t.equal(await send(node, id, 'x'), 0, id);
    else {
      const expected = new RegExp(
        `^SHARD this id belongs to server ${shard} of the list of 3, and this is 1`,
      );
      await t.rejects(send(node, id, 'x'), expected, id);
    }
  }
  await t.rejects(node.redis.call('FCALL', 'encke_ids', '1', 'user/0'), /^SHARD/);
});

t.test('full memory, another format, and a server that no node knows', async (t) => {
  const { node } = await nodeOf(t);
  await node.redis.call('CONFIG', 'SET', 'maxmemory', '1');
  await t.rejects(send(node, '123', 'x'), /^OOM/);
  await node.redis.call('CONFIG', 'SET', 'maxmemory', '0');
  await node.redis.hset('encke:meta', 'format', '99');
  await t.rejects(send(node, '123', 'x'), /^FORMAT/);
  await node.redis.flushall();
  await t.rejects(send(node, '123', 'x'), /^NONODE no node of encke has been connected/);
});

t.test('where the data are gone back or away, it begins a generation as nodes do', async (t) => {
  const { server, node } = await nodeOf(t);
  await send(node, '123', 'before');
  const saved = await server.save();
  const { seq } = await node.place();
  await server.restartFrom(saved);
  t.equal(await send(node, '123', 'after'), 0);
  await node.begin();
  const { begin } = await node.place();
  t.ok(begin > seq);
  t.strictSame(
    (await node.read('123', begin)).entries.map(({ body }) => body),
    ['after'],
  );
});

t.test('nodes and filters of an id', async (t) => {
  const { server, node } = await nodeOf(t);
  await Subscriber.of(server, ['encke:i:a/"b"', 'encke:f:a/', 'encke:f:']);
  await Subscriber.of(server, ['encke:i:a/"b"']);
  const reply = (await node.redis.call('FCALL', 'encke_ids', '2', 'a/"b"', 'none')) as string[];
  t.strictSame(
    reply.map((text) => JSON.parse(text)),
    [
      { id: 'a/"b"', nodes: 2, filters: 2 },
      { id: 'none', nodes: 0, filters: 1 },
    ],
  );
});

t.test('numbers of the nodes, as each reported them last', async (t) => {
  const { node } = await nodeOf(t);
  const stats = async () => JSON.parse((await node.redis.call('FCALL', 'encke_stats', '0')) as string);
  t.strictSame(await stats(), { name: 'encke', shard: 0, shards: 1, nodes: [] });
  for (const run of [node.run, 'b'.repeat(16)]) await node.call('join', run, '{}');
  await node.call('report', node.run, '{"node":"gw-1","connections":3}');
  await node.call('report', 'b'.repeat(16), '{"node":"gw-2"}');
  await node.call('report', node.run, '{"node":"gw-1","connections":4}');
  t.strictSame((await stats()).nodes, [{ node: 'gw-1', connections: 4 }, { node: 'gw-2' }]);
  await node.redis.hset('encke:reports', node.run, `${Date.now() - 31_000} {"node":"gw-1"}`);
  t.strictSame((await stats()).nodes, [{ node: 'gw-2' }], 'a silent one is left out');
  await t.rejects(node.call('report', 'x', '{}'), /^ARGUMENT/);
});

t.test('numbers of nodes that have gone are not kept', async (t) => {
  const { node } = await nodeOf(t);
  const kept = () => node.redis.hkeys('encke:reports');
  for (const digit of '123') {
    await node.call('join', digit.repeat(16), '{}');
    await node.call('report', digit.repeat(16), '{}');
  }
  t.equal((await kept()).length, 3);
  await node.call('leave', '1'.repeat(16));
  await node.redis.zadd('encke:nodes', Date.now() - 10_000, '2'.repeat(16)); // it has been silent
  await node.call('alive', '3'.repeat(16));
  t.strictSame(await kept(), ['3'.repeat(16)]);
  await node.call('report', '2'.repeat(16), '{}');
  t.strictSame(await kept(), ['3'.repeat(16)], 'of one that is not in the list nothing is kept');
});

t.test('where it breaks off, it says so, and not that nothing was sent', async (t) => {
  const { server, node } = await nodeOf(t);
  const subscriber = await Subscriber.of(server, ['encke:i:1', 'encke:i:2']);
  await node.redis.set('encke:h:2', 'somebody was here');
  await t.rejects(
    node.redis.call('FCALL', 'encke_send', '2', '1', '2', 'x'),
    /^UNKNOWN it broke off, and nobody knows which of these ids got it: WRONGTYPE/,
  );
  t.equal((await subscriber.take()).length, 1);
  await t.rejects(send(node, '2', 'x'), /^WRONGTYPE/, 'alone, nobody got it');
  t.strictSame(await subscriber.take(), []);
});

t.test('two clusters on one server', async (t) => {
  const { server, node } = await nodeOf(t);
  const shop = await Functions.open(server, undefined, 'shop');
  const subscriber = await Subscriber.of(server, ['encke:i:123', 'shop:i:123']);
  t.equal(await shop.redis.call('FCALL', 'shop_send', '1', '123', 'x'), 1);
  t.strictSame(
    (await subscriber.take()).map(({ channel }) => channel),
    ['shop:i:123'],
  );
  await node.send('123');
  t.equal((await subscriber.take()).length, 1);
  t.strictSame(
    (await shop.read('123', 0)).entries.map(({ body }) => body),
    ['x'],
  );
  const keys = (await node.redis.keys('*')).map((key) => key.split(':')[0]);
  t.strictSame([...new Set(keys)].sort(), ['encke', 'shop']);
});

t.test('limits and rules of nodes may change while it is used', async (t) => {
  const { node } = await nodeOf(t);
  await send(node, '123', 'x'.repeat(100));
  await node.begin({ limits: limitsText.replace('1000000', '99') });
  await t.rejects(send(node, '123', 'x'.repeat(100)), /^TOOBIG/);
  await node.begin({ rules: '[["#",0,0]]' });
  await send(node, '456', 'x');
  t.equal(await node.redis.exists('encke:h:456'), 0);
  await node.begin({ rules: rulesText });
  await send(node, '456', 'x');
  t.equal(await node.redis.exists('encke:h:456'), 1);
});
