import t from 'tap';
import { closesLater, isQuiet } from './assertions.js';
import { field, hex, packet, publish, subscribe, uint16 } from './packet-bytes.js';
import type { Publication } from './received-packet.js';
import { fresh, startServer } from './server.js';

/** Chapter 3.8, SUBSCRIBE, and 3.9, SUBACK. */

const subscriptionsMax = 8;
const server = await startServer(['--mqtt-max-subscriptions', String(subscriptionsMax)]);
t.teardown(() => server.stop());

t.test('[MQTT-3.8.1-1] a SUBSCRIBE with other flags than 2 closes the connection', async (t) => {
  for (const flags of [0, 1, 3, 4, 6, 8, 10, 15])
    await closesLater(t, server, packet(0x80 | flags, uint16(1), field('a'), hex('00')), `flags ${flags}`);
});

t.test('[MQTT-3.8.3-1] a filter that is not UTF-8 closes the connection', async (t) => {
  await closesLater(t, server, subscribe(1, [hex('61 ff'), 0]), 'alone');
  await closesLater(t, server, subscribe(1, ['good', 0], [hex('ed a0 80'), 0]), 'after a good one');
});

t.test('[MQTT-3.8.3-3] a SUBSCRIBE without a filter and its QoS closes the connection', async (t) => {
  await closesLater(t, server, packet(0x82, uint16(1)), 'no filter');
  await closesLater(t, server, packet(0x82), 'no identifier either');
  await closesLater(t, server, packet(0x82, uint16(1), field('a')), 'no QoS');
  await closesLater(t, server, packet(0x82, uint16(1), field('a'), hex('00'), field('b')), 'no second QoS');
  await closesLater(t, server, packet(0x82, uint16(1), hex('00 09 61')), 'a filter longer than its packet');
});

t.test(
  '[MQTT-3.8.3-4] a requested QoS over 2, or a reserved bit beside it, closes the connection',
  async (t) => {
    for (const qos of [3, 0x04, 0x05, 0x08, 0x10, 0x21, 0x40, 0x80, 0xff]) {
      await closesLater(t, server, subscribe(1, ['a', qos]), `0x${qos.toString(16)}`);
      await closesLater(t, server, subscribe(1, ['a', 1], ['b', qos]), `0x${qos.toString(16)} second`);
    }
  },
);

t.test('[MQTT-3.8.4-1] a SUBSCRIBE is answered by one SUBACK', async (t) => {
  const client = await server.client(t);
  client.send(subscribe(1, [fresh('suback'), 1]));
  t.strictSame(await client.untilPong(), [{ type: 'SUBACK', id: 1, returnCodes: [1] }]);
});

t.test('[MQTT-3.8.4-2] a SUBACK has the identifier of its SUBSCRIBE, also when several wait', async (t) => {
  const client = await server.client(t);
  const ids = [7, 65535, 256, 1];
  client.send(...ids.map((id) => subscribe(id, [`x${id}`, 0])));
  t.strictSame(
    await client.untilPong(),
    ids.map((id) => ({ type: 'SUBACK', id, returnCodes: [0] })),
  );
});

t.test(
  '[MQTT-3.8.4-3] subscribing again replaces the subscription and repeats retained messages',
  async (t) => {
    const topic = fresh('again');
    const publisher = await server.publisher(t);
    await publisher.publish(topic, 'retained', { qos: 2, retain: true });
    const client = await server.client(t);
    for (const qos of [0, 2, 1]) {
      await client.subscribe(topic, qos);
      t.match(await client.untilPong(), [{ payload: 'retained', qos, retain: true }], `subscribed at ${qos}`);
      await publisher.publish(topic, 'x', { qos: 2 });
      t.match(
        await client.untilPong(),
        [{ payload: 'x', qos, retain: false }],
        'delivered once, at the new QoS',
      );
    }
  },
);

t.test('[MQTT-3.8.4-3] subscribing again does not interrupt the flow', async (t) => {
  const base = fresh('flow');
  const client = await server.client(t);
  await client.subscribe(`${base}/#`, 0);
  const publisher = await server.publisher(t);
  for (let round = 0; round < 20; round++) {
    for (let index = 0; index < 10; index++) publisher.send(publish(`${base}/x`, `${10 * round + index}`));
    client.send(subscribe(1 + round, [`${base}/#`, round % 2]));
  }
  await publisher.untilPong();
  const flow = (await client.untilPong()).filter(({ type }) => type === 'PUBLISH') as Publication[];
  t.strictSame(
    flow.map(({ payload }) => Number(payload)),
    Array.from({ length: 200 }, (_, index) => index),
  );
});

