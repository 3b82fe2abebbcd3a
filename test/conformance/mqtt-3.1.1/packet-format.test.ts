import t from 'tap';
import { oneProcessFile } from '../../one-process.js';
import { closesAtOnce, closesLater, isQuiet } from './assertions.js';
import {
  connect,
  disconnect,
  hex,
  packet,
  pingreq,
  puback,
  pubcomp,
  publish,
  pubrec,
  pubrel,
  subscribe,
  uint16,
  unsubscribe,
} from './packet-bytes.js';
import { fresh, startServer } from './server.js';

oneProcessFile('bytes of packets; nothing crosses but what delivery has');

/** Chapter 2: fixed header, flags, remaining length, packet identifiers. */

const server = await startServer();
t.teardown(() => server.stop());

t.test('[MQTT-2.2.2-1] every packet of the server has the reserved flags as they are printed', async (t) => {
  const topic = fresh('flags');
  const client = await server.open(t);
  const says = async (bytes: Buffer, answer: string, what: string) => {
    client.send(bytes);
    t.equal((await client.nextBytes()).toString('hex'), answer, what);
  };
  await says(connect({ clientId: fresh('flags') }), '20020000', 'CONNACK');
  await says(subscribe(0x1234, [topic, 2]), '9003123402', 'SUBACK');
  await says(publish('elsewhere', '', { qos: 1, id: 0x0102 }), '40020102', 'PUBACK');
  await says(publish('elsewhere', '', { qos: 2, id: 0x0304 }), '50020304', 'PUBREC');
  await says(pubrel(0x0304), '70020304', 'PUBCOMP');
  await says(pingreq(), 'd000', 'PINGRESP');
  await (await server.publisher(t)).publish(topic, 'x', { qos: 2 });
  const publishBytes = await client.nextBytes();
  t.equal(publishBytes[0], 0x34, 'PUBLISH');
  const id = publishBytes.readUInt16BE(4 + topic.length);
  await says(pubrec(id), `6202${uint16(id).toString('hex')}`, 'PUBREL');
  client.send(pubcomp(id));
  await says(unsubscribe(0x4321, topic), 'b0024321', 'UNSUBACK');
});

t.test('[MQTT-2.2.2-2] wrong flags in a fixed header close the connection', async (t) => {
  for (let flags = 1; flags < 16; flags++) {
    const wrong = connect({ clientId: 'x' });
    wrong[0] = 0x10 | flags;
    await closesAtOnce(t, server, wrong, `CONNECT with flags ${flags}`);
  }
  const packets = { PUBACK: puback(1), PUBREC: pubrec(1), PUBREL: pubrel(1), PUBCOMP: pubcomp(1) };
  const others = {
    SUBSCRIBE: subscribe(1, ['a', 0]),
    UNSUBSCRIBE: unsubscribe(1, 'a'),
    PINGREQ: pingreq(),
    DISCONNECT: disconnect(),
  };
  for (const [name, right] of Object.entries({ ...packets, ...others })) {
    for (const flip of [0x01, 0x02, 0x04, 0x08]) {
      const wrong = Buffer.from(right);
      wrong[0]! ^= flip;
      await closesLater(t, server, wrong, `${name} with flags ${wrong[0]! & 0x0f}`);
    }
  }
});

t.test('[MQTT-2.3.1-1] a packet identifier of 0 closes the connection', async (t) => {
  await closesLater(t, server, subscribe(0, ['a', 0]), 'SUBSCRIBE');
  await closesLater(t, server, unsubscribe(0, 'a'), 'UNSUBSCRIBE');
  await closesLater(t, server, publish('a', 'x', { qos: 1, id: 0 }), 'PUBLISH at QoS 1');
  await closesLater(t, server, publish('a', 'x', { qos: 2, id: 0 }), 'PUBLISH at QoS 2');
});

