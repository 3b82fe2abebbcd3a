import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { until } from '../../until.js';
import { ask, openStream } from '../raw-wire.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/** A Redis server whose memory fills, or whose settings are changed, while nodes use it. */

t.test('/ready and the log say it in a sentence, and how to mend it', async (t) => {
  const redis = await redisServer(t, { maxmemory: '100mb' });
  const [node] = await startRedisNodes(t, [redis.url], ['a']);
  const ready = async () => {
    const { status, text } = await ask(node!.apiPort, '/ready');
    return `${status} ${text.trim()}`;
  };
  t.equal(await ready(), '200 ready');
  const client = redis.client();
  await client.config('SET', 'maxmemory', '1');
  t.equal((await ask(node!.apiPort, '/send/1', { method: 'POST', body: 'x' })).status, 503);
  const server = redis.url.replace('redis://', '');
  t.match(
    await ready(),
    new RegExp(
      `^200 ready, but Redis at ${server} cannot be used: its memory is full \\(maxmemory\\).*raise maxmemory`,
    ),
  );
  await client.config('SET', 'maxmemory', '100mb');
  await client.config('SET', 'maxmemory-policy', 'allkeys-lru');
  await until(
    'it is noticed',
    async () => /maxmemory-policy is allkeys-lru.*noeviction/.test(await ready()),
    20_000,
  );
  t.equal((await ask(node!.apiPort, '/send/1', { method: 'POST', body: 'x' })).status, 200);
  t.match(node!.log, /"level":50.*maxmemory-policy is allkeys-lru.*CONFIG SET maxmemory-policy noeviction/);
  await client.config('SET', 'maxmemory-policy', 'noeviction');
  await until('all is well', async () => (await ready()) === '200 ready', 20_000);
});

t.test(
  'a server that refuses to write is not asked without end, and /ready says why it refuses',
  async (t) => {
    const redis = await redisServer(t);
    const [node] = await startRedisNodes(t, [redis.url], ['a']);
    const ready = async () => (await ask(node!.apiPort, '/ready')).text.trim();
    const client = redis.client();
    const refused = async () =>
      Number(/errorstat_NOREPLICAS:count=(\d+)/.exec(await client.info('errorstats'))?.[1] ?? 0);
    await client.config('SET', 'min-replicas-to-write', '1');
    const stream = openStream(node!.port, '/stream/123');
    await until('it says so', async () => /^ready, but .*min-replicas-to-write/.test(await ready()));
    const before = await refused();
    await pause(1_000); // of which the rate is taken
    const each = (await refused()) - before;
    t.ok(each < 200, `${each} refused calls in a second`);
    await client.config('SET', 'min-replicas-to-write', '0');
    t.ok(await stream, 'the stream begins');
    await until('all is well', async () => (await ready()) === 'ready');
  },
);
