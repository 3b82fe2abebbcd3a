import t, { type Test } from 'tap';
import { connect, puback, subscribe } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { RawMqtt } from '../../conformance/mqtt-3.1.1/raw-mqtt.js';
import type { GatewayProcess } from '../../gateway-process.js';
import type { RedisServer } from '../../redis-server.js';
import { until } from '../../until.js';
import { closing, connectRaw, openRaw, tryRaw } from '../mqtt/raw-client.js';
import { allAnswer, idOnShard } from './nodes.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/** A session with clean session 0 follows its client, or stays where it is, while Redis or a node fails in between. */

const mqttOf = async (node: GatewayProcess) => (await node.stats()).mqtt;
const persistent = { clean: false } as const;

async function twoNodes(
  t: Test,
  urls: readonly string[],
  flags: string[] = [],
): Promise<[GatewayProcess, GatewayProcess]> {
  const quiet = ['--mqtt-sys-interval', '0', '--mqtt-presence', 'false', ...flags];
  return (await startRedisNodes(t, urls, ['a', 'b'], quiet)) as [GatewayProcess, GatewayProcess];
}

const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, n) => `${from + n}`);

async function sendAll(node: GatewayProcess, id: string, texts: readonly string[]): Promise<void> {
  for (const text of texts) {
    const delivered = await node.send(`${id}?qos=1`, text);
    if (delivered !== 1) throw new Error(`${id}: delivered to ${delivered}`);
  }
}

/** A session on `node` whose client is away, and for which these wait. */
async function leave(t: Test, node: GatewayProcess, clientId: string, filter: string): Promise<void> {
  const client = await connectRaw(t, node, { clientId, ...persistent });
  await client.subscribe(filter, 1);
  await client.drop();
}

/** Takes and acknowledges. */
async function take(client: RawMqtt, count: number): Promise<string[]> {
  const texts: string[] = [];
  for (let n = 0; n < count; n++) {
    const { payload, id } = await client.nextPublish();
    texts.push(payload);
    client.send(puback(id!));
  }
  return texts;
}

async function killConnections(redis: RedisServer, types: readonly string[]): Promise<void> {
  const client = redis.client();
  await client.ping();
  for (const type of types) await client.call('CLIENT', 'KILL', 'TYPE', type);
  client.disconnect();
}

for (const types of [['normal'], ['pubsub'], ['normal', 'pubsub']]) {
  t.test(`connections to Redis are cut (${types.join(' and ')}) as a client changes its node`, async (t) => {
    const redis = await redisServer(t);
    const nodes = await twoNodes(t, [redis.url]);
    await leave(t, nodes[0], 'x', 'q');
    for (let round = 0; round < 6; round++) {
      await sendAll(nodes[1], 'q', numbers(10));
      await killConnections(redis, types);
      const { client, code, sessionPresent } = await tryRaw(t, nodes[(round + 1) % 2]!, {
        clientId: 'x',
        ...persistent,
      });
      t.same({ code, sessionPresent }, { code: 0, sessionPresent: true }, `round ${round}`);
      t.same(await take(client, 10), numbers(10), 'all of it, in order');
      await until('each node has its connections back', async () => {
        const engines = await Promise.all(nodes.map(async (node) => (await node.stats()).engine.connected));
        return (await allAnswer(nodes, 200)) && engines.every(Boolean);
      });
      t.same(await client.untilPong(), []);
      await client.drop();
      await until('one session', async () => {
        const held = await Promise.all(nodes.map(async (node) => (await mqttOf(node)).sessions));
        return held[0].sessions + held[1].sessions === 1 && held[0].connected + held[1].connected === 0;
      });
    }
  });
}

t.test(
  'connections to Redis are cut again and again while a client changes its node: one connection stays',
  async (t) => {
    const redis = await redisServer(t);
    const nodes = await twoNodes(t, [redis.url]);
    let last = await connectRaw(t, nodes[0], { clientId: 'x', ...persistent });
    await last.subscribe('q', 1);
    let isOver = false;
    const cutting = (async () => {
      for (let n = 0; !isOver; n++) {
        await killConnections(redis, [n % 2 === 0 ? 'normal' : 'pubsub']);
        await new Promise((resolve) => setTimeout(resolve, 230));
      }
    })();
    for (let n = 1; n <= 12; n++) {
      const { client, code, sessionPresent } = await tryRaw(t, nodes[n % 2]!, {
        clientId: 'x',
        ...persistent,
      });
      t.same({ code, sessionPresent }, { code: 0, sessionPresent: true }, `move ${n}`);
      t.equal(await closing(last), '1008 taken-over');
      last = client;
    }
    isOver = true;
    await cutting;
    t.equal(await nodes[1].send('q?qos=1', 'end'), 1);
    t.same(await take(last, 1), ['end']);
  },
);

