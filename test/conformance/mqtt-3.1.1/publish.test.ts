import t from 'tap';
import { closesLater, isClosed, isQuiet } from './assertions.js';
import { field, hex, packet, publish, pubrel, subscribe, uint16 } from './packet-bytes.js';
import { publication } from './received-packet.js';
import { fresh, startServer } from './server.js';

/** Chapter 3.3, PUBLISH, without RETAIN, which has a file of its own; 3.6, PUBREL. */

const server = await startServer();
t.teardown(() => server.stop());

t.test('[MQTT-3.3.1-1] a PUBLISH that is sent again has DUP set', async (t) => {
  const session = { clientId: fresh('dup'), clean: false };
  const topic = fresh('dup');
  const client = await server.client(t, session);
  await client.subscribe(topic, 2);
  const publisher = await server.publisher(t);
  for (const qos of [1, 2]) await publisher.publish(topic, `${qos}`, { qos });
  const sent = await client.nextPublishes(2);
  t.strictSame(
    sent.map(({ dup }) => dup),
    [false, false],
    'not the first time',
  );
  await client.drop();
  const back = await server.client(t, session);
  t.strictSame(
    await back.nextPublishes(2),
    sent.map((message) => ({ ...message, dup: true })),
  );
});

t.test('[MQTT-3.3.1-2] DUP has no place at QoS 0', async (t) => {
  await closesLater(t, server, publish('a', 'x', { dup: true }), 'a PUBLISH at QoS 0 with DUP');
  const topic = fresh('dup');
  const client = await server.client(t);
  await client.subscribe(topic, 0);
  const publisher = await server.publisher(t);
  publisher.send(publish(topic, 'x', { qos: 1, dup: true, id: 1 }));
  t.strictSame(await client.next(), publication(topic, 'x'), 'one that the server sends has none');
});

t.test('[MQTT-3.3.1-3] the DUP of a publisher is not handed on', async (t) => {
  const topic = fresh('dup');
  const client = await server.client(t);
  await client.subscribe(topic, 2);
  const publisher = await server.publisher(t);
  for (const qos of [1, 2]) {
    publisher.send(
      publish(topic, `${qos}`, { qos, dup: true, id: qos }),
      ...(qos === 2 ? [pubrel(qos)] : []),
    );
    const { id, ...rest } = await client.nextPublish();
    t.strictSame({ ...rest, id: 0 }, publication(topic, `${qos}`, { qos }), `QoS ${qos}`);
  }
});

t.test('[MQTT-3.3.1-4] QoS 3 closes the connection', async (t) => {
  await closesLater(t, server, publish('a', 'x', { qos: 3, id: 1 }), 'PUBLISH at QoS 3');
  await closesLater(
    t,
    server,
    publish('a', 'x', { qos: 3, id: 1, dup: true, retain: true }),
    'all flags set',
  );
});

t.test('[MQTT-3.3.2-1] a PUBLISH begins with its topic name, which is UTF-8', async (t) => {
  await closesLater(t, server, packet(0x30), 'nothing');
  await closesLater(t, server, packet(0x30, hex('00')), 'half a length');
  await closesLater(t, server, packet(0x30, hex('00 05 61 62')), 'a topic longer than its packet');
  await closesLater(t, server, packet(0x32, field('a')), 'no identifier at QoS 1');
  await closesLater(t, server, packet(0x32, field('a'), hex('00')), 'half an identifier');
  await closesLater(t, server, publish(hex('61 ff 62'), 'x'), 'not UTF-8');
});

t.test('[MQTT-3.3.2-2] a wildcard in a topic name closes the connection', async (t) => {
  for (const topic of ['#', '+', 'a/#', 'a/+/b', 'a+', 'a#b'])
    await closesLater(t, server, publish(topic, 'x'), topic);
});

