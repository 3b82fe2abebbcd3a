import t, { type Test } from 'tap';
import { publish, pubrel } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import type { RedisServer } from '../../redis-server.js';
import { until } from '../../until.js';
import { closing, connectRaw } from '../mqtt/raw-client.js';
import { brief, RealClient } from '../mqtt/real-client.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/** Delivery from one node to another. */

const noSys = ['--mqtt-sys-interval', '0'];

/** Nodes `a`, `b` and so on, on a redis-server of their own. */
async function startNodes(t: Test, count: number, ...flags: string[]) {
  const redis = await redisServer(t);
  const names = ['a', 'b', 'c'].slice(0, count);
  return { redis, nodes: await startRedisNodes(t, [redis.url], names, flags) };
}

async function startNode(t: Test, redis: RedisServer, name: string, ...flags: string[]) {
  return (await startRedisNodes(t, [redis.url], [name], flags))[0]!;
}

t.test('a message of one node arrives once on another, at every QoS and through every filter', async (t) => {
  const { nodes } = await startNodes(t, 3, ...noSys);
  const [a, b, c] = nodes as [GatewayProcess, GatewayProcess, GatewayProcess];
  const overlapping = await RealClient.connect(t, b);
  for (const filter of ['home/#', 'home/+/lamp', '+/kitchen/lamp', 'home/kitchen/lamp'])
    await overlapping.subscribe(filter, 2);
  const exact = await RealClient.connect(t, b);
  await exact.subscribe('home/kitchen/lamp', 1);
  const elsewhere = await RealClient.connect(t, c);
  await elsewhere.subscribe('home/+', 2);
  await elsewhere.subscribe('home/kitchen', 0);
  const publisher = await RealClient.connect(t, a);
  await publisher.subscribe('home/kitchen/lamp', 0);
  for (const qos of [0, 1, 2] as const) await publisher.publish('home/kitchen/lamp', `q${qos}`, { qos });
  await publisher.publish('home/kitchen', 'parent', { qos: 2 });
  t.same((await overlapping.exactly(4)).map(brief), [
    'home/kitchen/lamp q0 0',
    'home/kitchen/lamp q1 1',
    'home/kitchen/lamp q2 2',
    'home/kitchen parent 2',
  ]);
  t.same((await exact.exactly(3)).map(brief), [
    'home/kitchen/lamp q0 0',
    'home/kitchen/lamp q1 1',
    'home/kitchen/lamp q2 1',
  ]);
  t.same((await elsewhere.exactly(1)).map(brief), ['home/kitchen parent 2']);
  t.equal((await publisher.exactly(3)).length, 3, 'and once where it was published');
});

t.test('messages of one publisher keep their order from node to node', async (t) => {
  const { nodes } = await startNodes(
    t,
    2,
    ...noSys,
    '--mqtt-max-mqueue',
    '10000',
    '--mqtt-max-awaiting-rel',
    '10000',
  );
  const [a, b] = nodes as [GatewayProcess, GatewayProcess];
  const subscriber = await RealClient.connect(t, b);
  await subscriber.subscribe('n/#', 2);
  const publisher = await RealClient.connect(t, a);
  const count = 2_000;
  const sent = Array.from({ length: count }, (_, n) =>
    publisher.publish(`n/${n % 3}`, String(n), { qos: (n % 2 === 0 ? 1 : 2) as 1 | 2, retain: n % 5 === 0 }),
  );
  await Promise.all(sent);
  const texts = (await subscriber.exactly(count)).map(({ topic, payload }) => ({
    topic,
    n: Number(payload),
  }));
  for (const id of ['n/0', 'n/1', 'n/2']) {
    const numbers = texts.flatMap(({ topic, n }) => (topic === id ? [n] : []));
    // [MQTT-4.6.0-6]: of one topic and QoS.
    for (const parity of [0, 1]) {
      const own = numbers.filter((n) => n % 2 === parity);
      t.same(
        own,
        own.toSorted((x, y) => x - y),
        `${id}, ${parity}`,
      );
    }
  }
});

t.test('while Redis is away nothing is taken, and nobody has it later', async (t) => {
  const { redis, nodes } = await startNodes(t, 2, ...noSys, '--history-rules', '# 0 0');
  const [a, b] = nodes as [GatewayProcess, GatewayProcess];
  const subscribers = [await connectRaw(t, a), await connectRaw(t, b)];
  for (const subscriber of subscribers) await subscriber.subscribe('x', 2);
  const early = await connectRaw(t, a, { clientId: 'early', clean: false });
  early.send(publish('y', 'early', { qos: 2, id: 7 }));
  t.match(await early.next(), { type: 'PUBREC' });
  await redis.kill();
  await until('it knows', () => a.log.includes('redis: away'));
  early.send(publish('y', 'early', { qos: 2, id: 7, dup: true }));
  t.match(await early.next(), { type: 'PUBREC' }, 'what was taken before is taken');
  early.send(pubrel(7));
  t.match(await early.next(), { type: 'PUBCOMP' });
  const options = { clientId: 'publisher', clean: false };
  for (const qos of [1, 2]) {
    const refused = await connectRaw(t, a, options);
    refused.send(publish('x', `q${qos}`, { qos, id: qos }));
    t.equal(await closing(refused), '1013 not-carried');
  }
  const publisher = await connectRaw(t, a, options);
  await publisher.publish('x', 'q0', { qos: 0 });
  publisher.send(publish('$SYS/x', 'q1', { qos: 1, id: 3 }));
  t.match(await publisher.next(), { type: 'PUBACK' }, 'what goes nowhere is acknowledged as ever');
  for (const subscriber of subscribers) t.same(await subscriber.untilPong(), [], 'nobody has anything of it');
  t.equal((await a.stats()).connections.closed['not-carried'], 2);
  await redis.restart();
  for (const node of nodes) await until('it is back', async () => (await node.stats()).engine.connected);
  for (const qos of [1, 2]) {
    publisher.send(publish('x', `q${qos}`, { qos, id: qos, dup: true }));
    t.match(await publisher.next(), { type: qos === 1 ? 'PUBACK' : 'PUBREC' });
  }
  for (const subscriber of subscribers) {
    const payloads = (await subscriber.nextPublishes(2)).map(({ payload }) => payload);
    t.same(payloads, ['q1', 'q2']);
  }
});

