import t, { type Test } from 'tap';
import { publish } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { CuttableWay } from '../../cuttable-way.js';
import type { GatewayProcess } from '../../gateway-process.js';
import type { RedisServer } from '../../redis-server.js';
import { until } from '../../until.js';
import { connectRaw } from '../mqtt/raw-client.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/** Retained messages are on every node, also on nodes that start later or were cut off. */

const retained = async (node: GatewayProcess) => (await node.stats()).router.retained;
const noSys = ['--mqtt-sys-interval', '0'];

/** Messages for a new subscriber of the node, as "topic payload" in the order of the topics. */
async function retainedOn(t: Test, node: GatewayProcess, filter = '#'): Promise<string[]> {
  const client = await connectRaw(t, node);
  await client.subscribe(filter, 2);
  const packets = await client.untilPong();
  await client.disconnect();
  return packets
    .flatMap((p) => (p.type === 'PUBLISH' && p.retain ? [`${p.topic} ${p.payload} ${p.qos}`] : []))
    .sort();
}

async function startNode(t: Test, url: string, name: string, ...flags: string[]): Promise<GatewayProcess> {
  return (await startRedisNodes(t, [url], [name], [...noSys, ...flags]))[0]!;
}

async function startNodes(t: Test, count: number) {
  const redis = await redisServer(t);
  const names = ['a', 'b', 'c'].slice(0, count);
  return { redis, nodes: await startRedisNodes(t, [redis.url], names, noSys) };
}

/** How many are kept in Redis. */
async function keptIn(redis: RedisServer): Promise<number> {
  return Number(await redis.client().hlen('encke:r:m'));
}

const isBack = (node: GatewayProcess) =>
  until('it is back', async () => (await node.stats()).engine.connected);

t.test('a message retained on one node is there for a subscriber on another', async (t) => {
  const { nodes } = await startNodes(t, 2);
  const [a, b] = nodes as [GatewayProcess, GatewayProcess];
  const live = await connectRaw(t, b);
  await live.subscribe('#');
  const publisher = await connectRaw(t, a);
  for (const qos of [0, 1, 2]) await publisher.publish(`t/${qos}`, 'x', { qos, retain: true });
  for (const packet of await live.nextPublishes(3)) t.equal(packet.retain, false, 'live it is not marked');
  t.same(await retainedOn(t, b), ['t/0 x 0', 't/1 x 1', 't/2 x 2']);
  await publisher.publish('t/1', 'y', { retain: true });
  await publisher.publish('t/2', '', { retain: true });
  await publisher.publish('t/0', 'not retained');
  await live.nextPublishes(3);
  for (const node of nodes) t.same(await retainedOn(t, node), ['t/0 x 0', 't/1 y 1']);
});

t.test('a node that starts later has what is retained when it listens', async (t) => {
  const redis = await redisServer(t);
  const a = await startNode(t, redis.url, 'a');
  const publisher = await connectRaw(t, a);
  const count = 1_200; // more than two batches
  for (let n = 0; n < count; n++) await publisher.publish(`many/${n}`, `v${n}`, { retain: true });
  const odd = ['/', 'a//b', 'with space', 'dot.s', '*', '100%', 'ünïcode'];
  for (const topic of odd) await publisher.publish(topic, 'odd', { qos: 2, retain: true });
  for (let n = 0; n < count; n += 2) await publisher.publish(`many/${n}`, '', { retain: true });
  const b = await startNode(t, redis.url, 'b');
  t.equal(await retained(b), count / 2 + odd.length, 'at once');
  t.same(await retainedOn(t, b), await retainedOn(t, a));
});

t.test('it is there when the node that published it is not any more', async (t) => {
  const redis = await redisServer(t, { appendonly: true });
  const a = await startNode(t, redis.url, 'a');
  await (await connectRaw(t, a)).publish('x', 'kept', { retain: true });
  await a.kill();
  const b = await startNode(t, redis.url, 'b');
  t.same(await retainedOn(t, b), ['x kept 1']);
  await b.kill();
  await redis.restart();
  const c = await startNode(t, redis.url, 'c');
  t.same(await retainedOn(t, c), ['x kept 1'], 'nor when redis-server was started anew');
});

t.test('a cleared message leaves nothing but a note of an hour', async (t) => {
  const redis = await redisServer(t);
  const a = await startNode(t, redis.url, 'a');
  const publisher = await connectRaw(t, a);
  for (let n = 0; n < 50; n++) await publisher.publish(`x/${n}`, 'x', { retain: true });
  for (let n = 0; n < 49; n++) await publisher.publish(`x/${n}`, '', { retain: true });
  t.same([await keptIn(redis), await redis.client().zcard('encke:r:t')], [1, 49]);
  const b = await startNode(t, redis.url, 'b');
  t.equal(await retained(b), 1);
});

