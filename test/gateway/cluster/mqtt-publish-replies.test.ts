import t, { type Test } from 'tap';
import { publish } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { RawMqtt } from '../../conformance/mqtt-3.1.1/raw-mqtt.js';
import type { GatewayProcess } from '../../gateway-process.js';
import { StallingProxy } from '../../stalling-proxy.js';
import { until } from '../../until.js';
import { closing, connectRaw } from '../mqtt/raw-client.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/** PUBACK and PUBREC say that Redis has the message; so they wait for it, or do not come. */

const flags = ['--mqtt-sys-interval', '0', '--mqtt-presence', 'false'];
const persistent = { clientId: 'publisher', clean: false };

/** A publisher's node whose way to Redis can stand still, and a subscriber to `x` on another one. */
async function setUp(t: Test) {
  const redis = await redisServer(t);
  const way = await StallingProxy.start(redis.port);
  t.teardown(() => way.stop());
  const [a] = await startRedisNodes(t, [`redis://127.0.0.1:${way.port}`], ['a'], flags);
  const [b] = await startRedisNodes(t, [redis.url], ['b'], flags);
  const subscriber = await connectRaw(t, b!);
  await subscriber.subscribe('x', 2);
  return { redis, way, a: a!, b: b!, subscriber };
}

/** Connections and sessions of a node that wait for Redis. */
async function waiting(node: GatewayProcess): Promise<{ replies: number; pendingQos2: number }> {
  return (await node.stats()).mqtt.waiting;
}

/** Checks a subscriber's messages: a later message shows that there are no more. */
async function payloads(node: GatewayProcess, subscriber: RawMqtt): Promise<string[]> {
  await node.send('x', 'end');
  const come: string[] = [];
  for (;;) {
    const { payload } = await subscriber.nextPublish();
    if (payload === 'end') return come;
    come.push(payload);
  }
}

const isBack = (node: GatewayProcess) => async () => (await node.stats()).engine.connected;

t.test('they wait until Redis has the message, in the order of the PUBLISHes', async (t) => {
  const { way, a, subscriber } = await setUp(t);
  const publisher = await connectRaw(t, a);
  way.stall();
  for (const [id, qos] of [1, 2, 1].entries()) publisher.send(publish('x', `m${id}`, { qos, id: id + 1 }));
  t.same(await publisher.untilPong(), [], 'while Redis has said nothing');
  way.heal();
  t.match(await publisher.next(), { type: 'PUBACK', id: 1 });
  t.match(await publisher.next(), { type: 'PUBREC', id: 2 });
  t.match(await publisher.next(), { type: 'PUBACK', id: 3 });
  t.same(await payloads(a, subscriber), ['m0', 'm1', 'm2']);
});

t.test('messages lost with a broken connection are sent again on the next one, once', async (t) => {
  const { way, a, subscriber } = await setUp(t);
  const publisher = await connectRaw(t, a, persistent);
  way.stall();
  publisher.send(publish('x', 'q1', { qos: 1, id: 1 }), publish('x', 'q2', { qos: 2, id: 2 }));
  t.same(await publisher.untilPong(), []);
  way.cut();
  way.heal();
  t.match(await publisher.next(), { type: 'PUBACK', id: 1 });
  t.match(await publisher.next(), { type: 'PUBREC', id: 2 });
  t.same(await payloads(a, subscriber), ['q1', 'q2']);
});

t.test(
  'a message that Redis has run, though its answer was lost, is acknowledged and not sent again',
  async (t) => {
    const { way, a, b, subscriber } = await setUp(t);
    const publisher = await connectRaw(t, a, persistent);
    way.stallAnswers();
    publisher.send(publish('x', 'q1', { qos: 1, id: 1 }), publish('x', 'q2', { qos: 2, id: 2 }));
    const both = await subscriber.nextPublishes(2);
    t.same(
      both.map(({ payload }) => payload),
      ['q1', 'q2'],
    );
    t.same(await publisher.untilPong(), []);
    way.cut();
    way.heal();
    t.match(await publisher.next(), { type: 'PUBACK', id: 1 });
    t.match(await publisher.next(), { type: 'PUBREC', id: 2 });
    t.match(await waiting(a), { replies: 0, pendingQos2: 0 });
    t.same(await payloads(b, subscriber), []);
  },
);