t.test('[MQTT-3.8.4-4] several filters in one SUBSCRIBE count as one after the other', async (t) => {
  const base = fresh('several');
  const publisher = await server.publisher(t);
  for (const name of ['a', 'b']) await publisher.publish(`${base}/${name}`, name, { retain: true });
  const client = await server.client(t);
  client.send(subscribe(5, [`${base}/a`, 0], [`${base}/b`, 1], [`${base}/c`, 0], [`${base}/c`, 2]));
  const answers = await client.untilPong();
  t.strictSame(
    answers.filter(({ type }) => type === 'SUBACK'),
    [{ type: 'SUBACK', id: 5, returnCodes: [0, 1, 0, 2] }],
    'one answer for all',
  );
  const retained = answers.filter(({ type }) => type === 'PUBLISH') as Publication[];
  t.strictSame(
    retained.map(({ payload, qos }) => [payload, qos]),
    [
      ['a', 0],
      ['b', 1],
    ],
    'retained for each',
  );
  await publisher.publish(`${base}/c`, 'c', { qos: 2 });
  t.match(await client.untilPong(), [{ payload: 'c', qos: 2 }], 'the last one of a filter counts');
});

t.test('[MQTT-3.8.4-5] a SUBACK says for each filter which QoS is granted', async (t) => {
  const base = fresh('granted');
  const client = await server.client(t);
  const filters = [0, 1, 2].map((qos): [string, number] => [`${base}/${qos}`, qos]);
  client.send(subscribe(1, ...filters));
  t.match(await client.next(), { returnCodes: [0, 1, 2] });
  const publisher = await server.publisher(t);
  for (const [filter, qos] of filters) {
    await publisher.publish(filter, 'x', { qos: 2 });
    t.match(await client.untilPong(), [{ topic: filter, qos }], `granted ${qos}, delivered at ${qos}`);
  }
});

t.test('[MQTT-3.8.4-6] a message arrives at the lower of its QoS and the granted one', async (t) => {
  const publisher = await server.publisher(t);
  for (const granted of [0, 1, 2]) {
    const topic = fresh('lower');
    const client = await server.client(t);
    await client.subscribe(topic, granted);
    for (const qos of [0, 1, 2]) {
      await publisher.publish(topic, `${qos}`, { qos });
      const lower = Math.min(qos, granted);
      t.match(
        await client.untilPong(),
        [{ payload: `${qos}`, qos: lower }],
        `published at ${qos}, granted ${granted}`,
      );
    }
  }
});

t.test('[MQTT-3.9.3-1] the return codes stand in the order of the filters', async (t) => {
  const client = await server.client(t);
  const asked = [2, 0, 1, 1, 0, 2];
  client.send(subscribe(1, ...asked.map((qos, index): [string, number] => [`order/${index}`, qos])));
  t.strictSame(await client.next(), { type: 'SUBACK', id: 1, returnCodes: asked });
});

t.test(
  '[MQTT-3.9.3-2] a filter past the limit gets 0x80, and the others are granted',
  server.onlyOurs,
  async (t) => {
    const base = fresh('limit');
    const client = await server.client(t);
    const filters = Array.from({ length: subscriptionsMax + 2 }, (_, index): [string, number] => [
      `${base}/${index}`,
      index % 3,
    ]);
    client.send(subscribe(1, ...filters));
    const answer = await client.next();
    const granted = filters.map(([, qos], index) => (index < subscriptionsMax ? qos : 0x80));
    t.strictSame(answer, { type: 'SUBACK', id: 1, returnCodes: granted });
    const publisher = await server.publisher(t);
    await publisher.publish(`${base}/0`, 'x');
    t.match(await client.untilPong(), [{ topic: `${base}/0` }], 'granted');
    await publisher.publish(`${base}/${subscriptionsMax}`, 'x');
    await isQuiet(t, client, 'refused');
  },
);
