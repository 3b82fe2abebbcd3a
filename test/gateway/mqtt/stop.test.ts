import t from 'tap';
import { subscribe } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { lastingPort } from '../../free-port.js';
import { startGateway } from '../../gateway-process.js';
import { until } from '../../until.js';
import { openStream } from '../raw-wire.js';
import { closing, connectRaw, openRaw } from './raw-client.js';
import { mqttUrl, RealClient } from './real-client.js';
import { StuckClient } from './stuck-client.js';

/** A graceful stop with MQTT connections. */

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal} closes every connection with 1001, and exits 0`, async (t) => {
    const gateway = await startGateway({ flags: ['--drain-sec', '1'] });
    t.teardown(() => gateway.kill());
    const clients = [];
    for (let n = 0; n < 50; n++) {
      // The first has none; the others are not to end before the stop, however busy the machine is.
      const keepAliveSec = n === 0 ? 0 : 100 + n;
      const client = await connectRaw(t, gateway, { clientId: `c${n}`, clean: n % 2 === 0, keepAliveSec });
      await client.subscribe(`own/${n}`, 1);
      clients.push(client);
    }
    const early = await openRaw(t, gateway);
    const stream = await openStream(gateway.port, '/test/page');
    await gateway.send('own/7', 'before');
    const stopped = gateway.kill(signal);
    for (const client of [...clients, early]) t.equal(await closing(client), '1001 server-stopping');
    t.equal(await stopped, 0);
    await stream.untilClosed();
    t.ok(stream.complete);
    t.match(gateway.log, '"msg":"stopped"');
    t.notMatch(gateway.log, /"level":[456]0/);
  });
}

t.test('connections are closed spread over --drain-sec, and what was accepted goes out before', async (t) => {
  const gateway = await startGateway({
    flags: [
      ...['--drain-sec', '2', '--mqtt-presence', 'false'],
      ...['--mqtt-max-pending-connects-per-address', '0'], // all 100 come at once
    ],
  });
  t.teardown(() => gateway.kill());
  const clients = await Promise.all(Array.from({ length: 100 }, () => connectRaw(t, gateway)));
  for (const client of clients) await client.subscribe('all', 0);
  const sent = gateway.send('all', 'x'.repeat(60_000));
  gateway.child.kill('SIGTERM'); // some may be closed before it is sent
  const startedMs = performance.now();
  const endsMs: number[] = [];
  const received = await Promise.all(
    clients.map(async (client) => {
      const packets = await client.untilClosed();
      endsMs.push(performance.now() - startedMs);
      return packets.length;
    }),
  );
  const total = received.reduce((sum, count) => sum + count, 0);
  t.equal(total, await sent, 'each has its message that it was counted for');
  t.ok(Math.max(...endsMs) > 1_000, 'not all at once');
  t.ok(Math.max(...endsMs) < 3_000, 'but in time');
  t.equal(await gateway.ended(), 0);
});

t.test('clients find the next server by themselves', async (t) => {
  const first = await startGateway({ flags: ['--drain-sec', '1', ...(await lastingPort())] });
  t.teardown(() => first.kill());
  const clients: RealClient[] = [];
  for (let n = 0; n < 20; n++) {
    const client = await RealClient.connectTo(t, mqttUrl(first), { reconnectPeriod: 50 });
    await client.subscribe(`next/${n}`, 1);
    clients.push(client);
  }
  t.equal(await first.kill('SIGTERM'), 0);
  await until('all have been told', () => clients.every(({ closes }) => closes.length > 0));
  t.ok(clients.every(({ closes }) => closes[0] === '1001 server-stopping'));
  const second = await startGateway({ flags: ['--port', String(first.port)] });
  t.teardown(() => second.kill());
  await until('all are back', async () => (await second.stats()).router.logins === clients.length);
  await Promise.all(clients.map((_, n) => second.send(`next/${n}`, `${n}`)));
  for (const [n, client] of clients.entries()) t.match(await client.exactly(1), [{ topic: `next/${n}` }]);
});

t.test('a client that is behind and does not read is cut when the time is over', async (t) => {
  const gateway = await startGateway({
    flags: ['--drain-sec', '1', '--slow-consumer-policy', 'drop-newest'],
  });
  t.teardown(() => gateway.kill());
  const stuck = await StuckClient.connect(gateway, { clientId: 'stuck' });
  t.teardown(() => stuck.destroy());
  stuck.send(subscribe(1, ['s', 0]));
  await until('it is subscribed', async () => (await gateway.stats()).router.logins === 1);
  await until('it is behind', async () => {
    await gateway.send('s', 'x'.repeat(60_000));
    return (await gateway.stats()).slowConsumers.now === 1;
  });
  const startedMs = performance.now();
  t.equal(await gateway.kill('SIGTERM'), 0);
  const tookMs = performance.now() - startedMs;
  t.ok(tookMs > 800 && tookMs < 3_000, `${Math.round(tookMs)} ms`);
});

t.test('a will is published to those who are still there', async (t) => {
  const gateway = await startGateway({ flags: ['--drain-sec', '1', '--mqtt-presence', 'false'] });
  t.teardown(() => gateway.kill());
  const wills = [];
  for (let n = 0; n < 10; n++) {
    wills.push(await connectRaw(t, gateway, { will: { topic: 'will', payload: `${n}` } }));
  }
  const stream = await openStream(gateway.port, '/stream/will'); // it came last, and goes last
  const stopped = gateway.kill('SIGTERM');
  for (const client of wills) await client.untilClosed();
  await stream.untilClosed();
  t.equal(await stopped, 0);
  const said = stream.text.match(/"data":"\d"/g) ?? [];
  t.ok(said.length >= wills.length - 1, `${said.length} of ${wills.length}`);
});
