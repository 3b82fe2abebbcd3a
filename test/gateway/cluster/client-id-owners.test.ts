import t, { type Test } from 'tap';
import { secret, sign } from '../../access/tokens.js';
import { type Connect, puback, publish } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { RawMqtt } from '../../conformance/mqtt-3.1.1/raw-mqtt.js';
import type { GatewayProcess } from '../../gateway-process.js';
import type { RedisServer } from '../../redis-server.js';
import { StallingProxy } from '../../stalling-proxy.js';
import { until } from '../../until.js';
import { closing, tryRaw } from '../mqtt/raw-client.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/** A client id is its user's, over all nodes. */

const all = { subs: ['#'], pubs: ['#'] };
const tokens = {
  alice: await sign({ sub: 'alice', ...all }),
  bob: await sign({ sub: 'bob', ...all }),
  unnamed: await sign(all),
  root: '0123456789abcdef',
};
type User = keyof typeof tokens;

interface Running {
  readonly redis: RedisServer;
  readonly nodes: [GatewayProcess, GatewayProcess];
}

const flags = [
  ...['--auth', 'jwt', '--auth-jwt-secret', secret, '--mqtt-presence', 'false'],
  ...['--mqtt-token', tokens.root, '--api-token', tokens.root],
];

async function start(t: Test): Promise<Running> {
  const redis = await redisServer(t);
  const nodes = await startRedisNodes(t, [redis.url], ['a', 'b'], flags);
  return { redis, nodes: nodes as [GatewayProcess, GatewayProcess] };
}

const kept = { clean: false } as const;

function connectAs(t: Test, node: GatewayProcess, user: User, options: Connect = {}) {
  return tryRaw(t, node, { clientId: 'x', userName: 'anybody', password: tokens[user], ...options });
}

/** One that is let in. */
async function letIn(t: Test, node: GatewayProcess, user: User, options: Connect = {}): Promise<RawMqtt> {
  const { client, code } = await connectAs(t, node, user, options);
  t.equal(code, 0, `${user} is let in`);
  return client;
}

async function refused(t: Test, node: GatewayProcess, user: User, options: Connect = {}): Promise<void> {
  const { client, code } = await connectAs(t, node, user, options);
  t.equal(code, 5, `${user} is refused`);
  await client.untilClosed();
}

// biome-ignore lint/suspicious/noExplicitAny: what /stats holds is for the tests to say
async function statsOf({ apiUrl }: GatewayProcess): Promise<any> {
  const headers = { Authorization: `Bearer ${tokens.root}` };
  return (await fetch(`${apiUrl}/stats?scope=node`, { headers })).json();
}

const reconnects = async (node: GatewayProcess) => (await statsOf(node)).engine.shards[0].reconnects;

t.test('another user does not get it on another node: connection, session and will stay', async (t) => {
  const { nodes } = await start(t);
  const [a, b] = nodes;
  const watcher = await letIn(t, b, 'alice', { clientId: 'watcher' });
  await watcher.subscribe('wills');
  const will = { topic: 'wills', payload: 'gone' };
  const alice = await letIn(t, a, 'alice', { ...kept, will });
  await alice.subscribe('q', 1);
  for (const user of ['bob', 'unnamed'] as const)
    for (const clean of [true, false]) await refused(t, b, user, { clean });
  t.same(await alice.untilPong(), [], 'its connection goes on');
  t.equal((await statsOf(a)).connections.closed['taken-over'] ?? 0, 0);
  t.match(b.log, /Another user has this client id/);
  await alice.disconnect();
  await watcher.publish('q', 'waits');
  await refused(t, b, 'bob', kept);
  const { client, code, sessionPresent } = await connectAs(t, b, 'alice', kept);
  t.same({ code, sessionPresent }, { code: 0, sessionPresent: true }, 'its own user has its session');
  const message = await client.nextPublish();
  t.equal(message.payload, 'waits');
  client.send(puback(message.id!));
  await refused(t, a, 'bob', kept);
  const again = await letIn(t, a, 'alice', kept);
  t.equal(await closing(client), '1008 taken-over', 'and takes its own connection over');
  await again.disconnect();
  t.same(await watcher.untilPong(), [], 'no will was published');
});

