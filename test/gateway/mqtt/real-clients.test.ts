import { randomBytes } from 'node:crypto';
import t from 'tap';
import { startGateway } from '../../gateway-process.js';
import { until } from '../../until.js';
import { brief, RealClient } from './real-client.js';

/** MQTT.js, which nobody here wrote, against the gateway: messages from client to client. */

const gateway = await startGateway();
t.teardown(() => gateway.kill());

const levels = [0, 1, 2] as const;

t.test(
  'a message arrives at the lower of the QoS it was published at and the one subscribed to',
  async (t) => {
    const publisher = await RealClient.connect(t, gateway.publisher);
    for (const granted of levels) {
      const subscriber = await RealClient.connect(t, gateway);
      await subscriber.subscribe('qos/levels', granted);
      for (const qos of levels) await publisher.publish('qos/levels', `at ${qos}`, { qos });
      const expected = levels.map((qos) => `qos/levels at ${qos} ${Math.min(qos, granted)}`);
      t.same((await subscriber.exactly(3)).map(brief).sort(), expected, `subscribed at QoS ${granted}`);
    }
  },
);

for (const qos of levels) {
  t.test(`500 messages at QoS ${qos} arrive once each, in order`, async (t) => {
    const [subscriber, publisher] = [
      await RealClient.connect(t, gateway),
      await RealClient.connect(t, gateway.publisher),
    ];
    await subscriber.subscribe(`many/${qos}`, qos);
    const sent = Array.from({ length: 500 }, (_, n) => `message ${n}`);
    // The queue behind the window has 100; who publishes faster than is read at QoS 1 and 2 would cross it.
    for (let at = 0; at < sent.length; at += 50) {
      await Promise.all(
        sent.slice(at, at + 50).map((text) => publisher.publish(`many/${qos}`, text, { qos })),
      );
      await until('they have come', () => subscriber.received.length >= at + 50);
    }
    await subscriber.exactly(500);
    t.same(subscriber.texts(), sent);
    t.ok(subscriber.received.every((message) => message.qos === qos));
  });
}

t.test('a client gets what it publishes itself', async (t) => {
  const client = await RealClient.connect(t, gateway);
  await client.subscribe('echo', 2);
  await client.publish('echo', 'hello', { qos: 2 });
  t.same((await client.exactly(1)).map(brief), ['echo hello 2']);
});

t.test('a filter with wildcards gets what it matches, and no more', async (t) => {
  const publisher = await RealClient.connect(t, gateway.publisher);
  const topics = ['w', 'w/', 'w/a', 'w/b', 'w/a/x', 'w/b/x', 'w/a/x/y', '/w/a', 'v/a', '$w/a'];
  const expected: Record<string, string[]> = {
    'w/+': ['w/', 'w/a', 'w/b'],
    'w/#': ['w', 'w/', 'w/a', 'w/b', 'w/a/x', 'w/b/x', 'w/a/x/y'],
    '+/a': ['w/a', 'v/a'],
    'w/+/x': ['w/a/x', 'w/b/x'],
    '+/w/#': ['/w/a'],
    '$w/+': ['$w/a'],
    'w/a': ['w/a'],
  };
  for (const [filter, matched] of Object.entries(expected)) {
    const subscriber = await RealClient.connect(t, gateway);
    await subscriber.subscribe(filter, 1);
    for (const topic of topics) await publisher.publish(topic, 'x', { qos: 1 });
    await subscriber.exactly(matched.length);
    // In any order: there is one for each topic only.
    t.same(subscriber.received.map(({ topic }) => topic).sort(), [...matched].sort(), filter);
    await subscriber.leave();
  }
});

t.test('overlapping filters of one client make one delivery, at the highest QoS', async (t) => {
  const client = await RealClient.connect(t, gateway);
  await client.subscribe('over/+', 0);
  await client.subscribe('over/#', 2);
  await client.subscribe('over/lap', 1);
  await client.publish('over/lap', 'once', { qos: 2 });
  t.same((await client.exactly(1)).map(brief), ['over/lap once 2']);
});

t.test('after unsubscribing nothing comes', async (t) => {
  const client = await RealClient.connect(t, gateway);
  await client.subscribe('left', 1);
  await client.publish('left', 'first', { qos: 1 });
  await client.exactly(1); // PUBACK does not say that it has come back
  await client.mqtt.unsubscribeAsync('left');
  await client.publish('left', 'second', { qos: 1 });
  t.same((await client.exactly(1)).map(brief), ['left first 1']);
});