t.test('a will goes to all nodes; that of a client whose node is killed is never sent', async (t) => {
  const { nodes } = await startNodes(t, 2, ...noSys);
  const [a, b] = nodes as [GatewayProcess, GatewayProcess];
  const watcher = await connectRaw(t, b);
  await watcher.subscribe('wills/#');
  await watcher.subscribe('after');
  const dying = (clientId: string) =>
    connectRaw(t, a, { clientId, will: { topic: `wills/${clientId}`, payload: 'gone', retain: true } });
  const polite = await dying('polite');
  const dropped = await dying('dropped');
  await dying('of-a-dead-node');
  await polite.disconnect();
  await dropped.drop();
  t.match(await watcher.nextPublish(), { topic: 'wills/dropped', payload: 'gone' });
  await a.kill('SIGKILL');
  await until('it is gone', () => b.log.includes('redis: gone'));
  await b.send('after', 'x');
  t.match(await watcher.nextPublish(), { topic: 'after' });
  t.equal((await b.stats()).router.retained, 1, 'the will that was sent is retained');
});

t.test('the wills of a node that stops go out before it leaves', async (t) => {
  const { nodes } = await startNodes(t, 2, ...noSys);
  const [a, b] = nodes as [GatewayProcess, GatewayProcess];
  const watcher = await connectRaw(t, b);
  await watcher.subscribe('wills');
  await connectRaw(t, a, { clientId: 'x', will: { topic: 'wills', payload: 'gone' } });
  t.equal(await a.kill('SIGTERM'), 0);
  t.match(await watcher.nextPublish(), { topic: 'wills', payload: 'gone' });
});

t.test('presence on one node is published on all', async (t) => {
  const { nodes } = await startNodes(t, 2, ...noSys);
  const [a, b] = nodes as [GatewayProcess, GatewayProcess];
  const watchers = [await connectRaw(t, a), await connectRaw(t, b)];
  for (const watcher of watchers) await watcher.subscribe('$SYS/brokers/+/clients/guest/+');
  const guest = await connectRaw(t, a, { clientId: 'guest' });
  await guest.disconnect();
  for (const watcher of watchers) {
    const said = await watcher.nextPublishes(2);
    t.same(
      said.map(({ topic }) => topic),
      ['$SYS/brokers/a/clients/guest/connected', '$SYS/brokers/a/clients/guest/disconnected'],
    );
  }
});

t.test('the numbers of each node are under its name, on all nodes, for as long as it is there', async (t) => {
  const redis = await redisServer(t);
  const a = await startNode(t, redis, 'a', '--mqtt-sys-interval', '3600');
  const b = await startNode(t, redis, 'b', '--mqtt-sys-interval', '3600');
  const namesOn = async (node: GatewayProcess) => {
    const client = await connectRaw(t, node);
    await client.subscribe('$SYS/brokers/+/version');
    const packets = await client.untilPong();
    await client.disconnect();
    return packets.flatMap((p) => (p.type === 'PUBLISH' ? [p.topic.split('/')[2]] : [])).sort();
  };
  const has = async (node: GatewayProcess, names: string) =>
    until(`${names} are known`, async () => (await namesOn(node)).join() === names);
  await has(a, 'a,b');
  await has(b, 'a,b'); // an hour before their time
  await b.kill('SIGKILL');
  await has(a, 'a');
  t.equal((await a.stats()).router.retained, 12, 'all of them have gone');
  const again = await startNode(t, redis, 'b', '--mqtt-sys-interval', '3600');
  await has(a, 'a,b');
  t.equal(await again.kill('SIGTERM'), 0);
  await has(a, 'a');
});

t.test('nodes that were given no name have different ones; two of one name say so', async (t) => {
  const redis = await redisServer(t);
  const start = async (...flags: string[]) => {
    const node = await startGateway({ flags: ['--engine', 'redis', '--redis', redis.url, ...flags] });
    t.teardown(() => node.kill());
    return node;
  };
  const unnamed = [await start(), await start()];
  for (const node of unnamed) {
    const client = await connectRaw(t, node);
    await client.subscribe(`$SYS/brokers/+/clients/of-${node.pid}/connected`);
    await connectRaw(t, node, { clientId: `of-${node.pid}` });
    const { topic } = await client.nextPublish();
    t.ok(topic.split('/')[2]!.endsWith(`-${node.pid}`), topic); // no port was given: there is nothing else to tell them apart
  }
  const twins = [await start('--node-name', 'twin'), await start('--node-name', 'twin')];
  for (const twin of twins) {
    await until('it says so', () => twin.log.includes('has the name of this one'));
    t.equal(twin.log.split('has the name of this one').length, 2, 'once');
  }
  for (const node of unnamed) t.notMatch(node.log, 'has the name of this one');
});