t.test(
  '[MQTT-3.3.2-3] a subscriber is told the topic name of the message, which its filter matches',
  async (t) => {
    const base = fresh('name');
    const client = await server.client(t);
    await client.subscribe(`${base}/+/end`);
    await client.subscribe(`${base}/deep/#`);
    const publisher = await server.publisher(t);
    for (const rest of ['a/end', 'a/other', 'deep', 'deep/er', 'a/b/end'])
      await publisher.publish(`${base}/${rest}`, 'x');
    const topics = (await client.untilPong()).map((packet) => packet.type === 'PUBLISH' && packet.topic);
    t.strictSame(topics, [`${base}/a/end`, `${base}/deep`, `${base}/deep/er`]);
  },
);

t.test('[MQTT-3.3.4-1] a PUBLISH is answered by nothing, PUBACK or PUBREC, by its QoS', async (t) => {
  const client = await server.client(t);
  client.send(publish('elsewhere', 'x'));
  await isQuiet(t, client, 'QoS 0: nothing');
  client.send(publish('elsewhere', 'x', { qos: 1, id: 9 }));
  t.strictSame(await client.untilPong(), [{ type: 'PUBACK', id: 9 }], 'QoS 1: PUBACK');
  client.send(publish('elsewhere', 'x', { qos: 2, id: 9 }));
  t.strictSame(await client.untilPong(), [{ type: 'PUBREC', id: 9 }], 'QoS 2: PUBREC');
});

t.test('[MQTT-3.3.5-1] overlapping subscriptions deliver at the highest of their QoS', async (t) => {
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
    [1, 2, 0],
  ] as const) {
    const base = fresh('overlap');
    const client = await server.client(t);
    const filters = [`${base}/x`, `${base}/+`, `${base}/#`];
    client.send(subscribe(1, ...filters.map((filter, index): [string, number] => [filter, order[index]!])));
    t.match(await client.next(), { returnCodes: order });
    const publisher = await server.publisher(t);
    await publisher.publish(`${base}/x`, 'x', { qos: 2 });
    const copies = await client.untilPong();
    t.ok(
      copies.some((packet) => packet.type === 'PUBLISH' && packet.qos === 2),
      `granted ${order}`,
    );
    if (!server.foreign) t.equal(copies.length, 1, 'and once');
  }
});

t.test(
  '[MQTT-3.3.5-2] a PUBLISH that is not allowed is acknowledged as ever, or ends the connection',
  async (t) => {
    const topic = `$SYS/${fresh('forged')}`;
    const witness = await server.client(t);
    await witness.subscribe(topic, 2);
    for (const retain of [false, true]) {
      const client = await server.client(t);
      client.send(
        publish(topic, 'forged', { qos: 1, id: 1, retain }),
        publish(topic, 'forged', { qos: 2, id: 2, retain }),
      );
      client.send(pubrel(2));
      const answers = await client.untilPong().catch(() => client.untilClosed());
      const types = answers.map(({ type }) => type).join();
      t.ok(client.closed || types === 'PUBACK,PUBREC,PUBCOMP', types);
      await isQuiet(t, witness, 'what the server says under $SYS nobody else can say');
    }
    if (server.foreign) return;
    const clientId = fresh('forger');
    await (await server.client(t, { clientId, will: { topic, payload: 'forged', retain: true } })).drop();
    await server.client(t, { clientId });
    await isQuiet(t, witness, 'not in a will either');
  },
);

t.test('[MQTT-3.6.1-1] a PUBREL with other flags than 2 closes the connection', async (t) => {
  for (const flags of [0, 1, 3, 4, 6, 8, 10, 15]) {
    const client = await server.client(t);
    client.send(publish('elsewhere', 'x', { qos: 2, id: 5 }));
    t.strictSame(await client.next(), { type: 'PUBREC', id: 5 });
    client.send(packet(0x60 | flags, uint16(5)));
    await isClosed(t, client, `flags ${flags}`);
  }
  const client = await server.client(t);
  client.send(publish('elsewhere', 'x', { qos: 2, id: 5 }));
  t.strictSame(await client.next(), { type: 'PUBREC', id: 5 });
  client.send(pubrel(5));
  t.strictSame(await client.next(), { type: 'PUBCOMP', id: 5 }, 'flags 2 are right');
});
