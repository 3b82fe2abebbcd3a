/**
 * The question: how does a fleet with users in Redis do, each client with a user and 20 rules of its own? The first scenario
 * of an MQTT push service (a connection for each device and each mobile, devices publish, mobiles subscribe), at a size that
 * fits beside Redis: loads the users, starts two gateways and floodtest, and says what was accepted, how long messages took,
 * and what Redis cost.
 *
 *     npm run build && node dist/bench/users-in-redis.js --pairs 15000 --rules 20 --rate 1000 --hold 60s
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { serverUsage } from '../floodtest/server-usage.js';
import { startGateway } from '../test/gateway-process.js';
import { RedisServer } from '../test/redis-server.js';

const { values: asked } = parseArgs({
  options: {
    pairs: { type: 'string', default: '15000' },
    rules: { type: 'string', default: '20' },
    rate: { type: 'string', default: '1000' },
    hold: { type: 'string', default: '60s' },
    gateways: { type: 'string', default: '2' },
    /** Load the users, say what they take, and end. */
    load: { type: 'boolean', default: false },
  },
});
const door = fileURLToPath(new URL('../cli/encke.js', import.meta.url));
const roles = ['device', 'subscriber'];

const redis = await RedisServer.start();
console.log(
  `Node ${process.version}; Redis of its own; ${asked.pairs} devices and as many mobiles, ${asked.rules} rules each`,
);
const usedAtStart = await usedBytes();
for (const role of roles) {
  const names = ['--user-names', `${role}{n}`, '--topics', 'topic/device_user{n}/t_{m}'];
  const plan = ['--generate', asked.pairs, '--rules', asked.rules, '--auth-redis', redis.url];
  process.stdout.write(await encke('user', 'import', ...plan, ...names));
}
const usersBytes = (await usedBytes()) - usedAtStart;
const users = Number(asked.pairs) * 2;
console.log(
  `Redis: ${mb(usersBytes)} MB used for them, ${(usersBytes / users).toFixed(0)} B a user; RSS ${mb(usage(redis.pid).rssBytes)} MB`,
);
if (!asked.load) await flood();
await redis.stop();
process.exit();

async function flood(): Promise<void> {
  const flags = [
    '--auth',
    'redis',
    '--auth-redis',
    redis.url,
    '--log-level',
    'error',
    '--mqtt-presence',
    'false',
  ];
  const gateways = await Promise.all(
    Array.from({ length: Number(asked.gateways) }, () => startGateway({ flags })),
  );
  const before = gateways.map(({ pid }) => usage(pid));
  const redisBefore = usage(redis.pid);
  const text = await encke(
    ...[
      'floodtest',
      '-t',
      'mqtt-ws',
      '--json',
      '--keep-alive',
      '300',
      '--rate',
      asked.rate,
      '--hold',
      asked.hold,
    ],
    ...gateways.flatMap(({ url }) => ['--url', url]),
    ...['--connections', asked.pairs, '--devices', asked.pairs, '--device-topic', 'topic/device_user{n}/t_1'],
    ...['--username', '{role}{n}', '--mqtt-token', '{role}{n}'],
  );
  const run = JSON.parse(text);
  const all = Number(asked.pairs) * 2;
  const redisCpuSec = usage(redis.pid).cpuSec - redisBefore.cpuSec;
  const grown = gateways.reduce((sum, { pid }, n) => sum + usage(pid).rssBytes - before[n]!.rssBytes, 0);
  const cpuSec = gateways.reduce((sum, { pid }, n) => sum + usage(pid).cpuSec - before[n]!.cpuSec, 0);
  console.log(
    `connected ${run.connectedAtMost} of ${all} (${((run.connectedAtMost / all) * 100).toFixed(2)} %), refused ${run.refused}, failed ${run.failed}, closed ${run.closed}`,
  );
  console.log(`published ${run.published}, received ${run.qos0.messages}, lost ${run.qos0.lost}`);
  console.log(`latency ms ${JSON.stringify(run.latencyMs)}`);
  console.log(
    `Redis: ${redisCpuSec.toFixed(2)} s of CPU, ${((redisCpuSec * 1e6) / all).toFixed(0)} µs a login; RSS ${mb(usage(redis.pid).rssBytes)} MB`,
  );
  console.log(
    `gateways: ${mb(grown)} MB more in all, ${(grown / all).toFixed(0)} B a connection; ${cpuSec.toFixed(1)} s of CPU`,
  );
  for (const gateway of gateways) {
    if (gateway.log !== '') console.log(gateway.log.slice(0, 500));
    await gateway.kill();
  }
}

/** @returns its standard output */
async function encke(...args: string[]): Promise<string> {
  const child = spawn(process.execPath, [door, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`encke ${args[0]} ended with ${code}: ${text}`);
  return text;
}

async function usedBytes(): Promise<number> {
  const client = redis.client();
  const info = await client.info('memory');
  client.disconnect();
  return Number(/^used_memory:(\d+)/m.exec(info)![1]);
}

function usage(pid: number) {
  return serverUsage([pid])!;
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
