import t, { type Test } from 'tap';
import { publish, pubrel } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { RawMqtt } from '../../conformance/mqtt-3.1.1/raw-mqtt.js';
import { StallingProxy } from '../../stalling-proxy.js';
import { until } from '../../until.js';
import { closing, connectRaw, tryRaw } from '../mqtt/raw-client.js';
import { nodeStats } from './nodes.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/** A client repeats a PUBLISH whose answer was lost on the way from Redis, for longer than a node waits for it. */

t.jobs = 3; // each waits for 5 s
const redis = await redisServer(t);

async function setUp(t: Test, name: string) {
  const proxy = await StallingProxy.start(redis.port);
  t.teardown(() => proxy.stop());
  const flags = ['--name', name, '--mqtt-presence', 'false', '--mqtt-sys-interval', '0'];
  const [node] = await startRedisNodes(t, [`redis://127.0.0.1:${proxy.port}`], ['behind'], flags);
  const [witness] = await startRedisNodes(t, [redis.url], ['witness'], flags);
  const subscriber = await connectRaw(t, witness!);
  await subscriber.subscribe('out', 0);
  const options = { clientId: 'repeater', clean: false };
  const client = await connectRaw(t, node!, options);
  return { proxy, node: node!, subscriber, client, options };
}

for (const qos of [2, 1]) {
  t.test(`QoS ${qos}: it ran, and its answer was lost`, { buffered: true }, async (t) => {
    const { proxy, node, subscriber, client, options } = await setUp(t, `ran_${qos}`);
    proxy.stallAnswers();
    client.send(publish('out', 'once', { qos, id: 7 }));
    t.match(await subscriber.nextPublish(), { payload: 'once' });
    proxy.stall();
    t.match(await closingLate(client), /not-carried/, 'after 5 s it is not known');
    t.match((await nodeStats(node)).engine, { unknown: 1 }, 'and counted');
    const { client: again, sessionPresent } = await tryRaw(t, node, options);
    t.equal(sessionPresent, true);
    if (qos === 2) again.send(publish('out', 'once', { qos, id: 7, dup: true }));
    proxy.cut(); // the answer never comes
    proxy.heal();
    await until('it is back', async () => (await nodeStats(node)).engine.connected);
    if (qos === 1) again.send(publish('out', 'once', { qos, id: 7, dup: true }));
    t.match(await again.next(), { type: qos === 2 ? 'PUBREC' : 'PUBACK', id: 7 });
    if (qos === 2) {
      again.send(pubrel(7));
      t.match(await again.next(), { type: 'PUBCOMP', id: 7 });
      again.send(publish('out', 'next', { qos, id: 7 }));
      t.match(
        await subscriber.nextPublish(),
        { payload: 'next' },
        'the packet id is free, and nothing came twice',
      );
    } else t.match(await subscriber.nextPublish(), { payload: 'once' }, 'twice, and not lost');
  });
}

t.test('QoS 2: it did not run, and nobody knew', { buffered: true }, async (t) => {
  const { proxy, node, subscriber, client, options } = await setUp(t, 'not_ran');
  proxy.stall();
  client.send(publish('out', 'once', { qos: 2, id: 7 }));
  t.match(await closingLate(client), /not-carried/);
  const { client: again } = await tryRaw(t, node, options);
  again.send(publish('out', 'once', { qos: 2, id: 7, dup: true }));
  proxy.cut();
  proxy.heal();
  t.match(await closingLate(again), /not-carried/, 'now it is known, and it has to come again');
  await until('it is back', async () => (await nodeStats(node)).engine.connected);
  const { client: third } = await tryRaw(t, node, options);
  third.send(publish('out', 'once', { qos: 2, id: 7, dup: true }));
  t.match(await third.next(), { type: 'PUBREC', id: 7 });
  third.send(publish('out', 'next', { qos: 2, id: 8 }));
  t.match(
    [await subscriber.nextPublish(), await subscriber.nextPublish()],
    [{ payload: 'once' }, { payload: 'next' }],
  );
});

/** A node waits for 5 s. */
async function closingLate(client: RawMqtt): Promise<string> {
  await until('it is closed', () => client.closed, 15_000);
  return closing(client);
}
