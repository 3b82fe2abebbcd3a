import { connect as connectMqttJs } from 'mqtt';
import t, { type Test } from 'tap';
import { upgradeHeaders } from '../../conformance/mqtt-3.1.1/raw-mqtt.js';
import { until } from '../../until.js';
import { ask, Wire } from '../raw-wire.js';
import { accepted, type RunningGateway, startFor, startInProcess, statsOf, userWith } from './in-process.js';

/** How fast streams and WebSockets may open. A slow machine lets more in, so each bound grows with the time that has passed. */

const upgrade = { headers: upgradeHeaders(['mqtt']) };

async function start(t: Test, flags: Record<string, unknown>): Promise<RunningGateway> {
  const running = await startInProcess([], flags);
  t.teardown(() => running.gateway.stop());
  return running;
}

/** Requests that all are under way at once. @returns them, once each is answered */
async function herd(t: Test, port: number, count: number, path: string, asked = {}, from = '127.0.0.1') {
  const wires = await Promise.all(Array.from({ length: count }, () => Wire.open(port, from)));
  t.teardown(() => Promise.all(wires.map((wire) => wire.close())));
  for (const wire of wires) wire.ask(path, asked);
  await until('all are answered', () => wires.every(({ head }) => head !== ''));
  return wires;
}

const refusedOf = (running: RunningGateway) => statsOf(running).connections.refused;

t.test('a herd is let in at its pace, and each of those who are refused is told a later time', async (t) => {
  const running = await start(t, { rateLimitConnects: '5,2' });
  const startMs = performance.now();
  const streams = await herd(t, running.port, 40, '/stream/x');
  const sockets = await herd(t, running.port, 40, '/mqtt', upgrade);
  const elapsedSec = (performance.now() - startMs) / 1000;
  const all = [...streams, ...sockets];
  const letIn = all.filter(({ status }) => status === 200 || status === 101).length;
  t.ok(letIn >= 5 && letIn <= 5 + Math.ceil(elapsedSec * 2), `${letIn} were let in, in ${elapsedSec} s`);
  const refused = all.filter(({ status }) => status === 503);
  t.equal(letIn + refused.length, 80);
  t.equal(refusedOf(running)['connect-rate'], refused.length);
  const times = refused.map((wire) => Number(wire.header('Retry-After')));
  const last = Math.max(...times);
  t.ok(
    times.every((sec) => sec >= 1 && sec <= 90),
    String(times),
  );
  t.ok(last >= refused.length / 2 - elapsedSec - 1, `the last one comes after ${last} s`);
  t.ok(new Set(times).size > 10, 'they are spread');
});

t.test('an EventSource is told to come back, with 200', async (t) => {
  const running = await start(t, { rateLimitConnects: '1,1' });
  const headers = { Accept: 'text/event-stream' };
  const told = (await herd(t, running.port, 20, '/events/x', { headers })).filter(
    ({ text }) => !text.includes('Encke') && /^retry: \d+\n: Too many connect at the same time/.test(text),
  );
  t.ok(told.length > 0);
  for (const wire of told) t.equal(wire.status, 200);
  t.equal(refusedOf(running)['connect-rate'], told.length);
});

t.test('an address has a rate of its own, and others are let in', async (t) => {
  const running = await start(t, { rateLimitConnectsPerAddress: '2,1' });
  const crowd = await herd(t, running.port, 30, '/mqtt', upgrade, '127.0.0.9');
  const refused = crowd.filter(({ status }) => status === 429);
  t.ok(refused.length > 0);
  for (const wire of refused) t.match(wire.header('Retry-After'), /^[123]$/);
  t.equal(refusedOf(running)['connect-rate-of-address'], refused.length);
  const [other] = await herd(t, running.port, 1, '/stream/x', {}, '127.0.0.10');
  t.equal(other!.status, 200);
});

t.test('nobody is asked about a client that comes too fast; polls and sends go on', async (t) => {
  const alice = userWith('alice', { permission: 'allow', action: 'all', filter: '#' });
  const { running, authenticator } = await startFor(t, () => accepted(alice), { rateLimitConnects: '1,1' });
  const streams = await herd(t, running.port, 20, '/stream/x');
  t.equal(authenticator.asked.length, streams.filter(({ status }) => status === 200).length);
  for (let n = 0; n < 5; n++) {
    t.equal((await ask(running.port, '/poll/x?timeout=0')).status, 204);
    t.equal((await ask(running.apiPort, '/send/x', { method: 'POST', body: 'x' })).status, 200);
  }
});

t.test('MQTT.js, which was refused, comes back by itself', async (t) => {
  const running = await start(t, { rateLimitConnects: '1,1' });
  const url = `ws://127.0.0.1:${running.port}/mqtt`;
  const clients = Array.from({ length: 3 }, () => {
    const client = connectMqttJs(url, { reconnectPeriod: 50 });
    client.on('error', () => undefined);
    t.teardown(() => client.endAsync(true));
    return client;
  });
  await until('all are connected', () => clients.every(({ connected }) => connected));
  t.ok(refusedOf(running)['connect-rate'] > 0);
});
