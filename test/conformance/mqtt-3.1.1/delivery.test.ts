import t from 'tap';
import { isQuiet } from './assertions.js';
import { puback, pubcomp, publish, pubrec, pubrel } from './packet-bytes.js';
import { type Publication, publication } from './received-packet.js';
import { fresh, startServer } from './server.js';

/** Chapter 4.3 to 4.5: the delivery protocols, sending again, who gets a message. */

const server = await startServer();
t.teardown(() => server.stop());

t.test('[MQTT-4.3.1-1] at QoS 0 a message is sent once, with QoS 0 and without DUP', async (t) => {
  const session = { clientId: fresh('qos0'), clean: false };
  const topic = fresh('qos0');
  const client = await server.client(t, session);
  await client.subscribe(topic, 0);
  const publisher = await server.publisher(t);
  await publisher.publish(topic, 'x', { qos: 2 });
  t.strictSame(await client.untilPong(), [publication(topic, 'x')]);
  await client.drop();
  await isQuiet(t, await server.client(t, session), 'and not again');
});

t.test('[MQTT-4.3.2-1] at QoS 1 a message is unacknowledged until its PUBACK', async (t) => {
  const session = { clientId: fresh('qos1'), clean: false };
  const topic = fresh('qos1');
  const client = await server.client(t, session);
  await client.subscribe(topic, 1);
  const publisher = await server.publisher(t);
  await publisher.publish(topic, 'x');
  const sent = await client.nextPublish();
  t.strictSame(sent, publication(topic, 'x', { qos: 1, id: sent.id }));
  await client.drop();
  const again = await server.client(t, session);
  t.strictSame(await again.next(), { ...sent, dup: true }, 'sent again');
  again.send(puback(sent.id));
  await isQuiet(t, again, 'the PUBACK has arrived');
  await again.drop();
  await isQuiet(t, await server.client(t, session), 'and not after it');
});

t.test('[MQTT-4.3.2-2] at QoS 1 every PUBLISH is taken and acknowledged, whatever its DUP', async (t) => {
  const topic = fresh('qos1');
  const client = await server.client(t);
  await client.subscribe(topic, 0);
  const publisher = await server.publisher(t);
  for (const dup of [false, true, false]) {
    publisher.send(publish(topic, `${dup}`, { qos: 1, id: 8, dup }));
    t.strictSame(await publisher.next(), { type: 'PUBACK', id: 8 });
    t.strictSame(
      await client.untilPong(),
      [publication(topic, `${dup}`)],
      'after a PUBACK the id is free again',
    );
  }
});

t.test(
  '[MQTT-4.3.3-1] at QoS 2 the server sends PUBLISH until PUBREC, then PUBREL until PUBCOMP',
  async (t) => {
    const session = { clientId: fresh('qos2'), clean: false };
    const topic = fresh('qos2');
    const first = await server.client(t, session);
    await first.subscribe(topic, 2);
    const publisher = await server.publisher(t);
    await publisher.publish(topic, 'x', { qos: 2 });
    const sent = await first.nextPublish();
    t.strictSame(sent, publication(topic, 'x', { qos: 2, id: sent.id }));
    await first.drop();

    const second = await server.client(t, session);
    t.strictSame(await second.untilPong(), [{ ...sent, dup: true }], 'before the PUBREC: the PUBLISH again');
    second.send(pubrec(sent.id));
    t.strictSame(await second.untilPong(), [{ type: 'PUBREL', id: sent.id }]);
    second.send(pubrec(sent.id));
    t.strictSame(await second.untilPong(), [{ type: 'PUBREL', id: sent.id }], 'each PUBREC is answered');
    await second.drop();

    const third = await server.client(t, session);
    t.strictSame(
      await third.untilPong(),
      [{ type: 'PUBREL', id: sent.id }],
      'after it: the PUBREL, not the PUBLISH',
    );
    third.send(pubcomp(sent.id));
    await isQuiet(t, third, 'the PUBCOMP has arrived');
    await third.drop();
    await isQuiet(t, await server.client(t, session), 'done');
  },
);

t.test('[MQTT-4.3.3-1] the identifier of a QoS 2 message is in use until its PUBCOMP', async (t) => {
  const topic = fresh('qos2');
  const client = await server.client(t);
  await client.subscribe(topic, 2);
  const publisher = await server.publisher(t);
  await publisher.publish(topic, 'held', { qos: 2 });
  const held = await client.nextPublish();
  client.send(pubrec(held.id));
  t.strictSame(await client.next(), { type: 'PUBREL', id: held.id });
  for (let index = 0; index < 20; index++)
    await publisher.publish(topic, `${index}`, { qos: 1 + (index % 2) });
  const ids = (await client.nextPublishes(20)).map(({ id }) => id);
  t.equal(new Set([held.id, ...ids]).size, 21);
});

