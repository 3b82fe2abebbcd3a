import t, { type Test } from 'tap';
import { isQuiet } from './assertions.js';
import { puback, publish, pubrec, pubrel } from './packet-bytes.js';
import type { RawMqtt } from './raw-mqtt.js';
import { fresh, startServer } from './server.js';

/** Chapter 3.1.2.4, clean session; 4.1, what is stored. */

const server = await startServer();
t.teardown(() => server.stop());

async function publisherOf(t: Test): Promise<RawMqtt> {
  return server.publisher(t);
}

t.test('[MQTT-3.1.2-4] with clean session 0 the session goes on where it was', async (t) => {
  const session = { clientId: fresh('session'), clean: false };
  const topic = fresh('session');
  const first = await server.client(t, session);
  await first.subscribe(topic, 1);
  for (const end of ['disconnect', 'drop'] as const) {
    await (await server.client(t, session))[end]();
    const { client, connack } = await server.connect(t, session);
    t.equal(connack.sessionPresent, true, `after ${end}`);
    const publisher = await publisherOf(t);
    await publisher.publish(topic, end);
    const { id, payload, qos } = await client.nextPublish();
    t.strictSame([payload, qos], [end, 1], 'its subscription is there, with its QoS');
    client.send(puback(id));
    await isQuiet(t, client, 'acknowledged');
  }
});

t.test('[MQTT-3.1.2-5] QoS 1 and 2 messages are kept for a session that is offline, in order', async (t) => {
  const session = { clientId: fresh('offline'), clean: false };
  const topic = fresh('offline');
  const client = await server.client(t, session);
  await client.subscribe(`${topic}/+`, 2);
  await client.disconnect();
  const publisher = await publisherOf(t);
  for (let index = 0; index < 10; index++)
    await publisher.publish(`${topic}/${index}`, `${index}`, { qos: 1 + (index % 2) });
  const back = await server.client(t, session);
  const kept = await back.nextPublishes(10);
  t.strictSame(
    kept.map(({ payload, qos, dup }) => [payload, qos, dup]),
    kept.map((_, index) => [`${index}`, 1 + (index % 2), false]),
  );
});

t.test('[MQTT-3.1.2-6] clean session 1 begins anew and leaves nothing', async (t) => {
  const clientId = fresh('clean');
  const topic = fresh('clean');
  const old = await server.client(t, { clientId, clean: false });
  await old.subscribe(topic, 1);
  const publisher = await publisherOf(t);
  await publisher.publish(topic, 'unacknowledged');
  await old.nextPublish();
  await old.drop();
  await publisher.publish(topic, 'queued');
  const clean = await server.client(t, { clientId, clean: true });
  await publisher.publish(topic, 'unsubscribed');
  await isQuiet(t, clean, 'messages and subscriptions of the session before are gone');
  await clean.subscribe(topic, 1);
  await clean.drop();
  await publisher.publish(topic, 'offline');
  const { client, connack } = await server.connect(t, { clientId, clean: false });
  t.equal(connack.sessionPresent, false, 'and a clean session is not there to be resumed');
  await publisher.publish(topic, 'later');
  await isQuiet(t, client, 'nor its subscriptions');
});

t.test('[MQTT-3.1.2-7] retained messages outlive the session that published them', async (t) => {
  const topic = fresh('retained');
  const clientId = fresh('retained');
  const publisher = await server.publisher(t, { clientId, clean: true });
  await publisher.publish(topic, 'kept', { retain: true });
  await publisher.disconnect();
  await server.client(t, { clientId, clean: true });
  const late = await server.client(t);
  await late.subscribe(topic);
  t.match(await late.next(), { payload: 'kept', retain: true });
});

t.test(
  '[MQTT-4.1.0-1] a session keeps subscriptions and what is unfinished, in both directions',
  async (t) => {
    const session = { clientId: fresh('state'), clean: false };
    const topic = fresh('state');
    const client = await server.client(t, session);
    const witness = await server.client(t);
    await witness.subscribe(`${topic}/in`, 2);
    await client.subscribe(`${topic}/out/#`, 2);
    const publisher = await publisherOf(t);
    for (const qos of [1, 2, 2]) await publisher.publish(`${topic}/out/${qos}`, 'x', { qos });
    const [atLeast, exactly, released] = await client.nextPublishes(3);
    client.send(pubrec(released!.id));
    t.strictSame(await client.next(), { type: 'PUBREL', id: released!.id });
    client.send(publish(`${topic}/in`, 'incoming', { qos: 2, id: 77 }));
    t.strictSame(await client.next(), { type: 'PUBREC', id: 77 });
    const early = await witness.untilPong();
    await client.drop();

    const back = await server.client(t, session);
    const resumed = await back.untilPong();
    const idsOf = (type: string) =>
      resumed.flatMap((packet) => (packet.type === type && 'id' in packet ? [packet.id] : []));
    t.strictSame(idsOf('PUBLISH'), [atLeast!.id, exactly!.id], 'what was sent and not acknowledged');
    t.strictSame(idsOf('PUBREL'), [released!.id], 'and what was released and not completed');
    back.send(publish(`${topic}/in`, 'incoming', { qos: 2, id: 77, dup: true }));
    t.strictSame(await back.next(), { type: 'PUBREC', id: 77 });
    back.send(pubrel(77));
    t.strictSame(await back.next(), { type: 'PUBCOMP', id: 77 });
    const incoming = [...early, ...(await witness.untilPong())];
    t.match(incoming, [{ payload: 'incoming' }], 'what was received and not released is delivered once');
    await publisher.publish(`${topic}/out/later`, 'y');
    t.match(await back.next(), { payload: 'y', qos: 1 }, 'and the subscription');
  },
);
