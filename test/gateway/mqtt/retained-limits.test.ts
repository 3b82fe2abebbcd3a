import t, { type Test } from 'tap';
import { subscribe } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { Publication } from '../../conformance/mqtt-3.1.1/received-packet.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { until } from '../../until.js';
import { connectRaw } from './raw-client.js';
import { StuckClient } from './stuck-client.js';

/** Limits of retained messages, and of clients that do not read them. */

async function start(t: Test, ...flags: string[]): Promise<GatewayProcess> {
  const gateway = await startGateway({
    flags: ['--mqtt-presence', 'false', '--mqtt-sys-interval', '0', ...flags],
  });
  t.teardown(() => gateway.kill());
  return gateway;
}

async function retain(gateway: GatewayProcess, messages: { id: string; data: string }[]): Promise<void> {
  const lines = messages.map((message) => JSON.stringify({ ...message, retain: true }));
  const response = await fetch(`${gateway.apiUrl}/send`, { method: 'POST', body: `${lines.join('\n')}\n` });
  if (response.status !== 200) throw new Error(await response.text());
}

/** Retained messages for a new subscriber to this filter, by topic. */
async function kept(t: Test, gateway: GatewayProcess, filter: string): Promise<Record<string, string>> {
  const client = await connectRaw(t, gateway);
  await client.subscribe(filter, 0);
  const publications = (await client.untilPong()) as Publication[];
  await client.disconnect();
  return Object.fromEntries(publications.map(({ topic, payload }) => [topic, payload]));
}

t.test('no more than --mqtt-max-retained messages are kept', async (t) => {
  const gateway = await start(t, '--mqtt-max-retained', '3');
  await retain(
    gateway,
    ['a', 'b', 'c', 'd', 'e'].map((id) => ({ id: `r/${id}`, data: id })),
  );
  t.same(await kept(t, gateway, 'r/#'), { 'r/a': 'a', 'r/b': 'b', 'r/c': 'c' });
  t.match((await gateway.stats()).router, { retained: 3, retainedRefused: { count: 2 } });
  await retain(gateway, [{ id: 'r/a', data: 'new' }]);
  t.equal((await kept(t, gateway, 'r/a'))['r/a'], 'new', 'one that is there may change');
  await retain(gateway, [
    { id: 'r/b', data: '' },
    { id: 'r/e', data: 'e' },
  ]);
  t.same(await kept(t, gateway, 'r/#'), { 'r/a': 'new', 'r/c': 'c', 'r/e': 'e' }, 'one that goes makes room');
});

t.test('no message over --mqtt-max-retained-size is kept, but it is delivered', async (t) => {
  const gateway = await start(t, '--mqtt-max-retained-size', '100');
  const watcher = await connectRaw(t, gateway);
  await watcher.subscribe('r/#', 0);
  await retain(gateway, [
    { id: 'r/fits', data: 'x'.repeat(100) },
    { id: 'r/over', data: 'x'.repeat(101) },
    { id: 'r/was', data: 'small' },
    { id: 'r/was', data: 'x'.repeat(101) },
  ]);
  t.equal((await watcher.untilPong()).length, 4);
  t.same(Object.keys(await kept(t, gateway, 'r/#')), ['r/fits'], 'nor is what it stands in the place of');
  t.match((await gateway.stats()).router, { retained: 1, retainedRefused: { size: 2 } });
});

t.test('all retained messages together stay under --mqtt-retained-bytes-total-max', async (t) => {
  const bytesMax = 20_000;
  const gateway = await start(t, '--mqtt-retained-bytes-total-max', String(bytesMax));
  await retain(
    gateway,
    Array.from({ length: 50 }, (_, n) => ({ id: `r/${n}`, data: `${n}`.padEnd(1000, '.') })),
  );
  const { retained, retainedBytes, retainedRefused } = (await gateway.stats()).router;
  t.ok(retainedBytes <= bytesMax && retainedBytes > bytesMax - 2000, `${retainedBytes} bytes`);
  t.equal(retained + retainedRefused.bytes, 50);
  t.equal(Object.keys(await kept(t, gateway, 'r/+')).length, retained);
  await retain(
    gateway,
    Array.from({ length: 50 }, (_, n) => ({ id: `r/${n}`, data: '' })),
  );
  t.match((await gateway.stats()).router, { retained: 0, retainedBytes: 0 });
});

t.test('a client that subscribes to all retained messages and does not read grows nothing', async (t) => {
  const gateway = await start(t, '--mqtt-max-retained', '2000', '--pending-bytes-max', '200000');
  const messages = Array.from({ length: 1000 }, (_, n) => ({
    id: `r/${n}`,
    data: `${n}`.padEnd(20_000, '.'),
  }));
  for (let at = 0; at < messages.length; at += 100) await retain(gateway, messages.slice(at, at + 100));
  const stuck = await Promise.all(
    Array.from({ length: 5 }, async (_, n) => {
      const client = await StuckClient.connect(gateway, { clientId: `stuck-${n}` });
      t.teardown(() => client.destroy());
      return client;
    }),
  );
  const before = gateway.rssBytes;
  for (const client of stuck)
    client.send(subscribe(1, ['r/#', 0]), subscribe(2, ['#', 1]), subscribe(3, ['r/+', 1]));
  await until(
    'they have fallen behind',
    async () => (await gateway.stats()).mqtt.retainedReplays === stuck.length,
  );
  const grownMb = (gateway.rssBytes - before) / 1e6;
  t.ok(grownMb < 60, `300 MB are on their way; grown by ${Math.round(grownMb)} MB`);
  t.equal((await kept(t, gateway, 'r/7'))['r/7']?.length, 20_000, 'others are served');
  const reader = stuck[0]!;
  reader.resume();
  await until(
    'who reads again gets all of it',
    () => {
      const topics = reader.takePublications().map(({ topic }) => topic);
      for (const topic of topics) seen.set(topic, (seen.get(topic) ?? 0) + 1);
      return seen.size === 1000;
    },
    20_000,
  );
  for (const client of stuck) await client.destroy();
  await until('nothing is left of them', async () => (await gateway.stats()).mqtt.retainedReplays === 0);
  t.match((await gateway.stats()).slowConsumers, { now: 0, pendingBytes: 0 });
});

const seen = new Map<string, number>();
