import t, { type Test } from 'tap';
import { closesAtOnce, isClosed, isQuiet } from './assertions.js';
import { connect, disconnect, field, hex, packet, uint16 } from './packet-bytes.js';
import { opcodes, type RawMqtt } from './raw-mqtt.js';
import { publication } from './received-packet.js';
import { fresh, startServer } from './server.js';

/** Chapter 3.1.2.5 to 3.1.2.7: the will. */

const server = await startServer();
t.teardown(() => server.stop());

async function witnessOf(t: Test, topic: string, qos = 2): Promise<RawMqtt> {
  const witness = await server.client(t);
  await witness.subscribe(topic, qos);
  return witness;
}

function connectOf(flags: number, ...fields: string[]): Buffer {
  return packet(0x10, field('MQTT'), Buffer.from([4, flags]), uint16(0), ...fields.map(field));
}

/** Once the id is accepted again, the server has done what it does about the end of the connection before. */
async function isEnded(t: Test, clientId: string): Promise<void> {
  await server.publisher(t, { clientId });
}

const ends: [string, (client: RawMqtt, clientId: string, t: Test) => unknown][] = [
  ['the network fails', (client) => client.drop()],
  ['the socket is closed without a DISCONNECT', (client) => client.half()],
  ['the WebSocket is closed without a DISCONNECT', (client) => client.sendFrame(opcodes.close, uint16(1000))],
  ['the client breaks the protocol', (client) => client.send(connect({ clientId: 'again' }))],
  ['the client sends what is no packet', (client) => client.send(hex('f0 00'))],
  ['another connection takes the client id', (_, clientId, t) => server.publisher(t, { clientId })],
];

t.test('[MQTT-3.1.2-8] the will is published whenever a connection ends without DISCONNECT', async (t) => {
  for (const [how, end] of ends) {
    const topic = fresh('will');
    const clientId = fresh('will');
    const witness = await witnessOf(t, topic);
    const client = await server.publisher(t, { clientId, will: { topic, payload: how } });
    await isQuiet(t, witness, 'not before');
    await end(client, clientId, t);
    t.strictSame(await witness.next(), publication(topic, how), how);
    await isEnded(t, clientId);
    await isQuiet(t, witness, 'once');
  }
});

t.test('[MQTT-3.1.2-8] the will is published when the keep-alive runs out', async (t) => {
  const topic = fresh('will');
  const witness = await witnessOf(t, topic);
  const client = await server.publisher(t, { keepAliveSec: 1, will: { topic, payload: 'silent' } });
  t.strictSame(await witness.next(), publication(topic, 'silent'));
  await isClosed(t, client, 'keep-alive');
});

t.test('[MQTT-3.1.2-9] a will has a topic and a message, and its QoS and retain flag are used', async (t) => {
  await closesAtOnce(t, server, connectOf(0x06, 'id'), 'neither topic nor message');
  await closesAtOnce(t, server, connectOf(0x06, 'id', 'topic'), 'no message');
  for (const qos of [0, 1, 2]) {
    for (const retain of [false, true]) {
      const topic = fresh('will');
      const witness = await witnessOf(t, topic);
      const client = await server.publisher(t, { will: { topic, payload: '', qos, retain } });
      await client.drop();
      const { id, ...rest } = await witness.nextPublish();
      t.strictSame({ ...rest, id: 0 }, publication(topic, '', { qos }), `QoS ${qos}, retain ${retain}`);
    }
  }
});

t.test(
  '[MQTT-3.1.2-10] a will is used up once it is published or the client has said DISCONNECT',
  async (t) => {
    const topic = fresh('will');
    const clientId = fresh('will');
    const witness = await witnessOf(t, topic);
    const session = { clientId, clean: false };
    const first = await server.publisher(t, { ...session, will: { topic, payload: 'once' } });
    await first.drop();
    t.match(await witness.next(), { payload: 'once' });
    await (await server.publisher(t, session)).drop();
    await (await server.publisher(t, { ...session, will: { topic, payload: 'never' } })).disconnect();
    await (await server.publisher(t, session)).drop();
    await isEnded(t, clientId);
    await isQuiet(t, witness, 'the next connections of the session have no will');
  },
);

