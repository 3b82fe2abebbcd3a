import t, { type Test } from 'tap';
import { connect, disconnect, pingreq, publish } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { onTwoNodes } from '../../one-process.js';
import { until } from '../../until.js';
import { ask, batchOf, openStream, type Wire } from '../raw-wire.js';
import { connectRaw } from './raw-client.js';
import { StuckClient } from './stuck-client.js';

/** A burst of one client is handled in slices: others get their turns, and nothing is lost or out of order. */

async function start(t: Test, ...flags: string[]): Promise<GatewayProcess> {
  const usual = ['--mqtt-presence', 'false', '--mqtt-sys-interval', '0', '--history-rules', '# 0 0'];
  const gateway = await startGateway({ flags: [...usual, ...flags] });
  t.teardown(() => gateway.kill());
  return gateway;
}

/** Each with its number, so that order and losses show. */
function publishes(topic: string, count: number): Buffer[] {
  return numbers(count).map((number) => publish(topic, number));
}

function dataOf(wire: Wire): string[] {
  const lines = wire.text.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line).data);
}

async function sawAll(t: Test, wire: Wire, wanted: string[]): Promise<void> {
  await until('all have come', () => dataOf(wire).length >= wanted.length, 30_000);
  t.same(dataOf(wire), wanted, 'in order, once each');
}

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, n) => String(n));
}

async function sender(t: Test, gateway: GatewayProcess, clientId: string): Promise<StuckClient> {
  const client = await StuckClient.connect(gateway, { clientId });
  t.teardown(() => client.destroy());
  return client;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/** Sent in one frame. */
const frameMessages = 5_000;
/** Of all together, sent and not handled yet: they never run dry, and what is left at the end is handled soon. */
const waitingMax = 100_000;

for (const clients of onTwoNodes ? [10] : [1, 10]) {
  t.test(`${clients} that flood leave the others their turns`, { timeout: 120_000 }, async (t) => {
    const gateway = await start(t);
    const flooders = await Promise.all(
      Array.from({ length: clients }, (_, n) => sender(t, gateway, `flooder-${n}`)),
    );
    const calm = await connectRaw(t, gateway);
    const packets = publishes('nobody', frameMessages);
    let [sent, handled] = [0, 0];
    const look = async () => {
      const before = handled;
      handled = (await gateway.stats()).mqtt.publishesReceived[0];
      return handled - before;
    };
    const feed = setInterval(() => {
      for (const flooder of flooders) {
        if (sent - handled > waitingMax) break;
        flooder.send(...packets);
        sent += frameMessages;
      }
    }, 1);
    t.teardown(() => clearInterval(feed));
    await until('they send faster than they are handled', async () => {
      await look();
      return sent - handled > waitingMax / 2;
    });
    // Two turns a request. Counted, as time depends on what else the machine does: a flood that is read for as long as it
    // lasts makes all of it that waits, each time. This process may be held up itself at times, so the median counts.
    const between: number[] = [];
    const beforePuback: number[] = [];
    for (let n = 0; n < 20; n++) {
      await look();
      between.push(await look());
      calm.send(publish('nobody', 'calm', { qos: 1, id: n + 1 }));
      await calm.next();
      beforePuback.push(await look());
    }
    t.ok(median(between) < 60_000, `${between} packets between two requests`);
    t.ok(median(beforePuback) < 60_000, `${beforePuback} packets before what another one published is taken`);
    const { connections, mqtt } = await gateway.stats();
    t.equal(connections.open, clients + 1, 'nobody is cut for being fast');
    t.ok(mqtt.receiveQueues.bytes < 40e6, `${mqtt.receiveQueues.bytes} bytes wait`);
    clearInterval(feed);
    for (const flooder of flooders) flooder.resume();
    await until(
      'all is handled',
      async () => {
        await look();
        return handled === sent && (await gateway.stats()).mqtt.receiveQueues.now === 0;
      },
      60_000,
    );
  });
}

t.test('a frame that takes many turns is handled in order, to its end', async (t) => {
  const gateway = await start(t, '--turn-budget-ms', '1');
  const stream = await openStream(gateway.port, '/stream/s');
  const client = await StuckClient.open(gateway);
  t.teardown(() => client.destroy());
  client.resume();
  client.send(connect({ clientId: 'long' }), ...publishes('s', 10_000), pingreq(), disconnect());
  await sawAll(t, stream, numbers(10_000));
  await until(
    'its DISCONNECT is obeyed',
    async () => (await gateway.stats()).connections.closed.disconnected === 1,
  );
});

t.test('packets sent before the close are handled, and then the will', async (t) => {
  const gateway = await start(t, '--turn-budget-ms', '1');
  const stream = await openStream(gateway.port, '/stream/s');
  const client = await StuckClient.open(gateway);
  client.resume();
  client.send(
    connect({ clientId: 'gone', will: { topic: 's', payload: 'will' } }),
    ...publishes('s', 10_000),
  );
  await until('all is with the system', () => client.unsentBytes === 0);
  await client.destroy();
  await sawAll(t, stream, [...numbers(10_000), 'will']);
  t.match(await gateway.stats(), {
    connections: { closed: { 'peer-closed': 1 } },
    mqtt: { receiveQueues: { now: 0, bytes: 0 } },
  });
});

t.test('a client that reconnects at once is served after its earlier packets', async (t) => {
  const gateway = await start(t, '--turn-budget-ms', '1');
  const stream = await openStream(gateway.port, '/stream/s');
  const client = await StuckClient.open(gateway);
  client.resume();
  client.send(connect({ clientId: 'back' }), ...publishes('s', 10_000));
  await until('all is with the system', () => client.unsentBytes === 0);
  await client.destroy();
  const again = await StuckClient.open(gateway);
  t.teardown(() => again.destroy());
  again.resume();
  const bytes = Buffer.concat([connect({ clientId: 'back' }), publish('s', 'again')]);
  for (const byte of bytes) again.send(Buffer.from([byte])); // CONNECT in pieces, as MQTT.js sends it
  await sawAll(t, stream, [...numbers(10_000), 'again']);
});

t.test('a batch lets the others have their turns', async (t) => {
  const gateway = await start(t);
  const lines = batchOf(Array.from({ length: 100_000 }, (_, n) => ({ id: 'nobody', data: String(n) })));
  const batches = Promise.all(
    [1, 2, 3].map(() => ask(gateway.apiPort, '/send', { method: 'POST', body: lines })),
  );
  let looks = 0;
  let before = 0;
  await until(
    'they are through',
    async () => {
      const { published } = (await gateway.stats()).router;
      if (published > before) looks++;
      before = published;
      return published === 300_000;
    },
    30_000,
  );
  // A batch that is handled in one go is seen once.
  t.ok(looks >= 10, `${looks} requests are answered meanwhile`);
  for (const { json } of await batches) t.match(json, { messages: 100_000, bad: 0 });
});
