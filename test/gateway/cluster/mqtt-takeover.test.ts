import t from 'tap';
import { connect, pingreq, publish, subscribe } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { GatewayProcess } from '../../gateway-process.js';
import { until } from '../../until.js';
import { closing, connectRaw, openRaw, tryRaw } from '../mqtt/raw-client.js';
import { allAnswer } from './nodes.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/** One client id, one connection, over all nodes. */

const redis = await redisServer(t);
const nodes = await startRedisNodes(t, [redis.url], ['a', 'b', 'c']);
const [a, b, c] = nodes as [GatewayProcess, GatewayProcess, GatewayProcess];

/** Connections that another one of the same client id has ended, over all nodes. */
const takenOver = async () => {
  const closed = await Promise.all(nodes.map(async (node) => (await node.stats()).connections.closed));
  return closed.reduce((sum, reasons) => sum + (reasons['taken-over'] ?? 0), 0);
};
const mqttOf = async (node: GatewayProcess) => (await node.stats()).mqtt;
const calls = async (name: string) => {
  const client = redis.client();
  const text = await client.info('commandstats');
  client.disconnect();
  return Number(new RegExp(`^cmdstat_${name}:calls=(\\d+)`, 'm').exec(text)?.[1] ?? 0);
};

t.test('a client id that connects to another node is closed on the first within a second', async (t) => {
  const bystander = await connectRaw(t, a, { clientId: 'bystander' });
  let last = await connectRaw(t, a, { clientId: 'walker' });
  const before = await takenOver();
  for (const node of [b, c, a, c, b]) {
    const startedMs = performance.now();
    const next = await connectRaw(t, node, { clientId: 'walker' });
    t.equal(await closing(last), '1008 taken-over');
    t.ok(performance.now() - startedMs < 1000, 'within a second');
    last = next;
  }
  t.same(await last.untilPong(), [], 'the newest stays');
  t.same(await bystander.untilPong(), []);
  t.equal((await takenOver()) - before, 5, 'each is counted');
  await last.disconnect();
  await bystander.disconnect();
});

t.test('two nodes that are asked for one client id at the same time end with one connection', async (t) => {
  for (const clean of [true, false]) {
    const races = await Promise.all(
      Array.from({ length: 50 }, async (_, n) => {
        const clients = await Promise.all([openRaw(t, a), openRaw(t, b)]);
        for (const client of clients) client.send(connect({ clientId: `racer-${clean}-${n}`, clean }));
        return clients;
      }),
    );
    await until('each race has one loser', () =>
      races.every((clients) => clients.filter(({ closed }) => closed).length === 1),
    );
    for (const clients of races) {
      for (const client of clients.filter(({ closed }) => !closed)) {
        t.match(await client.next(), { type: 'CONNACK', returnCode: 0 });
        t.same(await client.untilPong(), []);
        await client.drop();
      }
    }
    await until('sessions are on one node', async () => {
      const counts = await Promise.all([a, b].map(async (node) => (await mqttOf(node)).sessions.persistent));
      return counts[0]! + counts[1]! === (clean ? 0 : 50);
    });
  }
});

t.test('the will of who is taken over goes out, and both nodes tell of it', async (t) => {
  const watcher = await connectRaw(t, b, { clientId: 'watcher' });
  await watcher.subscribe('wills');
  await watcher.subscribe('$SYS/brokers/+/clients/x/+');
  const first = await connectRaw(t, a, { clientId: 'x', will: { topic: 'wills', payload: 'gone' } });
  await connectRaw(t, b, { clientId: 'x' });
  t.equal(await closing(first), '1008 taken-over');
  const said = (await watcher.nextPublishes(4)).map(({ topic, payload }) => `${topic} ${payload}`).sort();
  t.match(said[0], /^\$SYS\/brokers\/a\/clients\/x\/connected/);
  t.match(said[1], /^\$SYS\/brokers\/a\/clients\/x\/disconnected .*"taken-over"/);
  t.match(said[2], /^\$SYS\/brokers\/b\/clients\/x\/connected/);
  t.equal(said[3], 'wills gone');
});

t.test('a client id that the server made is claimed by nobody', async (t) => {
  const before = (await mqttOf(a)).clients.claimed;
  const client = await connectRaw(t, a, { clientId: '' });
  await client.disconnect();
  t.equal((await mqttOf(a)).clients.claimed, before);
});

