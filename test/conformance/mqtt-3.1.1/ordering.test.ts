import t from 'tap';
import { puback, pubcomp, publish, pubrec, pubrel } from './packet-bytes.js';
import type { RawMqtt } from './raw-mqtt.js';
import type { Publication } from './received-packet.js';
import { fresh, startServer } from './server.js';

/** Chapter 4.6: order. */

const server = await startServer();
t.teardown(() => server.stop());

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

/** Reads this many messages and acknowledges each as its QoS wants. */
async function take(client: RawMqtt, count: number): Promise<Publication[]> {
  const messages: Publication[] = [];
  while (messages.length < count) {
    const packet = await client.next();
    if (packet.type === 'PUBREL') client.send(pubcomp(packet.id));
    if (packet.type !== 'PUBLISH') continue;
    messages.push(packet);
    if (packet.qos === 1) client.send(puback(packet.id));
    if (packet.qos === 2) client.send(pubrec(packet.id));
  }
  return messages;
}

t.test('[MQTT-4.6.0-1] messages are sent again in the order in which they were sent', async (t) => {
  const session = { clientId: fresh('order'), clean: false };
  const topic = fresh('order');
  const client = await server.client(t, session);
  await client.subscribe(topic, 2);
  const publisher = await server.publisher(t);
  for (const index of numbers(12)) await publisher.publish(topic, `${index}`, { qos: 1 + (index % 2) });
  const sent = await client.nextPublishes(12);
  client.send(...[3, 7, 0].map((index) => (sent[index]!.qos === 1 ? puback : pubrec)(sent[index]!.id)));
  await client.untilPong();
  await client.drop();
  const back = await server.client(t, session);
  const again = (await back.untilPong()).filter(({ type }) => type === 'PUBLISH') as Publication[];
  t.strictSame(
    again.map(({ payload }) => Number(payload)),
    [1, 2, 4, 5, 6, 8, 9, 10, 11],
  );
});

t.test('[MQTT-4.6.0-2] PUBACKs come in the order of the messages', async (t) => {
  const client = await server.client(t);
  const ids = [5, 3, 65535, 1, 4, 2];
  client.send(...ids.map((id) => publish('elsewhere', 'x', { qos: 1, id })));
  t.strictSame(
    await client.untilPong(),
    ids.map((id) => ({ type: 'PUBACK', id })),
  );
});

t.test('[MQTT-4.6.0-3] PUBRECs come in the order of the messages', async (t) => {
  const client = await server.client(t);
  const ids = [5, 3, 65535, 1, 4, 2];
  client.send(...ids.map((id) => publish('elsewhere', 'x', { qos: 2, id })));
  t.strictSame(
    await client.untilPong(),
    ids.map((id) => ({ type: 'PUBREC', id })),
  );
  client.send(...ids.map(pubrel));
  t.strictSame(
    await client.untilPong(),
    ids.map((id) => ({ type: 'PUBCOMP', id })),
  );
});

t.test('[MQTT-4.6.0-4] PUBRELs come in the order of the PUBRECs', async (t) => {
  const topic = fresh('order');
  const client = await server.client(t);
  await client.subscribe(topic, 2);
  const publisher = await server.publisher(t);
  for (const index of numbers(6)) await publisher.publish(topic, `${index}`, { qos: 2 });
  const sent = await client.nextPublishes(6);
  const shuffled = [2, 0, 5, 1, 4, 3].map((index) => sent[index]!.id);
  client.send(...shuffled.map(pubrec));
  t.strictSame(
    await client.untilPong(),
    shuffled.map((id) => ({ type: 'PUBREL', id })),
  );
});

/** Many messages at once: the flows of QoS 2 are finished in the order of their PUBRECs. */
async function publishAll(publisher: RawMqtt, packets: Buffer[]): Promise<void> {
  publisher.send(...packets);
  const answers = await publisher.untilPong();
  publisher.send(...answers.flatMap((packet) => (packet.type === 'PUBREC' ? [pubrel(packet.id)] : [])));
  await publisher.untilPong();
}

t.test('[MQTT-4.6.0-5] without further ado a topic is ordered: one publisher, one subscriber', async (t) => {
  for (const qos of [0, 1, 2]) {
    const topic = fresh('order');
    const client = await server.client(t);
    await client.subscribe(topic, qos);
    const publisher = await server.publisher(t);
    const taken = take(client, 80);
    await publishAll(
      publisher,
      numbers(80).map((index) => publish(topic, `${index}`, { qos, ...(qos > 0 && { id: index + 1 }) })),
    );
    t.strictSame(
      (await taken).map(({ payload }) => Number(payload)),
      numbers(80),
      `QoS ${qos}, past the window`,
    );
  }
});

t.test(
  '[MQTT-4.6.0-6] what one publisher sends to a topic at a QoS arrives in order, at everyone',
  async (t) => {
    const topic = fresh('order');
    const session = { clientId: fresh('order'), clean: false };
    const offline = await server.client(t, session);
    await offline.subscribe(topic, 2);
    await offline.disconnect();
    const clients = [await server.client(t), await server.client(t)];
    for (const client of clients) await client.subscribe(topic, 2);
    const taken = clients.map((client) => take(client, 48));
    const publishers = await Promise.all(numbers(3).map(() => server.publisher(t)));
    const messages = (name: number) =>
      numbers(16).map((index) => publish(topic, `${name} ${index}`, { qos: 1 + (index % 2), id: index + 1 }));
    await Promise.all(publishers.map((publisher, name) => publishAll(publisher, messages(name))));
    taken.push(take(await server.client(t, session), 48));
    for (const arrived of await Promise.all(taken)) {
      for (const name of numbers(3)) {
        for (const qos of [1, 2]) {
          const own = arrived.filter(
            (message) => message.qos === qos && message.payload.startsWith(`${name} `),
          );
          t.strictSame(
            own.map(({ payload }) => payload),
            numbers(8).map((round) => `${name} ${2 * round + qos - 1}`),
            `publisher ${name} at QoS ${qos}`,
          );
        }
      }
    }
  },
);
