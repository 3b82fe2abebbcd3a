import type { Redis } from 'ioredis';
import t, { type Test } from 'tap';
import type { Outcome } from '../../../../router/engine/engine.js';
import type { RedisEngine } from '../../../../router/engine/redis/engine.js';
import { HistoryRules } from '../../../../router/history/history-rules.js';
import { Message } from '../../../../router/index.js';
import { RedisServer } from '../../../redis-server.js';
import { SeededRandom } from '../../../seeded-random.js';
import { until } from '../../../until.js';
import { redisEngineAt } from './engine-parts.js';

/** Anybody who may PUBLISH on the channels of nodes: what is not a copy, or has a place that no server has given, hurts nobody. */

interface Node {
  engine: RedisEngine;
  run: string;
  got: string[];
  send(text: string): Promise<Outcome>;
}

async function nodeOf(t: Test, url: string, countWaitMs = 5_000): Promise<Node> {
  const rules = new HistoryRules([{ filter: '#', messages: 1_000, ageSec: 60 }]);
  const engine = redisEngineAt([url], { rules, countWaitMs });
  t.teardown(() => engine.stop());
  const got: string[] = [];
  await engine.open();
  await engine.start(({ id, payload }) => {
    if (id === 'a') got.push(Buffer.from(payload).toString());
    return 1;
  });
  for (const filter of ['a', 'b/#', '#']) engine.addInterest(filter);
  await new Promise<void>((resolve) => engine.whenInterested(resolve));
  const send = (text: string) =>
    new Promise<Outcome>((resolve) => {
      engine.publish(new Message('a', Buffer.from(text), 0), { onOutcome: resolve, count: true });
    });
  return { engine, run: engine.cluster.run, got, send };
}

async function setUp(t: Test, countWaitMs?: number): Promise<{ url: string; admin: Redis; node: Node }> {
  const redis = await RedisServer.start();
  t.teardown(() => redis.stop());
  return { url: redis.url, admin: redis.client(), node: await nodeOf(t, redis.url, countWaitMs) };
}

function copyAt(place: number, text: string): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(place));
  return Buffer.concat([bytes, Buffer.from(`\0\0${text}`)]);
}

t.test('random bytes as a copy and as a word of a node, on every channel', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed}`);
  const { url, admin, node } = await setUp(t);
  const other = (await nodeOf(t, url)).run;
  const channels = ['test:i:a', 'test:f', 'test:f:', 'test:f:b/', 'test:r', 'test:n', `test:n:${node.run}`];
  const bytes = (count: number) => Buffer.from(Array.from({ length: count }, () => random.below(256)));
  const word = (run: string) =>
    Buffer.concat([Buffer.from(random.pick([...'CJQRWNOMSDXZ']) + run), bytes(random.below(60))]);
  const kinds = [
    () => bytes(random.below(80)),
    () => word(node.run),
    () => word(other),
    () => word('0000000000000001'),
    // Cut or changed behind its place, which is long gone.
    () => {
      const copy = copyAt(Date.now() * 1000 - 3_600_000_000, 'forged');
      for (let n = random.below(4); n > 0; n--) copy[8 + random.below(copy.length - 8)] = random.below(256);
      return copy.subarray(0, random.below(copy.length + 1));
    },
  ];
  const sent: string[] = [];
  for (let round = 0; round < 300; round++) {
    const rubbish = admin.pipeline();
    for (const channel of channels) rubbish.publish(channel, random.pick(kinds)());
    await rubbish.exec();
    if (round % 10 > 0) continue;
    sent.push(`m${round}`);
    t.equal((await node.send(`m${round}`)).carried, 'yes');
  }
  await until('all came', () => node.got.length >= sent.length);
  t.strictSame(node.got, sent, 'each message once, and nothing else');
  t.ok(node.engine.stats().unreadable > 100);
  t.equal(node.engine.stats().shards[0]!.reconnects, 0);
});

t.test('an offer of sessions in 4,294,967,295 parts, of which none is there, costs nothing', async (t) => {
  const { url, admin, node } = await setUp(t);
  const other = await nodeOf(t, url);
  const moveId = `${other.run}00000001`;
  // O, the run of the node that offers, the move, shard 0, and a parcel of which the parts are in Redis.
  const offer = Buffer.concat([Buffer.from(`O${other.run}${moveId}\0k`), Buffer.from('ffffffff', 'hex')]);
  const heapBytes = process.memoryUsage().heapUsed;
  await admin.publish(`test:n:${node.run}`, offer);
  t.equal((await node.send('goes on')).delivered, 2);
  t.ok(process.memoryUsage().heapUsed - heapBytes < 100e6, 'less than a byte for each part');
});

t.test('a place ahead of all that the server has given is none', async (t) => {
  const { admin, node } = await setUp(t);
  for (const aheadSec of [90, 600, 300 * 24 * 3600]) {
    await admin.publish('test:i:a', copyAt(Date.now() * 1000 + aheadSec * 1_000_000, 'forged'));
    const { delivered } = await node.send(`behind ${aheadSec}`);
    t.equal(delivered, 1, 'what comes behind it is not taken for old');
  }
  t.strictSame(node.got, ['behind 90', 'behind 600', `behind ${300 * 24 * 3600}`]);
  t.equal(node.engine.stats().unreadable, 3);
});

t.test('where the clock of the server was set an hour ahead, nothing is lost', async (t) => {
  const { admin, node } = await setUp(t, 200);
  await node.send('before');
  const key = String(await admin.hget('test:meta', 'key'));
  await admin.incrby(key, 3_600_000_000); // the same for who gets places: they are an hour ahead
  for (let n = 0; n < 20; n++) await node.send(`m${n}`);
  const all = ['before', ...Array.from({ length: 20 }, (_, n) => `m${n}`)];
  await until('all came', () => node.got.length >= all.length);
  t.strictSame(node.got, all);
  await node.send('later');
  await until('it goes on', () => node.got.at(-1) === 'later');
});