t.test(
  'Redis refuses to write: CONNECT waits 2 s at most, and what waited elsewhere comes once it writes',
  async (t) => {
    const redis = await redisServer(t);
    const [a, b] = await twoNodes(t, [redis.url]);
    const operator = redis.client();
    const refuse = (on: boolean) => operator.config('SET', 'min-replicas-to-write', on ? '1' : '0');
    await leave(t, a, 'short', 'short/q');
    await leave(t, a, 'long', 'long/q');
    const held = await connectRaw(t, a, { clientId: 'held', ...persistent });
    await sendAll(b, 'short/q', numbers(5));
    await sendAll(b, 'long/q', numbers(5));
    await refuse(true);
    const short = tryRaw(t, b, { clientId: 'short', ...persistent });
    await new Promise((resolve) => setTimeout(resolve, 500));
    await refuse(false);
    const { client, sessionPresent } = await short;
    t.equal(sessionPresent, true, 'for a moment: its session has come');
    t.same(await take(client, 5), numbers(5));

    await refuse(true);
    const startedMs = performance.now();
    const long = tryRaw(t, b, { clientId: 'long', ...persistent });
    const next = tryRaw(t, b, { clientId: 'held', ...persistent });
    const there = await long;
    const ms = performance.now() - startedMs;
    t.ok(ms > 1_500 && ms < 4_000, `CONNACK after ${Math.round(ms)} ms`);
    t.equal(there.sessionPresent, false, 'nobody could be asked');
    const { client: second } = await next;
    t.same(await held.untilPong(), [], 'nobody could tell');
    await refuse(false);
    t.same(await take(there.client, 5), numbers(5), 'what waited comes');
    t.same(await there.client.untilPong(), []);
    t.equal(await closing(held), '1008 taken-over');
    t.same(await second.untilPong(), [], 'the newer one stays');
    await until('no session is left', async () => (await mqttOf(a)).sessions.sessions === 0);
    t.match((await mqttOf(a)).sessions.dropped, { 'session-moved': 0 });
  },
);

t.test('Redis is restarted as a client changes its node: its session comes', async (t) => {
  const redis = await redisServer(t, { appendonly: true });
  const [a, b] = await twoNodes(t, [redis.url]);
  await leave(t, a, 'x', 'q');
  await sendAll(b, 'q', numbers(10));
  await redis.kill();
  const connecting = tryRaw(t, b, { clientId: 'x', ...persistent });
  await redis.restart();
  const { client } = await connecting;
  // With its session, or, where the machine was slow, behind it.
  t.same(await take(client, 10), numbers(10));
  t.same(await client.untilPong(), []);
});

t.test('one of two servers is away: sessions move, and lose nothing that is on the other', async (t) => {
  const servers = await Promise.all([redisServer(t), redisServer(t)]);
  const [a, b] = await twoNodes(
    t,
    servers.map(({ url }) => url),
  );
  const [id, clientId, wild] = [idOnShard(0, 'q'), idOnShard(0, 'x'), idOnShard(0, 'y')];
  await leave(t, a, clientId, id);
  await leave(t, a, wild, '+');
  t.equal(await b.send(`${id}?qos=1`, 'before'), 2);
  await servers[1]!.kill();
  await until('both know', () => allAnswer([a, b], 503));
  t.equal(await b.send(`${id}?qos=1`, 'while it is away'), 2);
  const clients: RawMqtt[] = [];
  for (const each of [clientId, wild]) {
    const { client, sessionPresent } = await tryRaw(t, b, { clientId: each, ...persistent });
    t.equal(sessionPresent, true, each);
    t.same(await take(client, 2), ['before', 'while it is away'], each);
    clients.push(client);
  }
  t.equal(await a.send(`${id}?qos=1`, 'behind'), 2);
  for (const client of clients) t.same(await take(client, 1), ['behind']);
  await servers[1]!.restart();
  await until('it is back', () => allAnswer([a, b], 200));
  const other = idOnShard(1, 'other');
  t.equal(await a.send(`${other}?qos=1`, 'at last'), 1);
  t.same(await take(clients[1]!, 1), ['at last'], 'filters of all servers are there');
});

