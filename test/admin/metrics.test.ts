import { spawnSync } from 'node:child_process';
import mqtt from 'mqtt';
import t from 'tap';
import { families } from '../../admin/metrics/families.js';
import type { StatsPlace } from '../../admin/metrics/family.js';
import { metrics } from '../../gateway/metrics.js';
import { findOrInstall } from '../debian-package.js';
import { type GatewayProcess, startProcess } from '../gateway-process.js';
import { RedisServer } from '../redis-server.js';
import { until } from '../until.js';
import { parseMetrics } from './metrics-text.js';

const admin = ['--admin-port', '0'];

async function scrape(gateway: GatewayProcess, accept = 'text/plain'): Promise<string> {
  const response = await fetch(`${gateway.adminUrl}/metrics`, { headers: { accept } });
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  return response.text();
}

async function sampleOf(
  gateway: GatewayProcess,
  name: string,
  labels: Record<string, string> = {},
): Promise<number> {
  const all = [...parseMetrics(await scrape(gateway)).values()].flatMap(({ samples }) => samples);
  const found = all.filter(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  );
  if (found.length !== 1) throw new Error(`${found.length} of ${name} ${JSON.stringify(labels)}`);
  return found[0]!.value;
}

t.test('/metrics counts connections, messages and their latency', async (t) => {
  const gateway = await startProcess({ flags: admin });
  t.teardown(() => gateway.kill());
  const stream = await fetch(`${gateway.url}/stream/123`);
  t.teardown(() => stream.body?.cancel().catch(() => {}));
  const client = mqtt.connect(`${gateway.url.replace('http', 'ws')}/mqtt`);
  t.teardown(() => client.endAsync(true));
  await client.subscribeAsync('123', { qos: 1 });
  const connections = 'encke_connections';
  t.equal(await sampleOf(gateway, connections, { transport: 'ndjson' }), 1);
  t.equal(await sampleOf(gateway, connections, { transport: 'mqtt-ws' }), 1);
  t.equal(await sampleOf(gateway, connections, { transport: 'sse' }), 0);
  t.equal(await gateway.send('123', 'Hello'), 2);
  await until('both have it', async () => {
    const written = await sampleOf(gateway, 'encke_messages_delivered_total', { transport: 'ndjson' });
    return written === 1 && (await sampleOf(gateway, 'encke_mqtt_publishes_sent_total', { qos: '1' })) === 1;
  });
  t.equal(await sampleOf(gateway, 'encke_message_delivered_bytes_total', { transport: 'mqtt-ws' }), 5);
  t.equal(await sampleOf(gateway, 'encke_logins'), 2);
  await until(
    'the latency of one message is counted',
    async () => (await sampleOf(gateway, 'encke_delivery_latency_seconds_count')) === 1,
  );
  t.equal(await sampleOf(gateway, 'encke_delivery_latency_seconds_bucket', { le: '+Inf' }), 1);
  await client.endAsync();
  await until(
    'its end is counted',
    async () => (await sampleOf(gateway, 'encke_connections_closed_total', { reason: 'disconnected' })) === 1,
  );
  t.equal(await sampleOf(gateway, connections, { transport: 'mqtt-ws' }), 0);
});

t.test('messages from history and retained ones are no latency', async (t) => {
  const gateway = await startProcess({ flags: admin });
  t.teardown(() => gateway.kill());
  await gateway.send('123', 'kept');
  const stream = await fetch(`${gateway.url}/stream/123?since=10`);
  t.teardown(() => stream.body?.cancel().catch(() => {}));
  await until(
    'it is written',
    async () => (await sampleOf(gateway, 'encke_messages_delivered_total', { transport: 'ndjson' })) === 1,
  );
  t.equal(await sampleOf(gateway, 'encke_delivery_latency_seconds_count'), 0);
});

