import t from 'tap';
import type { GatewayProcess } from '../../gateway-process.js';
import type { RedisServer } from '../../redis-server.js';
import { until } from '../../until.js';
import { closing, connectRaw } from '../mqtt/raw-client.js';
import { idOnShard } from './nodes.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/** A node keeps its client ids for as long as it runs, whatever happens to other nodes. */

const owners = 'encke:c';
/** Of a node that nobody has heard of: it goes once the client ids of a server have been looked through. */
const nobody = 'f'.repeat(16);

async function untilSwept(servers: readonly RedisServer[], change: () => unknown): Promise<void> {
  const admins = servers.map((server) => server.client());
  for (const admin of admins) await admin.hset(owners, 'of-nobody', nobody);
  await change();
  for (const admin of admins)
    await until('it is swept', async () => (await admin.hexists(owners, 'of-nobody')) === 0, 20_000);
}

t.test('with two servers, client ids on both stay when another node goes', async (t) => {
  const servers = [await redisServer(t), await redisServer(t)];
  const urls = servers.map(({ url }) => url);
  const [a, b, c] = (await startRedisNodes(t, urls, ['a', 'b', 'c'])) as [
    GatewayProcess,
    GatewayProcess,
    GatewayProcess,
  ];
  const clientIds = [0, 1].map((shard) => idOnShard(shard, 'x'));
  const first = await Promise.all(clientIds.map((clientId) => connectRaw(t, a, { clientId, clean: false })));
  await untilSwept(servers, () => c.kill('SIGKILL'));
  for (const [n, clientId] of clientIds.entries()) {
    await connectRaw(t, b, { clientId, clean: false });
    t.equal(await closing(first[n]!), '1008 taken-over', `client id of server ${n + 1}`);
  }
  const { sessions } = (await b.stats()).mqtt;
  t.equal(sessions.persistent, 2, 'their sessions have moved');
});

t.test('a node that has stood still for more than 3 s has its client ids yet', async (t) => {
  const server = await redisServer(t);
  const [a, b] = (await startRedisNodes(t, [server.url], ['a', 'b'])) as [GatewayProcess, GatewayProcess];
  const first = await connectRaw(t, a, { clientId: 'x', clean: false });
  const gone = await connectRaw(t, a, { clientId: 'gone', clean: false });
  const admin = server.client();
  const run = await admin.hget(owners, 'x');
  await untilSwept([server], () => a.child.kill('SIGSTOP'));
  t.equal(await admin.hget(owners, 'x'), run, 'nothing is taken from a node that is connected');
  // As when Redis had closed its connections meanwhile.
  await admin.hdel(owners, 'gone');
  a.child.kill('SIGCONT');
  await until('it has claimed it again', async () => (await admin.hget(owners, 'gone')) === run, 15_000);
  for (const [clientId, client] of Object.entries({ x: first, gone })) {
    await connectRaw(t, b, { clientId, clean: false });
    t.equal(await closing(client), '1008 taken-over', clientId);
  }
});