t.test('messages of a session cannot be sent: they stay, and come when they can', async (t) => {
  const redis = await redisServer(t, { acl: ['node on >secret ~* &* +@all'] });
  const [a, b] = await twoNodes(t, [redis.url.replace('//', '//node:secret@')]);
  const operator = redis.client();
  await leave(t, a, 'x', 'q');
  const texts = numbers(20).map((n) => n.padEnd(10_000));
  await sendAll(b, 'q', texts);
  // By which chunks are put into Redis.
  await operator.call('ACL', 'SETUSER', 'node', '-set');
  const startedMs = performance.now();
  const { client, code, sessionPresent } = await tryRaw(t, b, { clientId: 'x', ...persistent });
  const ms = performance.now() - startedMs;
  t.same({ code, sessionPresent }, { code: 0, sessionPresent: false });
  t.ok(ms < 4_500, `CONNACK after ${Math.round(ms)} ms`);
  client.send(subscribe(1, ['other', 1]));
  t.match(await client.next(), { type: 'SUBACK' });
  await operator.call('ACL', 'SETUSER', 'node', '+set');
  t.same(await take(client, 20), texts, 'nothing is lost');
  t.same(await client.untilPong(), [], 'nothing comes twice');
  await until('the old node has it no longer', async () => (await mqttOf(a)).sessions.sessions === 0);
  t.match((await mqttOf(a)).sessions, { dropped: { 'session-moved': 0 } });
});

t.test(
  'messages of a session come too late, when another user has connected: none of them is for that one',
  async (t) => {
    const redis = await redisServer(t, { acl: ['node on >secret ~* &* +@all'] });
    const [a, b] = await twoNodes(t, [redis.url.replace('//', '//node:secret@')]);
    const operator = redis.client();
    const alice = await connectRaw(t, a, { clientId: 'x', userName: 'alice', ...persistent });
    await alice.subscribe('q', 1);
    await alice.drop();
    await sendAll(
      b,
      'q',
      numbers(20).map((n) => n.padEnd(10_000)),
    );
    await operator.call('ACL', 'SETUSER', 'node', '-set');
    const { client, code, sessionPresent } = await tryRaw(t, b, {
      clientId: 'x',
      userName: 'bob',
      ...persistent,
    });
    t.same({ code, sessionPresent }, { code: 0, sessionPresent: false });
    await client.subscribe('other', 1);
    await operator.call('ACL', 'SETUSER', 'node', '+set');
    await until('the old node has it no longer', async () => (await mqttOf(a)).sessions.sessions === 0);
    t.same(await client.untilPong(), []);
    const { sessions } = await mqttOf(a);
    t.equal(sessions.dropped['session-moved'], 20, 'they are counted');
    t.equal(await a.send('other?qos=1', 'y'), 1);
    t.same(await take(client, 1), ['y'], 'its own session goes on');
  },
);

for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
  t.test(`the old node gets ${signal} in the middle of a move: CONNECT waits 2 s at most`, async (t) => {
    const redis = await redisServer(t);
    const [a, b] = await twoNodes(t, [redis.url]);
    await leave(t, a, 'x', 'q');
    await sendAll(
      b,
      'q',
      numbers(20).map((n) => n.padEnd(10_000)),
    );
    let stoppedMs = 0;
    const listener = redis.client();
    listener.on('messageBuffer', (_channel: Buffer, word: Buffer) => {
      if (word[0] !== 'O'.charCodeAt(0) || stoppedMs !== 0) return;
      stoppedMs = performance.now();
      a.child.kill(signal);
    });
    const nodes = await redis.client().hkeys('encke:nodes:m');
    await listener.subscribe(...nodes.map((run) => `encke:n:${run}`));
    const { client, code, sessionPresent } = await tryRaw(t, b, { clientId: 'x', ...persistent });
    const ms = performance.now() - stoppedMs;
    t.not(stoppedMs, 0, 'it was on its way');
    t.equal(code, 0);
    // Where the machine was slow to stop it, it came in time.
    t.comment(`CONNACK after ${Math.round(ms)} ms, session present: ${sessionPresent}`);
    t.ok(ms < 3_500, `CONNACK ${Math.round(ms)} ms after it stopped`);
    if (signal === 'SIGKILL') return;
    a.child.kill('SIGCONT');
    t.same(
      (await take(client, 20)).map((text) => text.trim()),
      numbers(20),
      'what is in it comes when it goes on',
    );
    t.same(await client.untilPong(), []);
    await until('the old node has none left', async () => (await mqttOf(a)).sessions.sessions === 0);
  });
}

t.test(
  'two nodes that are asked at once for a client id that one of them has: one connection stays',
  async (t) => {
    const redis = await redisServer(t);
    const nodes = await twoNodes(t, [redis.url]);
    for (let round = 0; round < 10; round++) {
      const clientId = `x${round}`;
      await leave(t, nodes[0], clientId, 'q');
      const both = await Promise.all(nodes.map((node) => openRaw(t, node)));
      for (const client of both) client.send(connect({ clientId, ...persistent }));
      await until('one is closed', () => both.some((client) => client.closed));
      const stays = both.filter((client) => !client.closed);
      t.equal(stays.length, 1, clientId);
      for (const client of stays) {
        t.match(await client.next(), { type: 'CONNACK', sessionPresent: true });
        t.same(await client.untilPong(), []);
      }
    }
  },
);
