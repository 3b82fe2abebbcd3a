import { connectAsync } from 'mqtt';
import t, { type Test } from 'tap';
import { Library } from '../../../router/engine/redis/library.js';
import { until } from '../../until.js';
import { cursorNow, poll, publish } from '../history/ask-poll.js';
import { LineReader } from './history-nodes.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/** A Redis server that loses its data, or its functions, while nobody publishes. */

async function setUp(t: Test) {
  const redis = await redisServer(t);
  const [a, b] = await startRedisNodes(t, [redis.url], ['a', 'b'], ['--mqtt-sys-interval', '0']);
  const client = await connectAsync(`${a!.url.replace('http', 'ws')}/mqtt`, { clientId: 'x', clean: false });
  t.teardown(() => client.endAsync(true));
  await client.publishAsync('keep', 'R1', { retain: true, qos: 1 });
  const admin = redis.client();
  const send = (text: string) =>
    admin.call('FCALL', 'encke_send', '1', '123', text).then(String, (error: Error) => error.message);
  return { redis, a: a!, b: b!, admin, send };
}

t.test('functions that were deleted are there again, though nobody publishes', async (t) => {
  const { b, admin, send } = await setUp(t);
  const stream = await LineReader.open(b, '/stream/123');
  const cursor = await cursorNow(b.port, '/123');
  await admin.call('FUNCTION', 'FLUSH');
  await until('they are loaded', async () => !/Function not found/.test(await send('m1')));
  await stream.untilTexts(1);
  const { texts } = await poll(b.port, `poll/123?cursor=${cursor}&timeout=0`);
  t.strictSame(texts, ['m1']);
});

t.test('data that were deleted: nodes begin again, and give back what they know', async (t) => {
  const { redis, a, b, admin, send } = await setUp(t);
  await publish(a, '123', ['before']);
  const old = await cursorNow(b.port, '/123');
  await admin.flushall();
  await until('nodes have begun', async () => !/^NONODE/.test(await send('m1')));
  await until('what was retained is there', async () => (await admin.hlen('encke:r:m')) === 1);
  await until('whose client it is, is known', async () => (await admin.hlen('encke:c')) === 1);
  await until('nodes know each other', async () => {
    const peers = await Promise.all([a, b].map(async (node) => (await node.stats()).engine.peers));
    return peers.join() === '1,1';
  });
  await publish(a, '123', ['m2']);
  t.equal((await poll(b.port, `poll/123?cursor=${old}&timeout=0`)).recovered, false);
  const [c] = await startRedisNodes(t, [redis.url], ['c']);
  const now = await cursorNow(c!.port, '/123');
  await publish(c!, '123', ['m3']);
  const { recovered, texts } = await poll(a.port, `poll/123?cursor=${now}&timeout=0`);
  t.strictSame([recovered, texts], [true, ['m3']], 'a cursor of a new node is one of the others, too');
});

t.test('another node begins again and publishes before this one has noticed', async (t) => {
  const { a, admin } = await setUp(t);
  const stream = await LineReader.open(a, '/stream/123');
  const meta = await admin.hgetall('encke:meta');
  const { prefix } = new Library('encke');
  const other = 'f'.repeat(16);
  await admin
    .multi()
    .flushall()
    .call('FCALL', `${prefix}begin`, 0, other, 1, 0, 0, 1, 'other', '[["#",100,60000]]', meta.limits!)
    .call('FCALL', `${prefix}publish`, 0, other, 1, 1, 4e12, '123', '100:60000', '\0', '\0m1', '')
    .exec();
  await stream.untilTexts(1);
  await until('what was retained is there', async () => (await admin.hlen('encke:r:m')) === 1);
  await until('it is of the new cluster', async () => (await cursorNow(a.port, '/123')).startsWith('other:'));
});
