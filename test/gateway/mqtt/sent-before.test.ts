import t, { type Test } from 'tap';
import { connect, publish, subscribe } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';
import { openStream, type Wire } from '../raw-wire.js';
import { connectRaw, openRaw } from './raw-client.js';
import { StuckClient } from './stuck-client.js';

oneProcessFile('turns of the loop of one process');

/** Packets that a client sent before the end of its connection are handled, in order, for every kind of end. */

const count = 40_000;
const numbers = Array.from({ length: count }, (_, n) => String(n));
/** More than one turn's worth at once. */
const flood = numbers.map((number) => publish('out', number));

const floodBytes = flood.reduce((sum, packet) => sum + packet.length, 0);

async function start(t: Test, ...flags: string[]): Promise<[GatewayProcess, Wire]> {
  const usual = ['--mqtt-presence', 'false', '--mqtt-sys-interval', '0', '--history-rules', '# 0 0'];
  // A turn is over at once: so what comes waits, and is not handled before the next frame is there.
  const gateway = await startGateway({ flags: [...usual, '--turn-budget-ms', '1', ...flags] });
  t.teardown(() => gateway.kill());
  return [gateway, await openStream(gateway.port, '/stream/out')];
}

function dataOf(wire: Wire): string[] {
  const lines = wire.text.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line).data);
}

async function sawAll(t: Test, wire: Wire, wanted: string[] = numbers): Promise<void> {
  await until('all have come', () => dataOf(wire).length >= wanted.length, 30_000).catch(() => undefined);
  t.same(dataOf(wire), wanted, 'in order, once each');
}

async function sender(t: Test, gateway: GatewayProcess, clientId: string): Promise<StuckClient> {
  const client = await StuckClient.connect(gateway, { clientId });
  t.teardown(() => client.destroy());
  client.resume();
  return client;
}

t.test('a text frame closes the connection behind what came before it', async (t) => {
  const [gateway, out] = await start(t);
  const client = await sender(t, gateway, 'texter');
  client.send(...flood);
  client.sendText('no MQTT');
  client.send(publish('out', 'behind it'));
  await sawAll(t, out);
  await until('it is closed', () => client.closed || client.takeCloseCode() === 1003);
  t.equal((await gateway.stats()).connections.closed['text-frame'], 1);
});

t.test('so does a frame that is too large', async (t) => {
  const [gateway, out] = await start(t, '--mqtt-max-frame-size', '1000000');
  const client = await sender(t, gateway, 'large');
  client.send(...flood);
  client.send(Buffer.alloc(1_100_000));
  await sawAll(t, out);
  await until(
    'it is closed',
    async () => (await gateway.stats()).connections.closed['packet-too-large'] === 1,
  );
});

t.test('and one that passes the rate limit', async (t) => {
  const [gateway, out] = await start(t, '--mqtt-rate-limit-bytes', `${floodBytes + 200},1`);
  const client = await sender(t, gateway, 'fast');
  client.send(...flood);
  client.send(Buffer.concat(Array.from({ length: 20 }, () => publish('out', 'past the limit'))));
  await sawAll(t, out);
  await until('it is closed', async () => (await gateway.stats()).connections.closed['rate-limited'] === 1);
});

t.test('a client that takes over has what it sent on its old connection handled first', async (t) => {
  const [gateway, out] = await start(t);
  const before = await sender(t, gateway, 'mover');
  const after = await openRaw(t, gateway);
  before.send(...flood);
  // Before that, nothing has been sent as far as the server knows.
  const received = async () => (await gateway.stats()).mqtt.bytesReceived;
  await until('it has come', async () => (await received()) > floodBytes);
  after.send(connect({ clientId: 'mover' }), publish('out', 'from the new one'));
  await sawAll(t, out, [...numbers, 'from the new one']);
  await until('the old one is closed', () => before.closed || before.takeCloseCode() === 1008);
  const { connections, mqtt } = await gateway.stats();
  t.equal(connections.closed['taken-over'], 1);
  t.match(mqtt.sessions, { takenOver: 1, sessions: 1 });
});

t.test('though the old one reads no answers, and without end sends more', async (t) => {
  const [gateway] = await start(t);
  const before = await StuckClient.connect(gateway, { clientId: 'mover' });
  t.teardown(() => before.destroy());
  const asking = Buffer.concat(Array.from({ length: 20_000 }, () => subscribe(1, ['f', 0])));
  const feed = setInterval(() => !before.closed && before.unsentBytes < 1e6 && before.send(asking), 1);
  t.teardown(() => clearInterval(feed));
  await until('its answers wait', async () => (await gateway.stats()).mqtt.receiveQueues.now === 1);
  const startedMs = performance.now();
  const after = await connectRaw(t, gateway, { clientId: 'mover' });
  t.ok(performance.now() - startedMs < 8_000, 'before the old one is cut for reading nothing');
  after.send(publish('out', 'x'));
  await until('the new one is served', async () => (await gateway.stats()).mqtt.publishesReceived[0] === 1);
});
