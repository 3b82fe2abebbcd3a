import t from 'tap';
import { connect } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { CuttableWay } from '../../cuttable-way.js';
import type { GatewayProcess } from '../../gateway-process.js';
import type { RedisServer } from '../../redis-server.js';
import { until } from '../../until.js';
import { closing, connectRaw, openRaw, tryRaw } from '../mqtt/raw-client.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/** Many clients that change their node at once, two that fight over a client id, and nodes that lose Redis together. */

const limits = [
  '--connections-per-address-max',
  '0',
  '--mqtt-max-pending-connects',
  '20000',
  '--mqtt-max-pending-connects-per-address',
  '20000',
];
const quiet = ['--mqtt-presence', 'false', '--mqtt-sys-interval', '0', ...limits];
const mqttOf = async (node: GatewayProcess) => (await node.stats()).mqtt;

/** Calls of functions of the nodes since the start, and microseconds that they took. */
async function functionCalls(redis: RedisServer): Promise<{ calls: number; us: number }> {
  const client = redis.client();
  const text = await client.info('commandstats');
  client.disconnect();
  const [, calls, us] = /^cmdstat_fcall:calls=(\d+),usec=(\d+)/m.exec(text)!;
  return { calls: Number(calls), us: Number(us) };
}

/** Default: as many as a test may take. */
const crowd = Number(process.env.ENCKE_TEST_CROWD ?? 300);

t.test(`${crowd} clients that connect to the other node at once`, { timeout: 120_000 }, async (t) => {
  const redis = await redisServer(t);
  const [a, b] = (await startRedisNodes(t, [redis.url], ['a', 'b'], quiet)) as [
    GatewayProcess,
    GatewayProcess,
  ];
  const options = (n: number) => ({ clientId: `c${n}`, clean: n % 2 === 0 });
  const numbers = Array.from({ length: crowd }, (_, n) => n);
  const begin = async (n: number) => {
    const client = await connectRaw(t, a, options(n));
    if (n % 2 === 1) await client.subscribe(`to/${n}`, 1);
    if (n % 4 === 3) await client.drop();
  };
  for (let n = 0; n < crowd; n += 100) await Promise.all(numbers.slice(n, n + 100).map(begin));
  const waiting = numbers.filter((n) => n % 4 === 3);
  for (const n of waiting) await b.send(`to/${n}?qos=1`, `${n}`);
  const clients = await Promise.all(numbers.map(() => openRaw(t, b)));
  const before = await functionCalls(redis);
  const startedMs = performance.now();
  for (const n of numbers) clients[n]!.send(connect(options(n)));
  for (const n of numbers)
    t.match(await clients[n]!.next(), { type: 'CONNACK', sessionPresent: n % 2 === 1 }, `c${n}`);
  const ms = performance.now() - startedMs;
  const after = await functionCalls(redis);
  for (const n of waiting) t.match(await clients[n]!.nextPublish(), { payload: `${n}` });
  const calls = after.calls - before.calls;
  t.comment(
    `${crowd} CONNACKs after ${Math.round(ms)} ms, ${calls} calls, ${after.us - before.us} us of Redis`,
  );
  t.ok(calls < crowd, `${calls} calls: claims and sessions go together`);
  t.match((await mqttOf(a)).sessions, { sessions: 0 });
  t.match((await mqttOf(b)).clients, { unanswered: 0, waiting: 0, arriving: 0 });
});

t.test(
  'two clients on two nodes that fight over a client id are named once on each, and cost little',
  async (t) => {
    const redis = await redisServer(t);
    const nodes = await startRedisNodes(t, [redis.url], ['a', 'b'], quiet);
    const before = await functionCalls(redis);
    for (const clean of [true, false])
      for (let n = 0; n < 12; n++) await connectRaw(t, nodes[n % 2]!, { clientId: `twin-${clean}`, clean });
    const { calls } = await functionCalls(redis);
    // A claim and its answer; with a session an offer, a mark, its content and the end. And a place a second of each node.
    t.ok(calls - before.calls < 24 * 6 + 40, `${calls - before.calls} calls for 24 takeovers`);
    for (const node of nodes) {
      const lines = (reason: string) =>
        node.log.split('\n').filter((line) => line.includes(`"reason":"${reason}"`));
      await until('both are named', () => lines('takeover-loop').length === 2);
      t.equal((await mqttOf(node)).takeoverLoops, 2);
      t.ok(lines('taken-over').length <= 8, 'at most four of each before it was named');
    }
  },
);

t.test('two nodes that lose Redis at once, and have a client id each: one of both stays', async (t) => {
  const redis = await redisServer(t);
  const ways = [await CuttableWay.start(redis.port), await CuttableWay.start(redis.port)];
  t.teardown(() => ways.map((way) => way.stop()));
  const flags = ['--name', 'both', ...quiet];
  const nodes = await Promise.all(
    ways.map(async (way, n) => (await startRedisNodes(t, [way.redisUrl], [`n${n}`], flags))[0]!),
  );
  const first = await connectRaw(t, nodes[0]!, { clientId: 'x', clean: false });
  await first.subscribe('to/x', 1);
  for (const way of ways) way.cut();
  const isReady = async (node: GatewayProcess) => (await fetch(`${node.apiUrl}/ready`)).status === 200;
  await until('both know', async () => !(await isReady(nodes[0]!)) && !(await isReady(nodes[1]!)));
  const { client: here } = await tryRaw(t, nodes[0]!, { clientId: 'x', clean: false });
  t.equal(await closing(first), '1008 taken-over');
  const { client: there } = await tryRaw(t, nodes[1]!, { clientId: 'x', clean: false });
  t.same([await here.untilPong(), await there.untilPong()], [[], []], 'nobody can tell');
  for (const way of ways) way.giveBack();
  await until('one is closed', () => here.closed || there.closed, 15_000);
  await until('both are back', async () => (await isReady(nodes[0]!)) && (await isReady(nodes[1]!)));
  const [stays, goes] = here.closed ? [there, here] : [here, there];
  t.equal(await closing(goes), '1008 taken-over');
  t.same(await stays.untilPong(), [], 'the other one stays');
  // The other one's session comes to it, and is on its way for a moment.
  await until('one session', async () => {
    const sessions = await Promise.all(nodes.map(async (node) => (await mqttOf(node)).sessions.sessions));
    return sessions[0]! + sessions[1]! === 1;
  });
});