t.test('[MQTT-2.3.1-4] the server gives an identifier to one message at a time, and keeps it', async (t) => {
  const topic = fresh('ids');
  const clientId = fresh('ids');
  const client = await server.client(t, { clientId, clean: false });
  await client.subscribe(topic, 2);
  const publisher = await server.publisher(t);
  for (let index = 0; index < 20; index++)
    await publisher.publish(topic, `${index}`, { qos: 1 + (index % 2) });
  const first = await client.nextPublishes(20);
  t.equal(
    new Set(first.map(({ id }) => id)).size,
    20,
    'twenty messages on their way have twenty identifiers',
  );
  await client.drop();
  const again = await server.client(t, { clientId, clean: false });
  const repeated = await again.nextPublishes(20);
  t.strictSame(
    repeated.map(({ id, payload }) => [id, payload]),
    first.map(({ id, payload }) => [id, payload]),
    'sent again, each has the identifier it had',
  );
});

t.test('[MQTT-2.3.1-5] a PUBLISH at QoS 0 has no packet identifier, in either direction', async (t) => {
  const topic = fresh('qos0');
  const client = await server.client(t);
  await client.subscribe(topic, 2);
  const bytes = publish(topic, 'AB');
  client.send(bytes);
  t.strictSame(await client.nextBytes(), bytes);
});

t.test('[MQTT-2.3.1-6] PUBACK, PUBREC, PUBREL and PUBCOMP carry the identifier of the PUBLISH', async (t) => {
  const client = await server.client(t);
  for (const id of [1, 0x00ff, 0x0100, 0xffff]) {
    client.send(publish('elsewhere', '', { qos: 1, id }));
    t.strictSame(await client.next(), { type: 'PUBACK', id });
    client.send(publish('elsewhere', '', { qos: 2, id }));
    t.strictSame(await client.next(), { type: 'PUBREC', id });
    client.send(pubrel(id));
    t.strictSame(await client.next(), { type: 'PUBCOMP', id });
  }
  const topic = fresh('pubrel');
  await client.subscribe(topic, 2);
  const publisher = await server.publisher(t);
  await publisher.publish(topic, 'x', { qos: 2 });
  const { id } = await client.nextPublish();
  client.send(pubrec(id));
  t.strictSame(await client.next(), { type: 'PUBREL', id });
});

t.test('[MQTT-2.3.1-7] SUBACK and UNSUBACK carry the identifier of what they answer', async (t) => {
  const client = await server.client(t);
  for (const id of [1, 0x00ff, 0x0100, 0xffff]) {
    client.send(subscribe(id, ['a', 0]));
    t.strictSame(await client.next(), { type: 'SUBACK', id, returnCodes: [0] });
    client.send(unsubscribe(id, 'a'));
    t.strictSame(await client.next(), { type: 'UNSUBACK', id });
  }
});

t.test('a remaining length may be written in one to four bytes', async (t) => {
  const topic = fresh('length');
  const client = await server.client(t);
  await client.subscribe(topic);
  for (const length of [127, 128, 16_383, 16_384, 60_000]) {
    const bytes = publish(topic, 'x'.repeat(length - 2 - topic.length));
    client.send(bytes);
    t.strictSame(await client.nextBytes(), bytes, `${length} bytes after the fixed header`);
  }
  client.send(hex('c0 80 80 80 00'));
  await client.next().then(
    (answer) => t.strictSame(answer, { type: 'PINGRESP' }, 'a zero in four bytes is a zero'),
    () => t.pass('a zero in four bytes is refused'),
  );
  const other = await server.client(t);
  other.send(hex('c0 80 80 80 80 00'));
  t.strictSame(await other.untilClosed(), [], 'five bytes are too many');
});

t.test('a PUBLISH whose body is nothing but its topic has an empty payload', async (t) => {
  const topic = fresh('empty');
  const client = await server.client(t);
  await client.subscribe(topic);
  client.send(packet(0x30, uint16(topic.length), Buffer.from(topic)));
  t.equal((await client.nextPublish()).payload, '');
  await isQuiet(t, client, 'and comes once');
});
