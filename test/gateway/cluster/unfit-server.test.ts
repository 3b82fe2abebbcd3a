import { setTimeout as pause } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { until } from '../../until.js';
import { poll } from '../history/ask-poll.js';
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
    const stream = await openStream(node!.port, '/stream/123');
    t.equal(stream.status, 200, 'a new stream begins all the same: it is subscribed');
    await until('it says so', async () => /^ready, but .*min-replicas-to-write/.test(await ready()));
    const before = await refused();
    await pause(1_000); // of which the rate is taken
    const each = (await refused()) - before;
    t.ok(each < 200, `${each} refused calls in a second`);
    await client.config('SET', 'min-replicas-to-write', '0');
    await until('all is well', async () => (await ready()) === 'ready');
    await ask(node!.apiPort, '/send/123', { method: 'POST', body: 'x' });
    await until('it goes on', () => stream.text.includes('"data":"x"'));
  },
);

/** A node whose rights are taken away while it runs. */
async function nodeWithRights(t: Test) {
  const rights =
    '~encke:* &encke:* -@all +@read +@write +@pubsub +@connection -@dangerous +fcall +function|load +info +time';
  const redis = await redisServer(t, { acl: [`node on >secret ${rights}`] });
  const user = ['--redis-user', 'node', '--redis-password', 'secret'];
  const [node] = await startRedisNodes(t, [redis.url], ['a'], user);
  const admin = redis.client();
  const allow = (...changes: string[]) => admin.call('ACL', 'SETUSER', 'node', ...changes);
  const ready = async () => (await ask(node!.apiPort, '/ready')).text.trim();
  const send = async (id: string, body: string, headers = {}) =>
    (await ask(node!.apiPort, `/send/${id}`, { method: 'POST', body, headers })).status;
  return { node: node!, admin, allow, ready, send };
}

t.test('a message that breaks off in Redis is answered 504, one that nobody got 503', async (t) => {
  const { node, admin, allow, ready, send } = await nodeWithRights(t);
  const stream = await openStream(node.port, '/stream/123');
  t.equal(await send('123', 'm1'), 200);
  await allow('-append');
  t.equal(await send('123', 'm2'), 503);
  t.match(await ready(), /^ready, but .*ACL SETUSER/);
  await allow('+append', '-lpush');
  t.equal(await send('123', 'm3'), 503);
  await allow('+lpush', '-set');
  t.equal(await send('123', 'm4', { 'Idempotency-Key': 'k1' }), 504, 'it went out, and its key is not kept');
  await allow('+set', '-publish');
  t.equal(await send('123', 'm5'), 504, 'it is kept, and did not go out');
  await allow('+publish');
  await admin.set('encke:h:125', 'somebody was here');
  t.equal(await send('125', 'x'), 503);
  t.equal(await send('123', 'm6'), 200);
  const { texts } = await poll(node.port, 'poll/123?since=oldest&timeout=0');
  t.strictSame(texts, ['m1', 'm4', 'm5', 'm6'], 'what was answered 503 is nowhere');
  await until('the stream has the last', () => stream.text.includes('"m6"'));
  t.notMatch(stream.text, /"m[235]"/);
  t.match(node.log, /"level":50.*ACL SETUSER <user> ~encke/);
});

t.test('a right without which there is no place: new streams begin, and /ready says it', async (t) => {
  const { node, allow, ready } = await nodeWithRights(t);
  await allow('-get');
  const stream = await openStream(node.port, '/stream/123');
  t.equal(stream.status, 200);
  await until('it is told', async () => /^ready, but .*ACL SETUSER/.test(await ready()));
  await allow('+get');
  await until('all is well', async () => (await ready()) === 'ready');
});

t.test('functions that cannot be loaded again are named in /ready', async (t) => {
  const { admin, allow, ready } = await nodeWithRights(t);
  await allow('-function|load');
  await admin.call('FUNCTION', 'FLUSH');
  await until('it is told', async () => /cannot be used: .*function\|load/.test(await ready()));
  await allow('+function|load');
  await until('all is well', async () => (await ready()) === 'ready');
});

t.test('a connection for bulk reads that cannot come back is told in /ready and the log', async (t) => {
  const redis = await redisServer(t);
  const [node] = await startRedisNodes(t, [redis.url], ['a']);
  const ready = async () => (await ask(node!.apiPort, '/ready')).text.trim();
  await poll(node!.port, 'poll/123?since=oldest&timeout=0'); // it has the connection now
  const admin = redis.client();
  const list = String(await admin.client('LIST'));
  const ids = list
    .split('\n')
    .flatMap((line) => (/name=encke\/a /.test(line) ? [Number(/id=(\d+)/.exec(line)![1])] : []));
  await admin.config('SET', 'requirepass', 'secret');
  await admin.client('KILL', 'ID', Math.max(...ids)); // the last that was made
  await until('it is told', async () => /^ready, but .*NOAUTH.*--redis-password-file/.test(await ready()));
  t.match(node!.log, /"level":50.*NOAUTH/);
  t.equal(
    (await ask(node!.apiPort, '/send/1', { method: 'POST', body: 'x' })).status,
    200,
    'all else goes on',
  );
  await admin.config('SET', 'requirepass', '');
  await until('all is well', async () => (await ready()) === 'ready');
});

t.test('nodes that keep history by other rules are named in /ready and the log', async (t) => {
  const redis = await redisServer(t);
  const [a, b] = await startRedisNodes(
    t,
    [redis.url],
    ['a', { name: 'b', flags: ['--history-rules', '# 50 30'] }],
  );
  const ready = async (port: number) => (await ask(port, '/ready')).text.trim();
  for (const [node, other] of [
    [a!, 'b'],
    [b!, 'a'],
  ] as const) {
    const told = new RegExp(`^ready, but other nodes \\(${other}\\) have other --history-rules`);
    await until('it is told', async () => told.test(await ready(node.apiPort)));
    await until('the log has it', () => /"level":40.*other --history-rules/.test(node.log));
  }
  await b!.kill('SIGTERM');
  await until('all is well', async () => (await ready(a!.apiPort)) === 'ready');
});
