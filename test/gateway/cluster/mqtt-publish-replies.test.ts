import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import t, { type Test } from 'tap';
import { publish } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { RawMqtt } from '../../conformance/mqtt-3.1.1/raw-mqtt.js';
import type { GatewayProcess } from '../../gateway-process.js';
import { StallingProxy } from '../../stalling-proxy.js';
import { until } from '../../until.js';
import { closing, connectRaw } from '../mqtt/raw-client.js';
import { knowEachOther, startNats, startNode } from './mqtt-nodes.js';

/** PUBACK and PUBREC say that the stream of the id's history has the message; so they wait for it, or do not come. */

const noSys = ['--mqtt-sys-interval', '0'];
const persistent = { clientId: 'publisher', clean: false };

/** A publisher's node whose way to NATS can stand still, and a subscriber to `x` on another one. */
async function setUp(t: Test) {
  const nats = await startNats(t);
  const way = await StallingProxy.start(nats.port);
  t.teardown(() => way.stop());
  const a = await startNode(t, way, 'a', ...noSys);
  const b = await startNode(t, nats, 'b', ...noSys);
  await knowEachOther([a, b]);
  const subscriber = await connectRaw(t, b);
  await subscriber.subscribe('x', 2);
  return { nats, way, a, subscriber };
}

/** Connections and sessions of a node that wait for NATS. */
async function waiting(node: GatewayProcess): Promise<{ replies: number; undecided: number }> {
  return (await node.stats()).mqtt.waiting;
}

/** What has come to a subscriber, and no more: it is told by a message that comes behind. */
async function payloads(node: GatewayProcess, subscriber: RawMqtt): Promise<string[]> {
  await node.send('x', 'end');
  const come: string[] = [];
  for (;;) {
    const { payload } = await subscriber.nextPublish();
    if (payload === 'end') return come;
    come.push(payload);
  }
}

t.test('they wait until the stream has the message, in the order of the PUBLISHes', async (t) => {
  const { way, a, subscriber } = await setUp(t);
  const publisher = await connectRaw(t, a);
  way.stall();
  for (const [id, qos] of [1, 2, 1].entries()) publisher.send(publish('x', `m${id}`, { qos, id: id + 1 }));
  t.same(await publisher.untilPong(), [], 'while NATS has said nothing');
  way.heal();
  t.match(await publisher.next(), { type: 'PUBACK', id: 1 });
  t.match(await publisher.next(), { type: 'PUBREC', id: 2 });
  t.match(await publisher.next(), { type: 'PUBACK', id: 3 });
  t.same(await payloads(a, subscriber), ['m0', 'm1', 'm2']);
});

t.test(
  'where NATS is lost before it has said so, the connection is closed, and what is sent again comes once',
  async (t) => {
    const { way, a, subscriber } = await setUp(t);
    const publisher = await connectRaw(t, a, persistent);
    way.stall();
    publisher.send(publish('x', 'q1', { qos: 1, id: 1 }), publish('x', 'q2', { qos: 2, id: 2 }));
    t.same(await publisher.untilPong(), []);
    way.cut();
    way.heal();
    t.equal(await closing(publisher), '1013 not-carried');
    t.equal((await a.stats()).connections.closed['not-carried'], 1);
    await until('NATS is back', () => a.log.split('nats: connected').length === 2);
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
    t.equal((await waiting(a)).undecided, 1, 'and its message is still under way');
    const again = await connectRaw(t, a, persistent);
    again.send(publish('x', 'once', { ...once, dup: true }));
    t.same(await again.untilPong(), []);
    way.heal();
    t.match(await again.next(), { type: 'PUBREC', id: 7 });
    t.same(await payloads(a, subscriber), ['once']);
    t.same(await waiting(a), { replies: 0, undecided: 0 });
  },
);

t.test('what NATS has stored without saying so comes twice: it is better than to be lost', async (t) => {
  const { way, a, subscriber } = await setUp(t);
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
  t.equal(await closing(publisher), '1013 not-carried');
  t.same(await waiting(a), { replies: 0, undecided: 0 });
  await until('NATS is back', () => a.log.split('nats: connected').length === 2);
  const again = await connectRaw(t, a, persistent);
  again.send(
    publish('x', 'q1', { qos: 1, id: 1, dup: true }),
    publish('x', 'q2', { qos: 2, id: 2, dup: true }),
  );
  t.match(await again.next(), { type: 'PUBACK', id: 1 });
  t.match(await again.next(), { type: 'PUBREC', id: 2 });
  t.same(await payloads(a, subscriber), ['q1', 'q2']);
});

t.test('where the stream refuses a message nobody has it, and it may be sent again', async (t) => {
  const { nats, a, subscriber } = await setUp(t);
  const connection = await connect({ servers: nats.url });
  t.teardown(() => connection.close());
  const { streams } = await jetstreamManager(connection);
  await streams.update('encke-history-0', { max_msg_size: 1 });
  for (const [n, qos] of [1, 2].entries()) {
    const refused = await connectRaw(t, a, persistent);
    refused.send(publish('x', `q${qos}`, { qos, id: n + 1 }));
    t.equal(await closing(refused), '1013 not-carried');
  }
  await streams.update('encke-history-0', { max_msg_size: -1 });
  const publisher = await connectRaw(t, a, persistent);
  publisher.send(publish('x', 'q1', { qos: 1, id: 1, dup: true }));
  t.match(await publisher.next(), { type: 'PUBACK' });
  publisher.send(publish('x', 'q2', { qos: 2, id: 2, dup: true }));
  t.match(await publisher.next(), { type: 'PUBREC' });
  t.same(await payloads(a, subscriber), ['q1', 'q2']);
});