t.test('the text is what Prometheus and OpenMetrics define', async (t) => {
  const gateway = await startProcess({ flags: admin });
  t.teardown(() => gateway.kill());
  const text = await scrape(gateway);
  const parsed = parseMetrics(text);
  t.ok(parsed.size > 60, `${parsed.size} families`);
  for (const name of parsed.keys()) t.match(name, /^encke_[a-z][a-z0-9_]*$/);
  const latency = parsed.get('encke_delivery_latency_seconds')!.samples.filter(({ labels }) => labels.le);
  t.equal(latency.at(-1)!.labels.le, '+Inf');
  for (const [i, { value }] of latency.entries())
    if (i > 0) t.ok(value >= latency[i - 1]!.value, 'cumulative');

  const open = await scrape(gateway, 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5');
  t.match(open, /\n# EOF\n$/);
  t.match(open, '# TYPE encke_connections_opened counter\nencke_connections_opened_total 0\n');
  t.match(open, '# UNIT encke_uptime_seconds seconds\n# TYPE encke_uptime_seconds gauge\n');
  t.match(open, '# TYPE encke_build info\nencke_build_info{');

  const promtool = await findOrInstall('promtool', 'prometheus');
  if ('missing' in promtool) return void t.comment(`NOT CHECKED WITH PROMTOOL: ${promtool.missing}`);
  const checked = spawnSync(promtool.path, ['check', 'metrics'], { input: text, encoding: 'utf8' });
  t.equal(checked.stdout + checked.stderr, '', 'promtool has nothing to say');
  t.equal(checked.status, 0);
});

/** Figures that `/stats` has and `/metrics` has not. */
const leftOut: ReadonlyMap<string, string> = new Map([
  ['pid', 'a process has one target in Prometheus'],
  ['connections.open', 'the sum of connections by transport'],
  ['messages.written', 'the sum of those by transport'],
  ['messages.bytesWritten', 'the sum of those by transport'],
  ['messages.lost', 'the sum of those by reason'],
  ['mqtt.clients', 'of the Redis engine; numbers of its protocol'],
]);

t.test('each number of /stats is in /metrics, or on the list of those that are left out', async (t) => {
  const redis = await RedisServer.start();
  t.teardown(() => redis.stop());
  const gateway = await startProcess({
    flags: [...admin, '--engine', 'redis', '--redis', redis.url, '--name', 'metrics'],
  });
  t.teardown(() => gateway.kill());
  const paths = new Set(families.flatMap(({ sources }) => sources.map(pathOf)));
  const stats = await gateway.stats();
  for (const path of numbersIn(stats)) {
    const isThere = [...paths, ...leftOut.keys()].some(
      (known) => path === known || path.startsWith(`${known}.`),
    );
    t.ok(isThere, path);
  }
  t.ok(metrics.length > 40);
  const parsed = parseMetrics(await scrape(gateway));
  for (const { name, type } of families) {
    const shown = `encke_${name}${type === 'counter' ? '_total' : type === 'info' ? '_info' : ''}`;
    const isElsewhere = name.startsWith('tls_') || ['connection_memory_bytes', 'api_errors'].includes(name);
    if (!isElsewhere) t.ok(parsed.has(shown), shown);
  }
});

function pathOf({ path }: StatsPlace): string {
  return path;
}

function numbersIn(value: unknown, path = ''): string[] {
  if (typeof value === 'number') return [path];
  if (Array.isArray(value) || typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, one]) =>
    numbersIn(one, path === '' ? name : `${path}.${name}`),
  );
}

t.test('one of several workers answers for all, and another takes its place when it has ended', async (t) => {
  const redis = await RedisServer.start();
  t.teardown(() => redis.stop());
  const flags = ['--engine', 'redis', '--redis', redis.url, '--name', 'workers', '--workers', '2'];
  const { freePort } = await import('../free-port.js');
  const adminPort = await freePort();
  const ports = ['--port', String(await freePort()), '--api-port', String(await freePort())];
  const gateway = await startProcess({
    flags: [...flags, ...ports, '--admin-port', String(adminPort), '--count-wait-ms', '10000'],
  });
  t.teardown(() => gateway.kill('SIGTERM'));
  const nodes = async () => {
    const parsed = parseMetrics(await scrape(gateway));
    return parsed.get('encke_uptime_seconds')!.samples.map(({ labels }) => labels.node);
  };
  await until('both are there', async () => (await nodes()).length === 2);
  t.equal(new Set(await nodes()).size, 2);
  const { pid } = (await (await fetch(`${gateway.adminUrl}/stats?scope=node`)).json()) as { pid: number };
  process.kill(pid, 'SIGKILL');
  await until('another worker answers', async () => {
    const response = await fetch(`${gateway.adminUrl}/stats?scope=node`).catch(() => undefined);
    return response !== undefined && ((await response.json()) as { pid: number }).pid !== pid;
  });
});
