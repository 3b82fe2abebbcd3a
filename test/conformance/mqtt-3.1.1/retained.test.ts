import t, { type Test } from 'tap';
import { puback, publish, pubrel, subscribe } from './packet-bytes.js';
import { type Publication, publication, type Received } from './received-packet.js';
import { fresh, startServer } from './server.js';

/** Chapter 3.3.1.3, RETAIN. */

const server = await startServer();
t.teardown(() => server.stop());

/** Messages that a new subscriber gets at once, in the order of the topics, without packet identifiers. */
async function retainedFor(t: Test, filter: string, qos = 2): Promise<Received[]> {
  const late = await server.client(t);
  await late.subscribe(filter, qos);
  const messages = (await late.untilPong()) as Publication[];
  return messages.map((message) => ({ ...message, id: 0 })).sort((a, b) => (a.topic < b.topic ? -1 : 1));
}

t.test('[MQTT-3.3.1-5] a retained message is kept with its QoS for subscribers to come', async (t) => {
  const publisher = await server.publisher(t);
  for (const qos of [0, 1, 2]) {
    const topic = fresh('retained');
    await publisher.publish(topic, 'x', { qos, retain: true });
    for (const granted of [0, 1, 2])
      t.strictSame(
        await retainedFor(t, topic, granted),
        [publication(topic, 'x', { qos: Math.min(qos, granted), retain: true })],
        `published at ${qos}, subscribed at ${granted}`,
      );
  }
});

t.test(
  '[MQTT-3.3.1-6] a new subscription gets the last retained message of each topic it matches',
  async (t) => {
    const base = fresh('retained');
    const publisher = await server.publisher(t);
    for (const [topic, payload] of [
      ['a', 'old'],
      ['a', 'new'],
      ['b', 'b'],
      ['b/c', 'c'],
      ['d', 'd'],
    ])
      await publisher.publish(`${base}/${topic}`, payload!, { retain: true });
    const topics = async (filter: string) =>
      (await retainedFor(t, filter)).map(
        (packet) => packet.type === 'PUBLISH' && [packet.topic, packet.payload],
      );
    t.strictSame(await topics(`${base}/a`), [[`${base}/a`, 'new']]);
    t.strictSame(await topics(`${base}/+`), [
      [`${base}/a`, 'new'],
      [`${base}/b`, 'b'],
      [`${base}/d`, 'd'],
    ]);
    t.strictSame(await topics(`${base}/b/#`), [
      [`${base}/b`, 'b'],
      [`${base}/b/c`, 'c'],
    ]);
    t.strictSame(await topics(`${base}/none`), []);
  },
);

t.test('[MQTT-3.3.1-6] what was retained never comes after what has replaced it', async (t) => {
  const base = fresh('retained');
  const topics = Array.from({ length: 60 }, (_, index) => `${base}/${index}`);
  const publisher = await server.publisher(t);
  for (const topic of topics) await publisher.publish(topic, 'old', { retain: true });
  const client = await server.client(t);
  client.send(subscribe(1, [`${base}/#`, 1]));
  await client.next();
  for (const topic of topics) await publisher.publish(topic, 'new', { retain: true });
  const last = new Map<string, string>();
  for (let due = await client.untilPong(); due.length > 0; due = await client.untilPong()) {
    for (const packet of due as Publication[]) {
      last.set(packet.topic, packet.payload);
      client.send(puback(packet.id));
    }
  }
  t.strictSame(
    topics.map((topic) => last.get(topic)),
    topics.map(() => 'new'),
    'though more was retained than fits the window',
  );
});

t.test('[MQTT-3.3.1-7] a retained message at QoS 0 takes the place of the one before', async (t) => {
  const topic = fresh('retained');
  const publisher = await server.publisher(t);
  await publisher.publish(topic, 'one', { qos: 1, retain: true });
  await publisher.publish(topic, 'two', { qos: 0, retain: true });
  t.strictSame(await retainedFor(t, topic), [publication(topic, 'two', { retain: true })]);
});

t.test('[MQTT-3.3.1-8] what a new subscription is sent has RETAIN set', async (t) => {
  const topic = fresh('retained');
  const publisher = await server.publisher(t);
  await publisher.publish(topic, 'x', { retain: true });
  const client = await server.client(t);
  for (const filter of [topic, `${topic}/#`]) {
    await client.subscribe(filter);
    t.strictSame(await client.next(), publication(topic, 'x', { retain: true }), filter);
  }
});

t.test('[MQTT-3.3.1-9] what a subscription that was there before is sent has RETAIN clear', async (t) => {
  const topic = fresh('retained');
  const client = await server.client(t);
  await client.subscribe(topic, 0);
  const session = { clientId: fresh('retained'), clean: false };
  const offline = await server.client(t, session);
  await offline.subscribe(topic, 1);
  await offline.disconnect();
  const publisher = await server.publisher(t);
  await publisher.publish(topic, 'x', { retain: true });
  t.strictSame(await client.next(), publication(topic, 'x'));
  const { id, ...kept } = await (await server.client(t, session)).nextPublish();
  t.strictSame({ ...kept, id: 0 }, publication(topic, 'x', { qos: 1 }), 'also after a time offline');
});

t.test('[MQTT-3.3.1-10] an empty retained message is delivered, and clears what was retained', async (t) => {
  const topic = fresh('retained');
  const client = await server.client(t);
  await client.subscribe(topic);
  const publisher = await server.publisher(t);
  for (const qos of [0, 1, 2]) {
    await publisher.publish(topic, 'x', { retain: true });
    await publisher.publish(topic, '', { qos, retain: true });
    t.match(
      await client.untilPong(),
      [{ payload: 'x' }, { payload: '', retain: false }],
      `QoS ${qos}: delivered`,
    );
    t.strictSame(await retainedFor(t, topic), [], 'cleared');
  }
});

t.test('[MQTT-3.3.1-11] an empty message is never retained', async (t) => {
  const topic = fresh('retained');
  const publisher = await server.publisher(t);
  await publisher.publish(topic, '', { retain: true });
  t.strictSame(await retainedFor(t, topic), []);
});

t.test('[MQTT-3.3.1-12] a message without RETAIN changes nothing of what is retained', async (t) => {
  const topic = fresh('retained');
  const publisher = await server.publisher(t);
  await publisher.publish(topic, 'passing');
  t.strictSame(await retainedFor(t, topic), [], 'it is not kept');
  await publisher.publish(topic, 'kept', { retain: true });
  await publisher.publish(topic, 'passing');
  await publisher.publish(topic, '');
  t.match(await retainedFor(t, topic), [{ payload: 'kept' }], 'it replaces and removes nothing');
});

t.test('a QoS 2 message is retained once, however often it is repeated', async (t) => {
  const topic = fresh('retained');
  const publisher = await server.publisher(t);
  const bytes = publish(topic, 'x', { qos: 2, id: 3, retain: true });
  publisher.send(bytes, bytes);
  for (let n = 0; n < 2; n++) t.strictSame(await publisher.next(), { type: 'PUBREC', id: 3 });
  publisher.send(pubrel(3));
  t.strictSame(await publisher.untilPong(), [{ type: 'PUBCOMP', id: 3 }]);
  t.equal((await retainedFor(t, topic)).length, 1);
});
