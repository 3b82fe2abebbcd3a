import t from 'tap';
import { until } from '../../until.js';
import { ask } from '../raw-wire.js';
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
