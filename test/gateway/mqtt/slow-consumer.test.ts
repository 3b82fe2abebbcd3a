import t, { type Test } from 'tap';
import { puback, publish, subscribe } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { oneProcess } from '../../one-process.js';
import { until } from '../../until.js';
import { connectRaw } from './raw-client.js';
import { StuckClient } from './stuck-client.js';

/** Subscribers that read too slowly, under each policy: bounded, counted, and nobody else waits for them. */

/** The others hold that what comes from another node takes the same way. */
const here = oneProcess('queues and sockets of one process, whatever fills them');

const messageBytes = 50_000;
const pendingBytesMax = 500_000;

async function start(t: Test, ...flags: string[]): Promise<GatewayProcess> {
  const usual = [
    '--mqtt-presence',
    'false',
    '--mqtt-sys-interval',
    '0',
    '--pending-bytes-max',
    `${pendingBytesMax}`,
  ];
  const gateway = await startGateway({ flags: [...usual, ...flags] });
  t.teardown(() => gateway.kill());
  return gateway;
}

async function subscriber(t: Test, gateway: GatewayProcess, qos: number, clean = true): Promise<StuckClient> {
  const client = await StuckClient.connect(gateway, { clientId: 'slow', clean });
  t.teardown(() => client.destroy());
  const { logins } = (await gateway.stats()).router;
  client.send(subscribe(1, ['s', qos]));
  await until('it is subscribed', async () => (await gateway.stats()).router.logins === logins + 1);
  return client;
}

/** Publishes numbered messages until the condition holds. @returns how many */
async function sendUntil(
  gateway: GatewayProcess,
  what: string,
  condition: (stats: Stats) => boolean,
  atOnce = 1,
): Promise<number> {
  const startedMs = performance.now();
  let sent = 0;
  const send = () => gateway.send('s', `${sent++} `.padEnd(messageBytes, '.'));
  do {
    if (performance.now() - startedMs > 60_000)
      throw new Error(`${sent} messages in 60 s, in vain until ${what}`);
    for (let n = 0; n < 5; n++) await Promise.all(Array.from({ length: atOnce }, send));
  } while (!condition(await gateway.stats()));
  return sent;
}

type Stats = Awaited<ReturnType<GatewayProcess['stats']>>;

/** Reads on until nothing is pending any more and the message `last` has come. @returns the numbers that came */
async function readAll(client: StuckClient, last: number): Promise<number[]> {
  const numbers: number[] = [];
  client.resume();
  await until('it has caught up', () => {
    for (const { payload } of client.takePublications()) numbers.push(Number.parseInt(payload, 10));
    return numbers.at(-1) === last;
  });
  return numbers;
}

function inOrder(numbers: number[]): boolean {
  return numbers.every((number, at) => at === 0 || number > numbers[at - 1]!);
}

t.test('with the policy disconnect it is cut, and others get everything', async (t) => {
  const gateway = await start(t);
  const healthy = await connectRaw(t, gateway);
  await healthy.subscribe('s', 0);
  const slow = await subscriber(t, gateway, 0);
  const sent = await sendUntil(
    gateway,
    'it is cut',
    ({ connections }) => connections.closed['slow-consumer'] === 1,
  );
  const received = (await healthy.untilPong()).map(
    (each) => each.type === 'PUBLISH' && Number.parseInt(each.payload, 10),
  );
  t.same(
    received,
    Array.from({ length: sent }, (_, n) => n),
  );
  slow.resume();
  await until('its socket is closed', () => slow.closed);
  t.match(await gateway.stats(), {
    connections: { open: 1 },
    slowConsumers: { now: 0, pendingBytes: 0 },
    router: { subscribers: 1 },
  });
  t.match(gateway.log, /"reason":"slow-consumer","clientId":"slow"/);
});