t.test('[MQTT-3.1.2-11] without the will flag there is neither will topic nor will message', async (t) => {
  await closesAtOnce(t, server, connectOf(0x02, 'id', 'topic', 'message'), 'topic and message');
  await closesAtOnce(t, server, connectOf(0x02 | 0x28, 'id', 'topic', 'message'), 'QoS and retain too');
});

t.test('[MQTT-3.1.2-12] without the will flag nothing is published at the end', async (t) => {
  const witness = await witnessOf(t, '#', 0);
  await witness.untilPong(); // what other tests left retained
  const clientId = fresh('quiet');
  await (await server.publisher(t, { clientId })).drop();
  await isEnded(t, clientId);
  await isQuiet(t, witness, 'no will');
});

t.test('[MQTT-3.1.2-13] a will QoS without the will flag closes the connection', async (t) => {
  await closesAtOnce(t, server, connectOf(0x02 | 0x08, 'id'), 'QoS 1');
  await closesAtOnce(t, server, connectOf(0x02 | 0x10, 'id'), 'QoS 2');
});

t.test('[MQTT-3.1.2-14] a will QoS of 3 closes the connection', async (t) => {
  await closesAtOnce(t, server, connectOf(0x06 | 0x18, 'id', 'topic', 'message'), 'with a will');
  await closesAtOnce(t, server, connectOf(0x02 | 0x18, 'id'), 'without');
});

t.test('[MQTT-3.1.2-15] the will retain flag without the will flag closes the connection', async (t) => {
  await closesAtOnce(t, server, connectOf(0x02 | 0x20, 'id'), 'retain');
});

t.test('[MQTT-3.1.2-16] a will without the retain flag is not retained', async (t) => {
  const topic = fresh('will');
  const witness = await witnessOf(t, topic);
  const publisher = await server.publisher(t);
  await publisher.publish(topic, 'before', { retain: true });
  t.match(await witness.next(), { payload: 'before' });
  await (await server.publisher(t, { will: { topic, payload: 'will' } })).drop();
  t.match(await witness.next(), { payload: 'will' });
  const late = await witnessOf(t, topic);
  t.match(await late.untilPong(), [{ payload: 'before' }], 'the retained message of before is still there');
});

t.test('[MQTT-3.1.2-17] a will with the retain flag is retained', async (t) => {
  const topic = fresh('will');
  const witness = await witnessOf(t, topic);
  await (await server.publisher(t, { will: { topic, payload: 'will', qos: 1, retain: true } })).drop();
  t.match(await witness.next(), { payload: 'will', retain: false });
  const late = await witnessOf(t, topic);
  const { id, ...kept } = await late.nextPublish();
  t.strictSame({ ...kept, id: 0 }, publication(topic, 'will', { qos: 1, retain: true }));
  const publisher = await server.publisher(t);
  await publisher.publish(topic, '', { retain: true });
});

t.test('a will whose topic nobody may publish to closes the connection', async (t) => {
  for (const topic of ['a/+', '#', ''])
    await closesAtOnce(t, server, connect({ clientId: 'w', will: { topic, payload: '' } }), `"${topic}"`);
});

t.test('[MQTT-3.14.4-3] DISCONNECT discards the will', async (t) => {
  const topic = fresh('will');
  const clientId = fresh('will');
  const witness = await witnessOf(t, topic);
  const client = await server.publisher(t, { clientId, will: { topic, payload: 'no', retain: true } });
  client.send(disconnect());
  await client.untilClosed();
  await isEnded(t, clientId);
  await isQuiet(t, witness, 'it is not published');
  await isQuiet(t, await witnessOf(t, topic), 'nor retained');
});
