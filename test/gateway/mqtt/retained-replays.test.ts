import t, { type Test } from 'tap';
import { puback, publish, subscribe, unsubscribe } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { RawMqtt } from '../../conformance/mqtt-3.1.1/raw-mqtt.js';
import type { Publication, Received } from '../../conformance/mqtt-3.1.1/received-packet.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';
import { connectRaw } from './raw-client.js';
import { StuckClient } from './stuck-client.js';

oneProcessFile('how one process sends what it retains; what crosses is in retained-limits and conformance');

/** Retained messages on their way to new subscribers: what a SUBSCRIBE may cost, and what becomes of the rest of it. */

async function start(t: Test, ...flags: string[]): Promise<GatewayProcess> {
  const gateway = await startGateway({
    flags: ['--mqtt-presence', 'false', '--mqtt-sys-interval', '0', ...flags],
  });
  t.teardown(() => gateway.kill());
  return gateway;
}

/** Retains `count` messages at `topic(0)`, `topic(1)` …, with their number as text. */
async function retain(
  t: Test,
  gateway: GatewayProcess,
  count: number,
  topic: (n: number) => string,
  qos = 0,
): Promise<void> {
  const client = await connectRaw(t, gateway);
  const perFrame = 200;
  for (let from = 0; from < count; from += perFrame) {
    const numbers = Array.from({ length: Math.min(perFrame, count - from) }, (_, n) => from + n);
    client.send(
      ...numbers.map((n) => publish(topic(n), `${n}`, { qos, retain: true, ...(qos > 0 && { id: n + 1 }) })),
    );
  }
  await client.untilPong();
  await client.disconnect();
}

const replays = async (gateway: GatewayProcess) => (await gateway.stats()).mqtt.retainedReplays as number;
const publications = (packets: Received[]) =>
  packets.filter(({ type }) => type === 'PUBLISH') as Publication[];

/** Acknowledges all that comes, as it comes. @returns their payloads */
async function acknowledgeAll(client: RawMqtt, first: Received[] = []): Promise<string[]> {
  const payloads: string[] = [];
  for (let due = publications(first); ; due = publications(await client.untilPong())) {
    if (due.length === 0 && payloads.length > 0) return payloads;
    payloads.push(...due.map(({ payload }) => payload));
    for (const { qos, id } of due) if (qos === 1) client.send(puback(id));
  }
}

t.test('one SUBSCRIBE with 16,000 times the same filter is one subscription, and no more work', async (t) => {
  const gateway = await start(t);
  await retain(t, gateway, 2_000, (n) => `r/${n}`);
  const client = await StuckClient.connect(gateway, { clientId: 'greedy' });
  t.teardown(() => client.destroy());
  const before = gateway.cpuSec;
  client.send(subscribe(1, ...Array.from({ length: 16_000 }, (): [string, number] => ['#', 0])));
  client.resume();
  const payloads: string[] = [];
  await until('all of it has come', () => {
    payloads.push(...client.takePublications().map(({ payload }) => payload));
    return payloads.length >= 2_000;
  });
  await until('the replay has ended', async () => (await replays(gateway)) === 0);
  const tookSec = gateway.cpuSec - before;
  t.ok(tookSec < 0.5, `${tookSec.toFixed(2)} s of work; a walk for each takes 2 s and more`);
  payloads.push(...client.takePublications().map(({ payload }) => payload));
  t.equal(payloads.length, 2_000);
  t.equal(new Set(payloads).size, 2_000);
  t.match((await gateway.stats()).router, { logins: 1 });
});

t.test('of equal filters in one SUBSCRIBE each has its code, and the last QoS counts', async (t) => {
  const gateway = await start(t, '--mqtt-max-subscriptions', '2');
  await retain(t, gateway, 2, (n) => `r/${n}`, 2);
  const client = await connectRaw(t, gateway);
  client.send(subscribe(1, ['r/0', 0], ['r/1', 0], ['x', 0], ['r/0', 2], ['r/1', 2], ['x', 1], ['r/0', 1]));
  const [answer, ...due] = await client.untilPong();
  t.match(answer, { type: 'SUBACK', returnCodes: [0, 0, 0x80, 2, 2, 0x80, 1] });
  t.same(
    publications(due).map(({ topic, qos }) => [topic, qos]),
    [
      ['r/0', 1],
      ['r/1', 2],
    ],
  );
});

t.test('a SUBSCRIBE with one filter that is none subscribes to nothing', async (t) => {
  const gateway = await start(t);
  const client = await connectRaw(t, gateway, { clientId: 'half', clean: false });
  client.send(subscribe(1, ['good', 1], ['bad#', 1]));
  await client.untilClosed();
  t.match((await gateway.stats()).router, { logins: 0 });
});