t.test('a superuser takes it over, and then it is not the user that had it', async (t) => {
  const { nodes } = await start(t);
  const [a, b] = nodes;
  const alice = await letIn(t, a, 'alice');
  const root = await letIn(t, b, 'root');
  t.equal(await closing(alice), '1008 taken-over');
  await refused(t, a, 'alice');
  await refused(t, a, 'unnamed');
  await root.disconnect();
  await until('it is free', async () => (await connectAs(t, a, 'bob')).code === 0);
});

t.test('a client without a name gets the client id of another one without a name', async (t) => {
  const { nodes } = await start(t);
  const former = await letIn(t, nodes[0], 'unnamed');
  await letIn(t, nodes[1], 'unnamed');
  t.equal(await closing(former), '1008 taken-over');
});

t.test('it is free again once its node is killed, and where its node has it no longer', async (t) => {
  const { redis, nodes } = await start(t);
  const [a, b] = nodes;
  await letIn(t, a, 'alice', kept);
  await letIn(t, a, 'alice', { ...kept, clientId: 'y' });
  const admin = redis.client();
  // As where a node could not say that a client has gone.
  await admin.hset('encke:c', 'stale', (await admin.hget('encke:c', 'x'))!);
  await refused(t, b, 'bob', { clientId: 'stale' });
  await until('its node has seen to it', async () => (await admin.hexists('encke:c', 'stale')) === 0);
  await letIn(t, b, 'bob', { clientId: 'stale' });
  await refused(t, b, 'bob');
  await a.kill('SIGKILL');
  await letIn(t, b, 'alice', { clientId: 'y' });
  await until('the other node is gone', async () => (await connectAs(t, b, 'bob')).code === 0);
});

t.test('the server has lost its data: its user keeps it', async (t) => {
  const { redis, nodes } = await start(t);
  const [a, b] = nodes;
  const alice = await letIn(t, a, 'alice', kept);
  const before = await Promise.all(nodes.map(reconnects));
  await redis.restartEmpty();
  const admin = redis.client();
  await until('both nodes are back', async () => {
    const now = await Promise.all(nodes.map(async (node) => (await statsOf(node)).engine.connected));
    const counts = await Promise.all(nodes.map(reconnects));
    return now.every(Boolean) && counts.every((count, n) => count > before[n]);
  });
  await until('it is claimed again', async () => (await admin.hexists('encke:c', 'x')) === 1);
  await refused(t, b, 'bob');
  t.same(await alice.untilPong(), []);
});

for (const clean of [true, false])
  t.test(`a node that cannot ask lets another user in: it ends once it can (clean ${clean})`, async (t) => {
    const redis = await redisServer(t);
    const proxy = await StallingProxy.start(redis.port);
    t.teardown(() => proxy.stop());
    const [a] = (await startRedisNodes(t, [redis.url], ['a'], flags)) as [GatewayProcess];
    const url = `redis://127.0.0.1:${proxy.port}`;
    const [b] = (await startRedisNodes(t, [url], ['b'], flags)) as [GatewayProcess];
    const alice = await letIn(t, a, 'alice', kept);
    await alice.subscribe('q', 1);
    proxy.stall();
    const bob = await letIn(t, b, 'bob', { clean });
    proxy.heal();
    t.equal(await closing(bob), '1008 taken-over');
    await until('nothing is left of it', async () => (await statsOf(b)).mqtt.sessions.sessions === 0);
    t.same(await alice.untilPong(), []);
    await refused(t, b, 'bob');
    alice.send(publish('q', 'x'));
    t.equal((await alice.nextPublish()).payload, 'x');
  });
