import t from 'tap';
import { closesLater, isQuiet } from './assertions.js';
import {
  field,
  hex,
  packet,
  puback,
  pubcomp,
  pubrec,
  subscribe,
  uint16,
  unsubscribe,
} from './packet-bytes.js';
import { fresh, startServer } from './server.js';

/** Chapter 3.10, UNSUBSCRIBE, and 3.11, UNSUBACK. */

const server = await startServer();
t.teardown(() => server.stop());

t.test('[MQTT-3.10.1-1] an UNSUBSCRIBE with other flags than 2 closes the connection', async (t) => {
  for (const flags of [0, 1, 3, 4, 6, 8, 10, 15])
    await closesLater(t, server, packet(0xa0 | flags, uint16(1), field('a')), `flags ${flags}`);
});

t.test('[MQTT-3.10.3-1] filters to unsubscribe are UTF-8, one right after the other', async (t) => {
  await closesLater(t, server, unsubscribe(1, hex('61 ff')), 'not UTF-8');
  await closesLater(t, server, unsubscribe(1, 'good', hex('ed a0 80')), 'the second is not');
  await closesLater(t, server, packet(0xa2, uint16(1), field('a'), hex('00')), 'a byte that belongs to none');
  await closesLater(t, server, packet(0xa2, uint16(1), hex('00 05 61')), 'a filter longer than its packet');
});

t.test('[MQTT-3.10.3-2] an UNSUBSCRIBE without a filter closes the connection', async (t) => {
  await closesLater(t, server, packet(0xa2, uint16(1)), 'no filter');
  await closesLater(t, server, packet(0xa2), 'no identifier either');
});

t.test('[MQTT-3.10.4-1] only the filter that is the same to the letter is removed', async (t) => {
  const base = fresh('Letter');
  const client = await server.client(t);
  await client.subscribe(`${base}/+`, 1);
  const others = [
    `${base}/x`,
    `${base}/#`,
    '#',
    '+/+',
    `${base.toLowerCase()}/+`,
    `${base}/+/`,
    ` ${base}/+`,
  ];
  client.send(unsubscribe(1, ...others));
  t.strictSame(await client.next(), { type: 'UNSUBACK', id: 1 });
  const publisher = await server.publisher(t);
  await publisher.publish(`${base}/x`, 'still');
  t.match(await client.untilPong(), [{ payload: 'still', qos: 1 }], 'others are not');
  client.send(unsubscribe(2, `${base}/+`));
  t.strictSame(await client.next(), { type: 'UNSUBACK', id: 2 });
  await publisher.publish(`${base}/x`, 'no more');
  await isQuiet(t, client, 'it is');
});

t.test('[MQTT-3.10.4-2] after the UNSUBACK nothing new comes', async (t) => {
  const topic = fresh('after');
  const publisher = await server.publisher(t);
  for (const qos of [0, 1, 2]) {
    const client = await server.client(t);
    await client.subscribe(topic, qos);
    client.send(unsubscribe(3, topic));
    t.strictSame(await client.next(), { type: 'UNSUBACK', id: 3 });
    await publisher.publish(topic, 'x', { qos: 2 });
    await isQuiet(t, client, `subscribed at ${qos}`);
  }
});

t.test(
  '[MQTT-3.10.4-3] what was on its way when the subscription ended is delivered to the end',
  async (t) => {
    const session = { clientId: fresh('rest'), clean: false };
    const topic = fresh('rest');
    const client = await server.client(t, session);
    await client.subscribe(topic, 2);
    const publisher = await server.publisher(t);
    for (const qos of [1, 2, 2]) await publisher.publish(topic, `${qos}`, { qos });
    const [atLeast, exactly, released] = await client.nextPublishes(3);
    client.send(pubrec(released!.id));
    t.strictSame(await client.next(), { type: 'PUBREL', id: released!.id });
    client.send(unsubscribe(4, topic));
    t.strictSame(await client.next(), { type: 'UNSUBACK', id: 4 });
    client.send(pubrec(exactly!.id));
    t.strictSame(await client.next(), { type: 'PUBREL', id: exactly!.id }, 'QoS 2 goes on');
    await client.drop();
    const back = await server.client(t, session);
    const again = await back.untilPong();
    const idsOf = (type: string) =>
      again.flatMap((packet) => (packet.type === type && 'id' in packet ? [packet.id] : []));
    t.strictSame(idsOf('PUBLISH'), [atLeast!.id], 'and over a reconnection: QoS 1');
    t.strictSame(idsOf('PUBREL').sort(), [exactly!.id, released!.id].sort(), 'QoS 2');
    back.send(puback(atLeast!.id), pubcomp(exactly!.id), pubcomp(released!.id));
    await isQuiet(t, back, 'until it is done');
  },
);

t.test('[MQTT-3.10.4-4] an UNSUBSCRIBE is answered by an UNSUBACK with its identifier', async (t) => {
  const client = await server.client(t);
  await client.subscribe('a');
  const ids = [1, 65535, 256];
  client.send(...ids.map((id) => unsubscribe(id, 'a')));
  t.strictSame(
    await client.untilPong(),
    ids.map((id) => ({ type: 'UNSUBACK', id })),
  );
});

t.test('[MQTT-3.10.4-5] also when there was no such subscription', async (t) => {
  const client = await server.client(t);
  client.send(unsubscribe(6, 'never/subscribed', 'nor/this/#'));
  t.strictSame(await client.untilPong(), [{ type: 'UNSUBACK', id: 6 }]);
});

t.test('[MQTT-3.10.4-6] several filters in one UNSUBSCRIBE are all removed, with one answer', async (t) => {
  const base = fresh('several');
  const client = await server.client(t);
  client.send(subscribe(1, [`${base}/a`, 0], [`${base}/b`, 0], [`${base}/c`, 0]));
  await client.next();
  client.send(unsubscribe(2, `${base}/a`, 'unknown', `${base}/c`));
  t.strictSame(await client.untilPong(), [{ type: 'UNSUBACK', id: 2 }]);
  const publisher = await server.publisher(t);
  for (const name of ['a', 'b', 'c']) await publisher.publish(`${base}/${name}`, name);
  t.match(await client.untilPong(), [{ payload: 'b' }]);
});