t.test('200 subscriptions to everything, of clients that do not read, take next to nothing', async (t) => {
  const gateway = await start(t);
  const topic = (n: number) => `a/b/c/d/e/f/g/h/${n}`;
  const filters = [
    '#',
    '+/#',
    '+/+/#',
    'a/#',
    'a/b/#',
    'a/+/#',
    '+/b/#',
    'a/b/c/#',
    'a/b/c/d/#',
    'a/b/c/d/e/#',
  ];
  const messages = 20_000;
  for (const qos of [0, 1]) {
    await retain(t, gateway, messages, topic, qos);
    const stuck = await Promise.all(
      Array.from({ length: 20 }, (_, n) => StuckClient.connect(gateway, { clientId: `stuck-${qos}-${n}` })),
    );
    const before = gateway.rssBytes;
    for (const client of stuck)
      client.send(subscribe(1, ...filters.map((filter): [string, number] => [filter, 1])));
    await until('they wait', async () => (await replays(gateway)) === stuck.length);
    const { pendingBytes } = (await gateway.stats()).slowConsumers;
    const grownMb = (gateway.rssBytes - before - pendingBytes) / 1e6;
    t.ok(
      grownMb < 25,
      `QoS ${qos}: ${grownMb.toFixed(1)} MB; a reference to each would be 32 MB, a copy 350 MB`,
    );
    for (const client of stuck) await client.destroy();
    await until('nothing is left of them', async () => (await replays(gateway)) === 0);
  }
});

t.test('a message that changes while the replay waits comes once, in its new form', async (t) => {
  const gateway = await start(t);
  await retain(t, gateway, 60, (n) => `r/${n}`, 1);
  const client = await connectRaw(t, gateway);
  client.send(subscribe(1, ['r/#', 1]));
  const [, ...first] = await client.untilPong();
  t.equal(first.length, 32, 'a window of them');
  const publisher = await connectRaw(t, gateway.publisher);
  for (const topic of ['r/0', 'r/59', 'r/new'])
    await publisher.publish(topic, `${topic} new`, { retain: true });
  await publisher.publish('r/58', '', { qos: 0, retain: true });
  const payloads = await acknowledgeAll(client, first);
  const expected = Array.from({ length: 58 }, (_, n) => `${n}`);
  t.same(payloads.sort(), [...expected, 'r/0 new', 'r/59 new', 'r/new new', ''].sort());
});

t.test('a client that unsubscribes gets no more of it', async (t) => {
  const gateway = await start(t);
  await retain(t, gateway, 100, (n) => `r/${n}`, 1);
  const client = await connectRaw(t, gateway);
  client.send(subscribe(1, ['r/#', 1]));
  const [, ...first] = await client.untilPong();
  client.send(unsubscribe(2, 'r/#'));
  t.match(await client.untilPong(), [{ type: 'UNSUBACK' }]);
  t.equal((await acknowledgeAll(client, first)).length, 32, 'those in the window');
  t.equal(await replays(gateway), 0);
});

t.test('a second SUBSCRIBE gets all of it again, from the start', async (t) => {
  const gateway = await start(t);
  await retain(t, gateway, 50, (n) => `r/${n}`, 1);
  const client = await connectRaw(t, gateway);
  client.send(subscribe(1, ['r/#', 1]));
  const [, ...first] = await client.untilPong();
  client.send(subscribe(2, ['r/#', 0]));
  const [answer, ...again] = await client.untilPong();
  t.match(answer, { type: 'SUBACK', returnCodes: [0] });
  t.same([first.length, again.length], [32, 50], 'at QoS 0 it need not wait for the window');
});

t.test('the rest of it pushes nothing out of the queue of a session whose client goes away', async (t) => {
  const gateway = await start(t, '--mqtt-max-mqueue', '100');
  await retain(t, gateway, 300, (n) => `r/${n}`, 1);
  const session = { clientId: 'commuter', clean: false };
  const client = await connectRaw(t, gateway, session);
  await client.subscribe('live', 1);
  for (let n = 0; n < 60; n++) await gateway.send('live', `live ${n}`);
  client.send(subscribe(1, ['r/#', 1]));
  await client.untilPong();
  await client.drop();
  const sessions = async () => (await gateway.stats()).mqtt.sessions;
  await until('it is away', async () => (await sessions()).connected === 0);
  const back = await connectRaw(t, gateway, session);
  const payloads = new Set(await acknowledgeAll(back));
  const live = [...payloads].filter((payload) => payload.startsWith('live'));
  t.same(
    live,
    Array.from({ length: 60 }, (_, n) => `live ${n}`),
    'all of them, in order',
  );
  t.equal(payloads.size, 132, 'and of what is retained, as much as there was room for');
  t.match(await sessions(), { dropped: { 'mqueue-full': 0, 'sessions-bytes': 0 } });
});