for (const policy of ['drop-newest', 'drop-oldest'] as const) {
  t.test(`with ${policy} it keeps its connection, and every loss is counted`, here, async (t) => {
    const gateway = await start(t, '--slow-consumer-policy', policy);
    const slow = await subscriber(t, gateway, 0);
    const sent = await sendUntil(gateway, 'some are lost', ({ messages }) => messages.lost >= 20);
    const { messages, slowConsumers } = await gateway.stats();
    t.equal(slowConsumers.now, 1);
    t.ok(slowConsumers.pendingBytes <= pendingBytesMax, `${slowConsumers.pendingBytes} bytes are kept`);
    slow.resume();
    await until('it has what was kept', async () => (await gateway.stats()).slowConsumers.now === 0);
    await gateway.send('s', `${sent} after`);
    const numbers = await readAll(slow, sent);
    t.ok(inOrder(numbers), 'in order, once each');
    t.equal(numbers.length + messages.lost, sent + 1);
    t.equal(numbers.includes(sent - 1), policy === 'drop-oldest', 'which end is lost');
    t.match(await gateway.stats(), {
      connections: { open: 1 },
      slowConsumers: { now: 0, pendingBytes: 0 },
      messages: { lostByReason: { 'slow-consumer': messages.lost } },
    });
  });
}

t.test('all slow consumers together stay under --pending-bytes-total-max', here, async (t) => {
  const gateway = await start(
    t,
    '--slow-consumer-policy',
    'drop-oldest',
    '--pending-bytes-total-max',
    '600000',
  );
  const slow = [];
  for (let n = 0; n < 4; n++) {
    const client = await StuckClient.connect(gateway, { clientId: `slow-${n}` });
    t.teardown(() => client.destroy());
    client.send(subscribe(1, ['s', 0]));
    slow.push(client);
  }
  await until('all are subscribed', async () => (await gateway.stats()).router.logins === slow.length);
  await sendUntil(gateway, 'all are behind', ({ messages, slowConsumers }) => {
    t.ok(slowConsumers.pendingBytes <= 600_000, 'within the limit');
    return slowConsumers.now === 4 && messages.lostByReason['slow-consumers-total'] >= 20;
  });
  await Promise.all(slow.map((client) => client.destroy()));
  await until('nothing is left', async () => (await gateway.stats()).slowConsumers.pendingBytes === 0);
});

t.test('at QoS 1 its window bounds what is on its way, and its queue the rest', here, async (t) => {
  const limits = ['--mqtt-max-inflight', '200', '--mqtt-max-mqueue', '100'];
  const gateway = await start(t, '--slow-consumer-policy', 'drop-oldest', ...limits);
  const slow = await subscriber(t, gateway, 1, false);
  const sent = await sendUntil(
    gateway,
    'its queue overflows',
    ({ mqtt }) => mqtt.sessions.dropped['mqueue-full'] >= 20,
  );
  const { slowConsumers, mqtt, messages } = await gateway.stats();
  t.equal(slowConsumers.now, 1);
  t.equal(messages.lost, 0, 'none of it is lost on the connection');
  t.ok(mqtt.sessions.bytes <= 300 * (messageBytes + 500), `${mqtt.sessions.bytes} bytes in window and queue`);
  const numbers = await readAll(slow, sent - 1);
  t.ok(inOrder(numbers), 'in order, once each');
  t.equal(numbers.length + mqtt.sessions.dropped['mqueue-full'], sent);
  await until('all is acknowledged', async () => (await gateway.stats()).mqtt.sessions.bytes === 0);
});

t.test('cut at QoS 1 with its session kept, it gets everything when it is back', async (t) => {
  const gateway = await start(t, '--mqtt-max-inflight', '200', '--mqtt-max-mqueue', '1000');
  const slow = await subscriber(t, gateway, 1, false);
  const sent = await sendUntil(
    gateway,
    'it is far behind',
    ({ mqtt }) => mqtt.sessions.bytes > 200 * messageBytes,
  );
  await until(
    'it is cut',
    async () => (await gateway.stats()).connections.closed['stalled-consumer'] === 1,
    15_000,
  );
  t.match(await gateway.stats(), { messages: { lost: 0 }, slowConsumers: { now: 0, pendingBytes: 0 } });
  await slow.destroy();
  const back = await StuckClient.connect(gateway, { clientId: 'slow', clean: false });
  t.teardown(() => back.destroy());
  const numbers = await readAll(back, sent - 1);
  t.same(
    numbers,
    Array.from({ length: sent }, (_, n) => n),
    'all of it, in order',
  );
  await until('all is acknowledged', async () => (await gateway.stats()).mqtt.sessions.bytes === 0);
});

