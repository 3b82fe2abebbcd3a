import t from 'tap';
import { puback, pubcomp, publish, pubrec, pubrel } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { GatewayProcess } from '../../gateway-process.js';
import { until } from '../../until.js';
import { connectRaw, tryRaw } from '../mqtt/raw-client.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/** A session with clean session 0 follows its client from node to node, on Redis. */

const redis = await redisServer(t);
const other = await redisServer(t);
const mqttOf = async (node: GatewayProcess) => (await node.stats()).mqtt;

for (const urls of [[redis.url], [redis.url, other.url]]) {
  const name = urls.length === 1 ? 'one server' : 'two servers';
  const [a, b] = (await startRedisNodes(t, urls, ['a', 'b'], ['--name', `cluster_${urls.length}`])) as [
    GatewayProcess,
    GatewayProcess,
  ];

  t.test(`${name}: its filters, its queue and what is in flight are there, in order`, async (t) => {
    const options = { clientId: 'mover', clean: false };
    const first = await connectRaw(t, a, options);
    for (const filter of ['one', 'two', 'many/+', '#/'])
      if (filter !== '#/') await first.subscribe(filter, 2);
    await b.send('one?qos=2', 'in flight at 1');
    await a.send('two?qos=2', 'in flight at 2');
    await b.send('many/3?qos=2', 'released');
    const sent = await first.nextPublishes(3);
    first.send(pubrec(sent[2]!.id!));
    t.match(await first.next(), { type: 'PUBREL', id: sent[2]!.id });
    first.send(publish('elsewhere', 'of QoS 2', { qos: 2, id: 77 }));
    t.match(await first.next(), { type: 'PUBREC', id: 77 });
    await first.drop();
    for (let n = 0; n < 10; n++)
      await (n % 2 ? a : b).send(`${n % 3 ? 'one' : `many/${n}`}?qos=1`, `queued ${n}`);
    await until('they wait', async () => (await mqttOf(a)).sessions.bytes > 0);
    const there = await tryRaw(t, b, options);
    t.same([there.code, there.sessionPresent], [0, true]);
    // Answers are written at once, and messages at the end of the turn.
    t.match(await there.client.next(), { type: 'PUBREL', id: sent[2]!.id });
    const again = await there.client.nextPublishes(2);
    t.match(again, [
      { payload: 'in flight at 1', dup: true, id: sent[0]!.id },
      { payload: 'in flight at 2', dup: true, id: sent[1]!.id },
    ]);
    there.client.send(pubcomp(sent[2]!.id!));
    const queued = await there.client.nextPublishes(10);
    t.same(
      queued.map(({ payload }) => payload),
      Array.from({ length: 10 }, (_, n) => `queued ${n}`),
    );
    for (const { id } of again) there.client.send(pubrec(id!));
    for (const { id } of queued) there.client.send(puback(id!));
    for (const _ of again) there.client.send(pubcomp(((await there.client.next()) as { id: number }).id));
    there.client.send(publish('elsewhere', 'of QoS 2', { qos: 2, id: 77, dup: true }));
    t.match(await there.client.next(), { type: 'PUBREC', id: 77 });
    there.client.send(pubrel(77));
    t.match(await there.client.next(), { type: 'PUBCOMP', id: 77 });
    for (const node of [a, b]) await node.send('many/9?qos=1', 'live');
    for (const { id, payload } of await there.client.nextPublishes(2)) {
      t.equal(payload, 'live');
      there.client.send(puback(id!));
    }
    t.same(await there.client.untilPong(), []);
    t.match((await mqttOf(a)).sessions, { sessions: 0, departed: 1, moved: 0, bytes: 0 });
    t.match((await mqttOf(b)).sessions, { sessions: 1, adopted: 1, bytes: 0 });
    t.equal((await a.stats()).router.logins, 0, 'nobody is logged in for it on the old node');
    await there.client.disconnect();
  });

  t.test(`${name}: a clean session elsewhere ends it`, async (t) => {
    const options = { clientId: 'fresh', clean: false };
    const first = await connectRaw(t, a, options);
    await first.subscribe('fresh', 1);
    await first.drop();
    await a.send('fresh?qos=1', 'lost');
    await (await connectRaw(t, b, { clientId: 'fresh' })).disconnect();
    const back = await tryRaw(t, a, options);
    t.equal(back.sessionPresent, false);
    t.same(await back.client.untilPong(), []);
    await (await connectRaw(t, b, { clientId: 'fresh' })).disconnect();
  });

  t.test(`${name}: 1,000 messages of 10 KB go over, in order`, async (t) => {
    const options = { clientId: 'heavy', clean: false };
    const first = await connectRaw(t, a, options);
    await first.subscribe('heavy', 1);
    await first.drop();
    const text = 'x'.repeat(10_000);
    for (let n = 0; n < 1_000; n++) await b.send('heavy?qos=1', `${n} ${text}`);
    const startedMs = performance.now();
    const { client, sessionPresent } = await tryRaw(t, b, options);
    t.comment(`CONNACK after ${Math.round(performance.now() - startedMs)} ms`);
    t.equal(sessionPresent, true);
    const numbers: number[] = [];
    for (let n = 0; n < 1_000; n++) {
      const { payload, id } = await client.nextPublish();
      numbers.push(Number.parseInt(payload, 10));
      client.send(puback(id!));
    }
    t.same(
      numbers,
      numbers.map((_, n) => n),
    );
    await client.disconnect();
    for (const url of urls) t.equal(await listsIn(url), 0, 'nothing is left in Redis');
  });
}

async function listsIn(url: string): Promise<number> {
  const client = (url === redis.url ? redis : other).client();
  const keys = await client.keys('*:o:*');
  client.disconnect();
  return keys.length;
}