t.test('a retained message waits for who subscribes later, until it is cleared', async (t) => {
  const publisher = await RealClient.connect(t, gateway.publisher);
  await publisher.publish('kept/a', 'old', { qos: 1, retain: true });
  await publisher.publish('kept/a', 'new', { qos: 1, retain: true });
  await publisher.publish('kept/b', 'other', { qos: 2, retain: true });
  const [exact, all] = [await RealClient.connect(t, gateway), await RealClient.connect(t, gateway)];
  await exact.subscribe('kept/a', 1);
  t.same((await exact.exactly(1)).map(brief), ['kept/a new 1 retained']);
  await all.subscribe('kept/#', 2);
  t.same((await all.exactly(2)).map(brief).sort(), ['kept/a new 1 retained', 'kept/b other 2 retained']);
  await publisher.publish('kept/a', 'now', { qos: 1, retain: true });
  t.match(
    (await exact.exactly(2)).map(brief)[1],
    /^kept\/a now 1$/,
    'who is subscribed sees it as any other',
  );
  for (const topic of ['kept/a', 'kept/b']) await publisher.publish(topic, '', { qos: 1, retain: true });
  await all.exactly(5); // what clears is a message, too: it is not under way any more
  const late = await RealClient.connect(t, gateway);
  await late.subscribe('kept/#', 2);
  await late.exactly(0);
});

t.test('payloads are bytes: each of the 256, none, and as many as a packet may hold', async (t) => {
  const client = await RealClient.connect(t, gateway);
  await client.subscribe('bytes', 1);
  const topicBytes = 2 + 'bytes'.length + 2;
  const payloads = [
    Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
    Buffer.alloc(0),
    randomBytes(16_384),
    randomBytes(65_536 - topicBytes),
  ];
  for (const payload of payloads) await client.publish('bytes', payload, { qos: 1 });
  const received = await client.exactly(payloads.length);
  for (const [n, { payload }] of received.entries())
    t.ok(payload.equals(payloads[n]!), `${payload.length} bytes`);
});

t.test('a larger message comes through where the limits are raised', async (t) => {
  const bytesMax = String(4 * 1024 * 1024);
  const flags = ['--mqtt-max-packet-size', bytesMax, '--message-bytes-max', bytesMax];
  const generous = await startGateway({ flags });
  t.teardown(() => generous.kill());
  const client = await RealClient.connect(t, generous);
  await client.subscribe('large', 1);
  const payload = randomBytes(3 * 1024 * 1024);
  for (const qos of [0, 1] as const) await client.publish('large', payload, { qos });
  const received = await client.exactly(2);
  t.ok(received.every((message) => message.payload.equals(payload)));
});

t.test('topics are any UTF-8', async (t) => {
  const client = await RealClient.connect(t, gateway, { clientId: 'Grüße-日本-🚀' });
  const topics = ['Größe/日本/🚀', 'a b/c', '/', '//', ' ', "<b>&'"];
  for (const topic of topics) {
    await client.subscribe(topic, 1);
    await client.publish(topic, topic, { qos: 1 });
  }
  t.same(
    (await client.exactly(topics.length)).map(brief),
    topics.map((topic) => `${topic} ${topic} 1`),
  );
});

t.test('a client of MQTT 3.1 is served, under its own subprotocol', async (t) => {
  const client = await RealClient.connect(t, gateway, { protocolVersion: 3, protocolId: 'MQIsdp' });
  await client.subscribe('old', 2);
  for (const qos of levels) await client.publish('old', `at ${qos}`, { qos });
  t.same(
    (await client.exactly(3)).map(brief).sort(),
    levels.map((qos) => `old at ${qos} ${qos}`),
  );
  t.equal(client.subprotocol, 'mqttv3.1');
});

t.test('nothing of it was logged, and nobody is left', async (t) => {
  await until('all are gone', async () => (await gateway.stats()).connections.open === 0);
  const { connections, mqtt, router } = await gateway.stats();
  t.notMatch(gateway.log, /"level":[456]0/);
  t.equal(mqtt.sessions.sessions, 0);
  t.equal(router.subscribers, 0);
  t.equal(
    connections.opened,
    Object.values<number>(connections.closed).reduce((sum, n) => sum + n, 0),
  );
});