t.test('a client that acknowledges without reading grows nothing', here, async (t) => {
  const gateway = await start(t, '--slow-consumer-policy', 'drop-newest', '--mqtt-max-mqueue', '100');
  const slow = await subscriber(t, gateway, 1);
  let acknowledged = 0;
  const sent = await sendUntil(
    gateway,
    'its queue overflows',
    ({ mqtt }) => {
      for (let n = 0; n < 100; n++) slow.send(puback((acknowledged++ % 0xffff) + 1));
      return mqtt.sessions.dropped['mqueue-full'] >= 500;
    },
    10, // a client that takes nothing is cut after 10 s
  );
  t.ok(sent > 500, `${sent} sent`);
  const { slowConsumers, mqtt } = await gateway.stats();
  t.equal(slowConsumers.pendingBytes, 0, 'the connection keeps nothing of its own');
  t.ok(mqtt.sessions.bytes <= 132 * (messageBytes + 500), `${mqtt.sessions.bytes} bytes in window and queue`);
});

t.test(
  'a client that takes nothing for 10 s is cut under every policy, even if it goes on sending',
  here,
  async (t) => {
    const gateway = await start(t, '--slow-consumer-policy', 'drop-newest');
    const slow = await subscriber(t, gateway, 0);
    const sending = setInterval(() => slow.send(publish('nobody', 'x')), 500);
    t.teardown(() => clearInterval(sending));
    // Behind for a moment would not do: what its own kernel takes is progress.
    await sendUntil(gateway, 'it is stuck', ({ messages }) => messages.lost > 3);
    await until(
      'it is cut',
      async () => (await gateway.stats()).connections.closed['stalled-consumer'] === 1,
      15_000,
    );
    slow.resume();
    await until('its socket is closed', () => slow.closed);
    t.match(await gateway.stats(), { connections: { open: 0 }, slowConsumers: { now: 0, pendingBytes: 0 } });
  },
);

t.test('those who acknowledge while they catch up all get everything', here, async (t) => {
  const gateway = await start(
    t,
    '--slow-consumer-policy',
    'drop-oldest',
    '--mqtt-max-inflight',
    '300',
    '--mqtt-max-mqueue',
    '1000',
  );
  const slow: StuckClient[] = [];
  for (let n = 0; n < 8; n++) {
    const client = await StuckClient.connect(gateway, { clientId: `slow-${n}` });
    t.teardown(() => client.destroy());
    client.send(subscribe(1, ['s', 1]));
    slow.push(client);
  }
  await until('all are subscribed', async () => (await gateway.stats()).router.logins === slow.length);
  const sent = await sendUntil(gateway, 'all are far behind', ({ mqtt }) => mqtt.sessions.bytes > 40e6);
  const received = await Promise.all(slow.map((client) => readAll(client, sent - 1)));
  const all = Array.from({ length: sent }, (_, n) => n);
  for (const numbers of received) t.same(numbers, all);
  await until('nobody is behind', async () => (await gateway.stats()).slowConsumers.now === 0);
});

t.test('a session that has more in its window than a socket takes gets it in the end', here, async (t) => {
  const gateway = await start(t, '--mqtt-max-inflight', '400', '--mqtt-max-mqueue', '1000');
  const first = await subscriber(t, gateway, 1, false);
  await first.destroy();
  const count = 400; // 20 MB
  for (let n = 0; n < count; n++) await gateway.send('s', `${n} `.padEnd(messageBytes, '.'));
  const numbers = new Set<number>();
  for (let tries = 0; tries < 20 && numbers.size < count; tries++) {
    const client = await StuckClient.connect(gateway, { clientId: 'slow', clean: false });
    t.teardown(() => client.destroy());
    client.resume();
    await until('it has all, or is cut', () => {
      for (const { payload } of client.takePublications()) numbers.add(Number.parseInt(payload, 10));
      return client.closed || numbers.size === count;
    });
    await client.destroy();
  }
  t.equal(numbers.size, count);
  t.match(
    (await gateway.stats()).connections.closed,
    { 'slow-consumer': 0 },
    'who reads all the time is not slow',
  );
});
