import t, { type Test } from 'tap';
import type { Identity } from '../../../access/identity.js';
import { publish } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { until } from '../../until.js';
import { connectRaw } from '../mqtt/raw-client.js';
import { type Ask, ask, basic, batchOf } from '../raw-wire.js';
import { accepted, type RunningGateway, startFor, startInProcess, statsOf, userWith } from './in-process.js';

/** How much one user, or one address, may publish over the router API and MQTT. */

/** The server itself publishes nothing. */
const silent = { mqttPresence: false, mqttSysInterval: 0 };
const all = { permission: 'allow', action: 'all', filter: '#' } as const;

async function start(t: Test, flags: Record<string, unknown>): Promise<RunningGateway> {
  const answer = ({ userName = '' }) => {
    const identity: Identity = userWith(userName, all);
    return accepted(userName === 'root' ? { ...identity, isSuperuser: true } : identity);
  };
  return (await startFor(t, answer, { ...silent, ...flags })).running;
}

const send = ({ apiPort }: RunningGateway, by: Ask, from = '/send/x') =>
  ask(apiPort, from, { method: 'POST', body: 'x', ...by });

const publishedOf = (running: RunningGateway) => statsOf(running).router.published;

t.test('a user has one budget for sends and MQTT, and others have theirs', async (t) => {
  const running = await start(t, { rateLimitPublishesPerUser: '10,1' });
  const startMs = performance.now();
  const before = publishedOf(running);
  const statuses: number[] = [];
  let retryAfter: string | undefined;
  for (let n = 0; n < 40; n++) {
    const answer = await send(running, basic('alice', 'x'));
    statuses.push(answer.status);
    retryAfter ??= answer.header('Retry-After');
  }
  const taken = statuses.filter((status) => status === 200).length;
  const most = 10 + Math.ceil((performance.now() - startMs) / 1000);
  t.ok(taken >= 10 && taken <= most, `${taken} of at most ${most}`);
  t.equal(publishedOf(running) - before, taken);
  t.equal(retryAfter, '1');
  t.equal(statuses.filter((status) => status === 429).length, 40 - taken);
  t.equal(statsOf(running).connections.refused['publish-rate'], 40 - taken);
  t.equal((await send(running, basic('bob', 'x'))).status, 200);
  const device = await connectRaw(t, running, { userName: 'alice', password: 'x' });
  device.send(...Array.from({ length: 50 }, () => publish('x', 'y')));
  await device.untilClosed();
  t.equal(device.closeReason, 'rate-limited');
  t.match(
    running.log(),
    /"reason":"rate-limited".*"setting":"--rate-limit-publishes-per-user","limit":"10,1"/,
  );
});

t.test('a batch is sent whole, and paid back before the next message', async (t) => {
  const running = await start(t, { rateLimitPublishesPerUser: '10,1' });
  const lines = Array.from({ length: 4_000 }, (_, n) => ({ id: 'x', data: String(n) }));
  const batch = await ask(running.apiPort, '/send', {
    method: 'POST',
    body: batchOf(lines),
    ...basic('alice', 'x'),
  });
  t.match(batch.json, { messages: 4_000 });
  const next = await send(running, basic('alice', 'x'));
  t.equal(next.status, 429);
  t.ok(Number(next.header('Retry-After')) > 3_000);
  t.equal((await send(running, basic('alice', 'x'), '/send')).status, 429, 'nor another batch');
});

t.test('superusers are limited by address alone', async (t) => {
  const running = await start(t, { rateLimitPublishesPerUser: '1,1' });
  for (let n = 0; n < 10; n++) t.equal((await send(running, basic('root', 'x'))).status, 200);
});

t.test('all clients of an address share its budget, with a user or without', async (t) => {
  const running = await startInProcess([], { ...silent, rateLimitPublishesPerAddress: '20,1' });
  t.teardown(() => running.gateway.stop());
  const devices = await Promise.all([1, 2, 3].map(() => connectRaw(t, running)));
  const before = publishedOf(running);
  const startMs = performance.now();
  for (const device of devices) device.send(...Array.from({ length: 100 }, () => publish('x', 'y')));
  for (const device of devices) await device.untilClosed();
  for (const device of devices) t.equal(device.closeReason, 'rate-limited');
  const most = 20 + Math.ceil((performance.now() - startMs) / 1000);
  const published = publishedOf(running) - before;
  t.ok(published >= 20 && published <= most, `${published} of at most ${most}`);
  await until('the address is at its limit', async () => (await send(running, {})).status === 429);
});

t.test('without a limit nothing is counted', async (t) => {
  const running = await start(t, {});
  const device = await connectRaw(t, running, { userName: 'alice', password: 'x' });
  device.send(...Array.from({ length: 500 }, () => publish('x', 'y')));
  t.same(await device.untilPong(), []);
  t.equal(statsOf(running).connections.refused['publish-rate'], 0);
});