t.test('packets right behind CONNECT wait, and are handled in order', async (t) => {
  for (let n = 0; n < 20; n++) {
    const client = await openRaw(t, n % 2 === 0 ? a : b);
    const behind = [subscribe(1, ['eager', 1]), publish('elsewhere', 'x', { qos: 1, id: 2 }), pingreq()];
    const bytes = Buffer.concat([connect({ clientId: 'eager', clean: false }), ...behind]);
    // The CONNECT alone, with more behind it, or in two pieces.
    const cut = [bytes.length, bytes.length - 4, 9][n % 3]!;
    client.send(bytes.subarray(0, cut));
    if (cut < bytes.length) client.send(bytes.subarray(cut));
    t.match(await client.next(), { type: 'CONNACK', returnCode: 0, sessionPresent: n > 0 });
    const answers = [await client.next(), await client.next(), await client.next()];
    t.same(answers.map(({ type }) => type).sort(), ['PINGRESP', 'PUBACK', 'SUBACK']);
  }
});

t.test('the old node is asked by name: a CONNECT costs the other nodes nothing', async (t) => {
  const before = await calls('publish');
  const quiet = (await mqttOf(c)).sessions;
  for (let n = 0; n < 20; n++) {
    const client = await connectRaw(t, n % 2 === 0 ? a : b, { clientId: 'commuter' });
    if (n === 19) await client.disconnect();
  }
  const published = (await calls('publish')) - before;
  // Of each: the question, its answer, presence (connected, disconnected) without a subscriber, pulses of $SYS.
  t.ok(published < 20 * 6, `${published} PUBLISHes for 20 takeovers`);
  t.same((await mqttOf(c)).sessions, quiet);
});

t.test('where the old node was killed, nobody is waited for', async (t) => {
  const [doomed] = await startRedisNodes(t, [redis.url], ['doomed']);
  await connectRaw(t, doomed!, { clientId: 'orphan', clean: false });
  await doomed!.kill('SIGKILL');
  const startedMs = performance.now();
  const { code, sessionPresent } = await tryRaw(t, a, { clientId: 'orphan', clean: false });
  const ms = performance.now() - startedMs;
  t.same({ code, sessionPresent }, { code: 0, sessionPresent: false });
  t.ok(ms < 1_000, `CONNACK after ${Math.round(ms)} ms: Redis knows that its connection is gone`);
});

t.test('where the old node stands still, CONNECT waits 2 s; it closes its own when it goes on', async (t) => {
  const [stuck] = await startRedisNodes(t, [redis.url], ['stuck']);
  const first = await connectRaw(t, stuck!, { clientId: 'patient', clean: false });
  await first.subscribe('patient', 1);
  stuck!.child.kill('SIGSTOP');
  const startedMs = performance.now();
  const second = await openRaw(t, a);
  second.send(connect({ clientId: 'patient', clean: false }), subscribe(1, ['patient/new', 1]));
  t.match(await second.next(), { type: 'CONNACK', returnCode: 0, sessionPresent: false });
  const ms = performance.now() - startedMs;
  t.ok(ms > 1_500 && ms < 3_500, `CONNACK after ${Math.round(ms)} ms`);
  t.match(await second.next(), { type: 'SUBACK' });
  stuck!.child.kill('SIGCONT');
  t.equal(await closing(first), '1008 taken-over');
  await until('its session is over', async () => (await mqttOf(stuck!)).sessions.sessions === 0, 15_000);
  t.same(await second.untilPong(), [], 'the new one stays');
  t.equal(await a.send('patient', 'x'), 0);
});

t.test('a client that connects while Redis is away takes over when it is back', async (t) => {
  const own = await redisServer(t);
  const [d, e] = (await startRedisNodes(t, [own.url], ['d', 'e'])) as [GatewayProcess, GatewayProcess];
  const kept = await connectRaw(t, d, { clientId: 'kept' });
  const first = await connectRaw(t, d, { clientId: 'x' });
  await own.kill();
  await until('both know', () => allAnswer([d, e], 503));
  const second = await connectRaw(t, e, { clientId: 'x' });
  t.same(await first.untilPong(), [], 'nobody could tell');
  await own.restartEmpty();
  await until('the first is closed', () => first.closed, 15_000);
  t.equal(await closing(first), '1008 taken-over');
  t.same(await second.untilPong(), []);
  t.same(await kept.untilPong(), []);
  await connectRaw(t, e, { clientId: 'kept' });
  t.equal(await closing(kept), '1008 taken-over', 'what was claimed before is claimed again');
});
