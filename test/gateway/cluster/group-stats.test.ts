import t from 'tap';
import { until } from '../../until.js';
import { ask, openStream } from '../raw-wire.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/** Workers of one machine share their ports, so that nobody can choose who answers: /stats sums over them. */

const redis = await redisServer(t);
const environment = { ENCKE_WORKER_GROUP: 'k3t07vaq' };
const [one, two, single] = await startRedisNodes(
  t,
  [redis.url],
  [{ name: 'gw-1', environment }, { name: 'gw-2', environment }, { name: 'single' }],
  ['--count-wait-ms', '1000'],
);
const statsOf = async (port: number, query = '') => (await ask(port, `/stats${query}`)).json;

t.test('/stats sums over the group, whoever of it answers', async (t) => {
  const streams = [
    await openStream(one!.port, '/stream/1'),
    await openStream(two!.port, '/stream/2'),
    await openStream(two!.port, '/stream/3'),
    await openStream(single!.port, '/stream/4'),
  ];
  for (const worker of [one!, two!]) {
    const stats = await statsOf(worker.apiPort);
    t.match(stats, { workers: 2, unanswered: 0, connections: { open: 3 }, router: { subscribers: 3 } });
    t.equal(stats.pid, undefined);
  }
  t.match(await statsOf(one!.apiPort, '?scope=node'), { pid: one!.pid, connections: { open: 1 } });
  t.match(await statsOf(two!.apiPort, '?scope=node'), { pid: two!.pid, connections: { open: 2 } });
  for (const query of ['', '?scope=group', '?scope=node'])
    t.match(
      await statsOf(single!.apiPort, query),
      { pid: single!.pid, connections: { open: 1 } },
      'one alone',
    );
  for (const stream of streams) await stream.close();
});

t.test('a scope that there is not is a sentence', async (t) => {
  const answer = await ask(one!.apiPort, '/stats?scope=all');
  t.equal(answer.status, 400);
  t.match(answer.text, /scope is node or group/);
});

t.test('a worker that stands still is missing, and the sum says so', async (t) => {
  two!.child.kill('SIGSTOP');
  const startedMs = performance.now();
  const stats = await statsOf(one!.apiPort);
  t.ok(performance.now() - startedMs < 2_500, 'it is not waited for without end');
  t.match(stats, { workers: 1, unanswered: 1 });
  two!.child.kill('SIGCONT');
  await until('it is back', async () => (await statsOf(one!.apiPort)).workers === 2);
  single!.child.kill('SIGSTOP');
  t.match(await statsOf(one!.apiPort), { workers: 2, unanswered: 0 }, 'who is of no concern is not missed');
  single!.child.kill('SIGCONT');
});
