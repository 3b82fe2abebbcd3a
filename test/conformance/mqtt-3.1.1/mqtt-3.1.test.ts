import t from 'tap';
import { closesAtOnce, isClosed } from './assertions.js';
import { connect, field, hex, packet, puback, publish, pubrel, subscribe, uint16 } from './packet-bytes.js';
import { publication } from './received-packet.js';
import { fresh, startServer } from './server.js';

/** Clients of MQTT 3.1, whose protocol name is MQIsdp and whose level is 3. */

const server = await startServer();
t.teardown(() => server.stop());
const old = { protocolName: 'MQIsdp', protocolLevel: 3 };

t.test('an MQTT 3.1 client is accepted, whatever subprotocol it came with', async (t) => {
  for (const subprotocol of ['mqttv3.1', 'mqtt']) {
    const client = await server.open(t, [subprotocol]);
    client.send(hex('10 11 00 06 4d 51 49 73 64 70 03 02 00 3c 00 03 6f 6c 64'));
    t.equal((await client.nextBytes()).toString('hex'), '20020000', subprotocol);
  }
});

t.test('MQTT 3.1 and 3.1.1 clients reach each other at every QoS', async (t) => {
  const topic = fresh('both');
  const clients = [await server.client(t, old), await server.client(t)];
  for (const client of clients) await client.subscribe(topic, 1);
  for (const [index, client] of clients.entries()) {
    for (const qos of [0, 1, 2]) {
      client.send(publish(topic, `${index} ${qos}`, { qos, ...(qos > 0 && { id: 1 + qos }) }));
      if (qos === 2) client.send(pubrel(3));
      for (const receiver of clients) {
        const messages = (await receiver.untilPong()).filter(({ type }) => type === 'PUBLISH');
        t.match(messages, [{ payload: `${index} ${qos}`, qos: Math.min(qos, 1) }]);
        for (const message of messages) if ('id' in message && message.id) receiver.send(puback(message.id));
      }
    }
  }
});

t.test('its session goes on without a word: CONNACK has no session present flag in 3.1', async (t) => {
  const session = { ...old, clientId: fresh('old'), clean: false };
  const topic = fresh('old');
  const first = await server.client(t, session);
  await first.subscribe(topic, 1);
  await first.drop();
  await (await server.publisher(t)).publish(topic, 'kept');
  const { client, connack } = await server.connect(t, session);
  t.strictSame(connack, { type: 'CONNACK', sessionPresent: false, returnCode: 0 });
  const message = await client.nextPublish();
  t.strictSame(message, publication(topic, 'kept', { qos: 1, id: message.id }));
});

t.test('it must have a client id: an empty one is rejected with code 2', async (t) => {
  const { client, connack } = await server.connect(t, { ...old, clientId: '' });
  t.strictSame(connack, { type: 'CONNACK', sessionPresent: false, returnCode: 2 });
  await isClosed(t, client, 'identifier rejected');
});

t.test('it may repeat SUBSCRIBE, UNSUBSCRIBE and PUBREL with DUP, which 3.1.1 no longer knows', async (t) => {
  const client = await server.client(t, old);
  client.send(packet(0x8a, uint16(1), field('a'), hex('01')));
  t.strictSame(await client.next(), { type: 'SUBACK', id: 1, returnCodes: [1] });
  client.send(packet(0xaa, uint16(2), field('a')));
  t.strictSame(await client.next(), { type: 'UNSUBACK', id: 2 });
  client.send(publish('elsewhere', 'x', { qos: 2, id: 3 }));
  t.strictSame(await client.next(), { type: 'PUBREC', id: 3 });
  client.send(packet(0x6a, uint16(3)));
  t.strictSame(await client.untilPong(), [{ type: 'PUBCOMP', id: 3 }]);
});

t.test(
  'it may set flags that 3.1 calls unused, and leave user name and password out at the end',
  async (t) => {
    const fixed = [...Buffer.from(connect({ ...old, clientId: fresh('fixed') }))];
    for (const firstByte of [0x11, 0x16, 0x1f]) {
      const client = await server.open(t);
      client.send(Buffer.from([firstByte, ...fixed.slice(1)]));
      t.match(await client.next(), { type: 'CONNACK', returnCode: 0 }, firstByte.toString(16));
      client.send(hex('cf 00'));
      t.match(await client.next(), { type: 'PINGRESP' }, 'also of the fixed header of PINGREQ');
    }
    const flags = {
      'bit 0': 0x03,
      'QoS and RETAIN of no will': 0x3a,
      'a user name that is missing': 0x82,
      both: 0xc2,
    };
    for (const [what, value] of Object.entries(flags)) {
      const { connack } = await server.connect(t, { ...old, clientId: fresh('flags'), flags: value });
      t.equal(connack.returnCode, 0, what);
    }
  },
);

t.test('the rules that both versions share hold for it too', async (t) => {
  await closesAtOnce(t, server, connect({ ...old, clientId: 'x', flags: 0x1e }), 'will QoS 3');
  const client = await server.client(t, old);
  client.send(subscribe(1, ['a/#/b', 0]));
  await isClosed(t, client, '# not in the last level');
});