t.test(
  'where Redis stays away, the connection is closed after 5 s, and what is sent again comes once',
  async (t) => {
    const { way, a, subscriber } = await setUp(t);
    const publisher = await connectRaw(t, a, persistent);
    way.stall();
    publisher.send(publish('x', 'q1', { qos: 1, id: 1 }), publish('x', 'q2', { qos: 2, id: 2 }));
    await until('nobody waits any more', () => publisher.closed, 15_000);
    t.equal(await closing(publisher), '1013 not-carried');
    t.equal((await a.stats()).connections.closed['not-carried'], 1);
    const refused = await connectRaw(t, a, { clientId: 'late' });
    refused.send(publish('x', 'late', { qos: 1, id: 1 }));
    t.equal(await closing(refused), '1013 not-carried');
    way.heal();
    await until('Redis is back', isBack(a));
    const again = await connectRaw(t, a, persistent);
    again.send(publish('x', 'q1', { qos: 1, id: 1, dup: true }));
    t.match(await again.next(), { type: 'PUBACK', id: 1 });
    again.send(publish('x', 'q2', { qos: 2, id: 2, dup: true }));
    t.match(await again.next(), { type: 'PUBREC', id: 2 });
    t.same(await payloads(a, subscriber), ['q1', 'q2']);
  },
);

t.test(
  'QoS 2: what is repeated before it is known what became of it waits, too, and is not sent twice',
  async (t) => {
    const { way, a, subscriber } = await setUp(t);
    const once = { qos: 2, id: 7 };
    const early = await connectRaw(t, a, persistent);
    way.stall();
    early.send(publish('x', 'once', once), publish('x', 'once', { ...once, dup: true }));
    t.same(await early.untilPong(), []);
    await early.drop();
    await until('it is gone', async () => (await waiting(a)).replies === 0);
    t.equal((await waiting(a)).pendingQos2, 1, 'and its message is still under way');
    way.heal();
    const again = await connectRaw(t, a, persistent);
    again.send(publish('x', 'once', { ...once, dup: true }));
    t.match(await again.next(), { type: 'PUBREC', id: 7 });
    t.same(await payloads(a, subscriber), ['once']);
    t.match(await waiting(a), { replies: 0, pendingQos2: 0 });
  },
);

t.test('where Redis refuses a message nobody has it, and it may be sent again', async (t) => {
  const { redis, a, subscriber } = await setUp(t);
  const operator = redis.client();
  await operator.config('SET', 'maxmemory', '1');
  for (const [n, qos] of [1, 2].entries()) {
    const refused = await connectRaw(t, a, persistent);
    refused.send(publish('x', `q${qos}`, { qos, id: n + 1 }));
    t.equal(await closing(refused), '1013 not-carried');
  }
  t.match(a.log, /maxmemory/, 'and the operator is told why');
  await operator.config('SET', 'maxmemory', '0');
  const publisher = await connectRaw(t, a, persistent);
  publisher.send(publish('x', 'q1', { qos: 1, id: 1, dup: true }));
  t.match(await publisher.next(), { type: 'PUBACK' });
  publisher.send(publish('x', 'q2', { qos: 2, id: 2, dup: true }));
  t.match(await publisher.next(), { type: 'PUBREC' });
  t.same(await payloads(a, subscriber), ['q1', 'q2']);
});

t.test('another run of Redis cannot say what became of it: the connection is closed', async (t) => {
  const { redis, way, a, subscriber } = await setUp(t);
  const publisher = await connectRaw(t, a, persistent);
  way.stallAnswers();
  publisher.send(publish('x', 'q1', { qos: 1, id: 1 }));
  t.match(await subscriber.nextPublish(), { payload: 'q1' });
  await redis.restartEmpty();
  way.cut();
  way.heal();
  t.equal(await closing(publisher), '1013 not-carried');
  const again = await connectRaw(t, a, persistent);
  again.send(publish('x', 'q1', { qos: 1, id: 1, dup: true }));
  t.match(await again.next(), { type: 'PUBACK', id: 1 });
  t.match(await subscriber.nextPublish(), { payload: 'q1' }, 'twice, as QoS 1 may be, and not lost');
});