t.test('a node that was cut off reads what has changed, and not everything', async (t) => {
  const redis = await redisServer(t);
  const way = await CuttableWay.start(redis.port);
  t.teardown(() => way.stop());
  const a = await startNode(t, redis.url, 'a');
  const b = await startNode(t, way.redisUrl, 'b');
  const onA = await connectRaw(t, a);
  for (const topic of ['kept', 'changed', 'cleared']) await onA.publish(topic, 'old', { retain: true });
  for (let n = 0; n < 300; n++) await onA.publish(`many/${n}`, 'x'.repeat(1_000), { retain: true });
  await until('b has them', async () => (await retained(b)) === 303);
  way.cut();
  await until('it knows', async () => !(await b.stats()).engine.connected);
  await onA.publish('changed', 'new', { retain: true });
  await onA.publish('cleared', '', { retain: true });
  const sentBytes = async () =>
    Number(/total_net_output_bytes:(\d+)/.exec(String(await redis.client().call('INFO', 'stats')))![1]);
  const beforeBytes = await sentBytes();
  way.giveBack();
  await isBack(b);
  const readBytes = (await sentBytes()) - beforeBytes;
  t.ok(readBytes < 100_000, `${readBytes} B`);
  for (const node of [a, b]) {
    t.same(
      (await retainedOn(t, node)).filter((line) => !line.startsWith('many/')),
      ['changed new 1', 'kept old 1'],
    );
  }
});

t.test('a node for which too much was cleared to be noted compares all', async (t) => {
  const redis = await redisServer(t);
  const way = await CuttableWay.start(redis.port);
  t.teardown(() => way.stop());
  const a = await startNode(t, redis.url, 'a');
  const b = await startNode(t, way.redisUrl, 'b');
  const onA = await connectRaw(t, a);
  for (const topic of ['kept', 'cleared']) await onA.publish(topic, 'old', { retain: true });
  await until('b has them', async () => (await retained(b)) === 2);
  way.cut();
  await until('it knows', async () => !(await b.stats()).engine.connected);
  await onA.publish('cleared', '', { retain: true });
  // As an hour later, when something else is cleared.
  const places = await redis.client().zrange('encke:r:t', '0', '-1', 'WITHSCORES');
  await redis.client().zrem('encke:r:t', 'cleared');
  await redis.client().hset('encke:meta', { cleared: String(places[1]) });
  way.giveBack();
  await isBack(b);
  for (const node of [a, b]) t.same(await retainedOn(t, node), ['kept old 1']);
  t.equal(await keptIn(redis), 1, 'and it is not given back');
});

t.test('a server gets back what it has lost from the nodes', async (t) => {
  const { redis, nodes } = await startNodes(t, 2);
  const [a, b] = nodes as [GatewayProcess, GatewayProcess];
  const onA = await connectRaw(t, a);
  for (let n = 0; n < 500; n++) await onA.publish(`x/${n}`, 'kept', { qos: 0, retain: true });
  await onA.publish('x/0', '', { retain: true });
  await until('b has them', async () => (await retained(b)) === 499);
  await redis.restartEmpty();
  for (const node of nodes) await isBack(node);
  await until('it has all again', async () => (await keptIn(redis)) === 499);
  const c = await startNode(t, redis.url, 'c');
  for (const node of [a, b, c]) t.equal(await retained(node), 499);
  t.same(await retainedOn(t, c, 'x/1'), ['x/1 kept 0']);
});

t.test('Redis keeps no more than a node does', async (t) => {
  const redis = await redisServer(t);
  const b = await startNode(t, redis.url, 'b', '--mqtt-max-retained', '20');
  const publisher = await connectRaw(t, b);
  for (let n = 0; n < 25; n++) await publisher.publish(`x/${n}`, 'x', { retain: true });
  await publisher.publish('x/0', 'again', { retain: true });
  t.same([await retained(b), await keptIn(redis)], [20, 20]);
  const c = await startNode(t, redis.url, 'c', '--mqtt-max-retained', '20');
  t.same(await retainedOn(t, c), await retainedOn(t, b));
  t.ok((await retainedOn(t, c)).includes('x/0 again 1'));
});

t.test('messages that two nodes publish at the same moment end as the same on all', async (t) => {
  const { redis, nodes } = await startNodes(t, 3);
  const [a, b] = nodes as [GatewayProcess, GatewayProcess, GatewayProcess];
  const [onA, onB] = [await connectRaw(t, a), await connectRaw(t, b)];
  const topics = Array.from({ length: 200 }, (_, n) => `x/${n}`);
  // One packet right behind the other, on both at once: on each node its own came first.
  for (const topic of topics) {
    onA.send(publish(topic, 'a', { retain: true }));
    onB.send(publish(topic, 'b', { retain: true }));
  }
  await Promise.all([onA.untilPong(), onB.untilPong()]);
  await until('all have the same', async () => {
    const kept = await Promise.all(nodes.map(async (node) => (await retainedOn(t, node)).join()));
    return new Set(kept).size === 1 && kept[0]!.split(',').length === topics.length;
  });
  const late = await startNode(t, redis.url, 'late');
  t.same(await retainedOn(t, late), await retainedOn(t, a), 'and as Redis has it');
});
