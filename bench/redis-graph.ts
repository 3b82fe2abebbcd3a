import { scaleFreeEdges } from '../cli/graph/generate.js';
import { serverUsage } from '../floodtest/server-usage.js';
import { type Delivery, Router, Subscriber } from '../router/index.js';
import { RedisServer } from '../test/redis-server.js';
import { redisEngineAt } from '../test/router/engine/redis/engine-parts.js';

/**
 * What does the friends graph cost in Redis? Memory, additions, a lookup, a send to 15 followers and to very many.
 *
 *     npm run build && node dist/bench/redis-graph.js [users] [edges of each]
 */

const [users = 1_000_000, edgesEach = 15] = process.argv.slice(2).map(Number);
const batchEdges = 20_000;
const lookups = 20_000;
const sends = 10_000;
const inFlight = 100;

class Silent extends Subscriber {
  override deliver(): Delivery {
    return 'sent';
  }
}

const redis = await RedisServer.start();
const engine = redisEngineAt([redis.url]);
await engine.open();
const router = new Router({ engine });
await router.start();
const client = redis.client();

async function usedBytes(): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))![1]);
}

function redisCpuSec(): number {
  return serverUsage([redis.pid])!.cpuSec;
}

/** Prints how many were done per second, and the CPU time of both processes for each. */
async function measure(name: string, count: number, run: () => Promise<void>): Promise<void> {
  const before = { ms: performance.now(), redis: redisCpuSec(), own: process.cpuUsage() };
  await run();
  const sec = (performance.now() - before.ms) / 1000;
  const { user, system } = process.cpuUsage(before.own);
  const redisUs = ((redisCpuSec() - before.redis) * 1e6) / count;
  console.log(
    `${name}: ${Math.round(count / sec)}/s; CPU of each: ${redisUs.toFixed(1)} us in Redis, ${((user + system) / count).toFixed(1)} us in the node`,
  );
}

async function manyAtOnce(count: number, one: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const goOn = async () => {
    while (next < count) await one(next++);
  };
  await Promise.all(Array.from({ length: inFlight }, goOn));
}

async function add(pairs: Iterable<readonly [string, string]>): Promise<void> {
  let batch: { subscriber: string; subscribee: string; remove: boolean }[] = [];
  for (const [subscriber, subscribee] of pairs) {
    batch.push({ subscriber, subscribee, remove: false });
    if (batch.length < batchEdges) continue;
    await router.friends.change(batch);
    batch = [];
  }
  await router.friends.change(batch);
}

function* friends(): Generator<readonly [string, string]> {
  for (const [from, to] of scaleFreeEdges(users, edgesEach, 1)) yield [`user/${from}`, `user/${to}`];
}

function* fans(): Generator<readonly [string, string]> {
  for (let n = 1; n <= users; n++) yield [`user/${n}`, 'star'];
}

const empty = await usedBytes();
console.log(`Node ${process.version}, ${users} ids, ${edgesEach} edges each`);
await measure('edges added', users * edgesEach, () => add(friends()));
const bytes = (await usedBytes()) - empty;
console.log(
  `memory of Redis: ${(bytes / 1e6).toFixed(0)} MB, ${(bytes / users / edgesEach).toFixed(1)} bytes an edge`,
);

const ids: string[] = [];
for (let n = 1; n <= users && ids.length < 2_000; n += 37) {
  const page = (await router.friends.list('subscribers', `user/${n}`, 1, ''))!;
  if (page.count >= edgesEach - 5 && page.count <= edgesEach + 5) ids.push(`user/${n}`);
}
let found = 0;
await measure(`lookups of about ${edgesEach} followers`, lookups, () =>
  manyAtOnce(lookups, async (n) => {
    const page = await router.friends.list('subscribers', ids[n % ids.length]!, 1_000, '');
    found += page!.ids.length;
  }),
);
console.log(`  ${(found / lookups).toFixed(1)} followers on average`);
for (let n = 1; n <= users; n += 10) router.login(`user/${n}`, new Silent());
await new Promise<void>((resolve) => router.whenInterested(resolve));
let delivered = 0;
await measure(`sends to about ${edgesEach} followers, a tenth of them here`, sends, () =>
  manyAtOnce(sends, async (n) => {
    const took = await router.sendToFollowers(ids[n % ids.length]!, 'Hello');
    delivered += took;
  }),
);
console.log(`  ${(delivered / sends).toFixed(1)} deliveries each`);
await measure(`edges added to one id, ${users}`, users, () => add(fans()));
const startedMs = performance.now();
const reached = await router.sendToFollowers('star', 'Hello');
console.log(
  `a send to ${users} followers, ${reached} of them here: ${Math.round(performance.now() - startedMs)} ms`,
);
await router.stop();
await redis.stop();
process.exit(0);