t.test('[MQTT-4.3.2-1] an identifier in use is left out when the numbers begin again at 1', async (t) => {
  const topic = fresh('wrap');
  const client = await server.client(t);
  await client.subscribe(topic, 1);
  const publisher = await server.publisher(t);
  await publisher.publish(topic, 'held');
  const held = await client.nextPublish();
  const seen = new Set<number>();
  const batch = Array.from({ length: 16 }, (_, index) => publish(topic, 'x', { qos: 1, id: index + 1 }));
  for (let sent = 0; sent < 66_000; sent += batch.length) {
    publisher.send(...batch);
    const packets = await client.nextPublishes(batch.length);
    for (const { id } of packets) seen.add(id);
    client.send(...packets.map(({ id }) => puback(id)));
    for (const _ of batch) await publisher.next();
  }
  t.notOk(seen.has(held.id), 'the one that was never acknowledged');
  t.ok(seen.size <= 65_534, `${seen.size} identifiers for 66,000 messages`);
  client.send(puback(held.id));
  await isQuiet(t, client, 'the connection is sound');
});

t.test('[MQTT-4.3.3-2] at QoS 2 the server delivers once, however often a PUBLISH is repeated', async (t) => {
  const topic = fresh('qos2');
  const client = await server.client(t);
  await client.subscribe(topic, 0);
  const publisher = await server.publisher(t);
  for (const round of ['first', 'second']) {
    for (const dup of [false, true, true, false]) {
      publisher.send(publish(topic, round, { qos: 2, id: 9, dup }));
      t.strictSame(await publisher.next(), { type: 'PUBREC', id: 9 }, 'each is answered by PUBREC');
    }
    publisher.send(pubrel(9));
    t.strictSame(await publisher.next(), { type: 'PUBCOMP', id: 9 });
    t.strictSame(await client.untilPong(), [publication(topic, round)], `${round}: delivered once`);
  }
  publisher.send(pubrel(9));
  t.strictSame(await publisher.next(), { type: 'PUBCOMP', id: 9 }, 'a repeated PUBREL is answered too');
  publisher.send(pubrel(999));
  t.strictSame(await publisher.next(), { type: 'PUBCOMP', id: 999 }, 'and one that nobody remembers');
});

t.test('[MQTT-4.4.0-1] on return everything unacknowledged is sent again with its identifier', async (t) => {
  const session = { clientId: fresh('return'), clean: false };
  const topic = fresh('return');
  const client = await server.client(t, session);
  await client.subscribe(topic, 2);
  const publisher = await server.publisher(t);
  for (let index = 0; index < 6; index++)
    await publisher.publish(topic, `${index}`, { qos: 1 + (index % 2) });
  const sent = await client.nextPublishes(6);
  const [acknowledged, completed, atLeast, released, ...rest] = sent as [
    Publication,
    Publication,
    Publication,
    Publication,
  ];
  client.send(puback(acknowledged.id), pubrec(completed.id), pubcomp(completed.id), pubrec(released.id));
  t.equal((await client.untilPong()).length, 2, 'two PUBRELs');
  for (const end of ['drop', 'disconnect'] as const) {
    const back = await server.client(t, session);
    const again = await back.untilPong();
    t.strictSame(
      again.filter(({ type }) => type === 'PUBLISH'),
      [atLeast, ...(rest as Publication[])].map((message) => ({ ...message, dup: true })),
      `PUBLISHes, then ${end}`,
    );
    t.strictSame(
      again.filter(({ type }) => type !== 'PUBLISH'),
      [{ type: 'PUBREL', id: released.id }],
    );
    await back[end]();
  }
});

t.test(
  '[MQTT-4.5.0-1] a message goes to every client whose subscription matches, connected or not',
  async (t) => {
    const base = fresh('every');
    const filters = [`${base}/x`, `${base}/+`, `${base}/#`, `+/x`];
    const connected = await Promise.all(filters.map(() => server.client(t)));
    for (const [index, filter] of filters.entries()) await connected[index]!.subscribe(filter, 1);
    const sessions = filters.map(() => ({ clientId: fresh('every'), clean: false }));
    for (const [index, filter] of filters.entries()) {
      const client = await server.client(t, sessions[index]!);
      await client.subscribe(filter, 1);
      await client.disconnect();
    }
    const other = await server.client(t);
    await other.subscribe(`${base}/y`, 1);
    await (await server.publisher(t)).publish(`${base}/x`, 'all');
    for (const [index, filter] of filters.entries()) {
      t.match(await connected[index]!.next(), { payload: 'all', qos: 1 }, `connected with ${filter}`);
      const back = await server.client(t, sessions[index]!);
      t.match(await back.next(), { payload: 'all', qos: 1 }, `offline with ${filter}`);
    }
    await isQuiet(t, other, 'and to nobody else');
  },
);
