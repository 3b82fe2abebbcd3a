import t, { type Test } from 'tap';
import type { Outcome } from '../../../../router/engine/engine.js';
import type { RedisEngine } from '../../../../router/engine/redis/engine.js';
import { readCopy } from '../../../../router/engine/redis/message-format.js';
import type { EngineEvent, RedisEngineOptions } from '../../../../router/engine/redis/options.js';
import { HistoryRules } from '../../../../router/history/history-rules.js';
import { Message } from '../../../../router/index.js';
import { RedisServer } from '../../../redis-server.js';
import { StallingProxy } from '../../../stalling-proxy.js';
import { until } from '../../../until.js';
import { redisEngineAt } from './engine-parts.js';

/** Answers to publishers are true: on Redis itself, over broken connections, and when Redis stands still or ends. */

type Wanted = 'carried' | 'count';

let names = 0;

interface Node {
  engine: RedisEngine;
  /** Texts, as they were handed out. */
  got: string[];
  publish(text: string, wants?: Wanted, key?: string): Promise<Outcome>;
}

async function nodeAt(t: Test, url: string, options: Partial<RedisEngineOptions> = {}): Promise<Node> {
  const engine = redisEngineAt([url], { countWaitMs: 500, ...options });
  t.teardown(() => engine.stop());
  const got: string[] = [];
  await engine.open();
  await engine.start((message) => {
    got.push(Buffer.from(message.payload).toString());
    return 1;
  });
  engine.addInterest('a');
  await new Promise<void>((resolve) => engine.whenInterested(resolve));
  const publish = (text: string, wants: Wanted = 'count', key = '') =>
    new Promise<Outcome>((resolve) =>
      engine.publish(new Message('a', Buffer.from(text), 1, 1), {
        onOutcome: resolve,
        count: wants === 'count',
        idempotencyKey: key,
      }),
    );
  return { engine, got, publish };
}

/** A publisher whose way can be broken, and a witness whose way cannot. */
async function setUp(t: Test, options: Partial<RedisEngineOptions> = {}) {
  const redis = await RedisServer.start();
  t.teardown(() => redis.stop());
  const proxy = await StallingProxy.start(redis.port);
  t.teardown(() => proxy.stop());
  const name = `outcomes${++names}`;
  const publisher = await nodeAt(t, `redis://127.0.0.1:${proxy.port}`, { name, ...options });
  const witness = await nodeAt(t, redis.url, { name });
  t.same(await publisher.publish('first'), { delivered: 2, unanswered: 0, carried: 'yes' });
  return { redis, proxy, publisher, witness };
}

/** Each outcome is what has become of the message. */
function assertTrue(t: Test, sent: readonly { text: string; outcome: Outcome }[], got: readonly string[]) {
  const times = (text: string) => got.filter((other) => other === text).length;
  for (const { text, outcome } of sent) {
    if (outcome.carried === 'yes') t.equal(times(text), 1, `${text} was carried, and came once`);
    else if (outcome.carried === 'no') t.equal(times(text), 0, `${text} was refused, and never comes`);
    else t.ok(times(text) <= 1, `${text}: nobody knows, and it came ${times(text)} times`);
  }
}

t.test(
  'connections that are cut again and again lose nothing, double nothing, and no answer is wrong',
  async (t) => {
    // A busy machine may take longer to connect again than messages wait for: then some are refused, and truly so.
    let away = 0;
    const onEvent = (event: EngineEvent) => {
      if (event === 'away') away++;
    };
    const { proxy, publisher, witness } = await setUp(t, { onEvent });
    const sent: { text: string; outcome: Outcome }[] = [];
    const waiting: Promise<unknown>[] = [];
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 30; i++) {
        const text = `${round}/${i}`;
        const wants = (['count', 'carried'] as const)[i % 2]!;
        waiting.push(publisher.publish(text, wants).then((outcome) => sent.push({ text, outcome })));
        if (i % 10 === 0) await new Promise(setImmediate);
      }
      if (round % 2 === 0) proxy.cut();
      else {
        proxy.stallAnswers(); // what is under way runs, and nobody hears of it
        await new Promise((resolve) => setTimeout(resolve, 20));
        proxy.cut();
      }
      await until('it is back', () => publisher.engine.stats().connected);
    }
    await Promise.all(waiting);
    t.equal(sent.length, 600);
    t.ok(
      away > 0 || sent.every(({ outcome }) => outcome.carried === 'yes'),
      'all are there, as the server is the same',
    );
    await publisher.publish('end');
    await until('the end has come', () => witness.got.includes('end'));
    assertTrue(t, sent, witness.got);
    const numbers = witness.got.filter((text) => text.includes('/'));
    t.same(
      numbers,
      [...numbers].sort((one, other) => orderOf(one) - orderOf(other)),
      'in the order of their publisher',
    );
    t.ok(
      sent.some(({ outcome }) => outcome.unanswered > 0),
      'a count of which something was lost says so',
    );
  },
);

t.test(
  'a count whose answer was lost is told as soon as it is known that the message was sent',
  async (t) => {
    const { proxy, publisher, witness } = await setUp(t, { countWaitMs: 20_000 });
    proxy.stallAnswers();
    const outcome = publisher.publish('counted');
    await until('it has run', () => witness.got.includes('counted'));
    const startedMs = performance.now();
    proxy.cut();
    t.match(await outcome, { carried: 'yes', unanswered: 1 });
    const ms = performance.now() - startedMs;
    t.ok(ms < 4_000, `after ${Math.round(ms)} ms, not after the 20 s that a count may take`);
  },
);

t.test(
  'one message of a call is refused, and the answer is lost: the others alone are carried',
  async (t) => {
    const rules = new HistoryRules([{ filter: '#', messages: 10, ageSec: 60 }]);
    const { redis, proxy, publisher, witness } = await setUp(t, { rules });
    await redis.client().set(`outcomes${names}:h:bad`, 'no list');
    const publish = (id: string) =>
      new Promise<Outcome>((onOutcome) =>
        publisher.engine.publish(new Message(id, Buffer.from(id), 1, 1), { onOutcome }),
      );
    proxy.stallAnswers();
    const outcomes = Promise.all(['bad', 'a', 'bad'].map(publish));
    await until('it has run', () => witness.got.includes('a'));
    proxy.cut();
    const [first, second, third] = await outcomes;
    t.match([first, third], [{ carried: 'no' }, { carried: 'no' }]);
    t.match(second, { carried: 'yes' });
    t.same(witness.got, ['first', 'a']);
  },
);

t.test('Redis stands still: what it did not get is refused, and does not come when it goes on', async (t) => {
  const { redis, publisher, witness } = await setUp(t);
  redis.pause();
  const pausedMs = performance.now();
  const sent: { text: string; outcome: Outcome }[] = [];
  const waiting: Promise<unknown>[] = [];
  const publish = (text: string, wants: Wanted) =>
    waiting.push(publisher.publish(text, wants).then((outcome) => sent.push({ text, outcome })));
  for (let i = 0; i < 300; i++) publish(`early ${i}`, i % 2 === 0 ? 'count' : 'carried');
  await until('it is noticed', () => publisher.engine.trouble !== undefined);
  t.ok(performance.now() - pausedMs < 2_000, `after ${Math.round(performance.now() - pausedMs)} ms`);
  t.match(publisher.engine.trouble, /^Redis is away: 127\.0\.0\.1:\d+$/);
  for (let i = 0; i < 100; i++) publish(`late ${i}`, 'carried');
  await until('all are answered', () => sent.length === 400);
  t.ok(performance.now() - pausedMs < 7_000);
  t.ok(sent.every(({ outcome }) => outcome.carried !== 'yes'));
  t.ok(
    sent.filter(({ outcome }) => outcome.carried === 'unknown').length <= 4 * 64,
    'four calls were under way',
  );
  t.ok(sent.every(({ outcome }) => /Send it again|Idempotency-Key/.test(outcome.reason!)));
  redis.resume();
  await until(
    'it is back',
    () => publisher.engine.trouble === undefined && witness.engine.trouble === undefined,
  );
  t.match(await publisher.publish('end'), { carried: 'yes' });
  await until('the end has come', () => witness.got.includes('end'));
  assertTrue(t, sent, witness.got);
  t.same(
    witness.got.filter((text) => text.startsWith('early') || text.startsWith('late')),
    [],
    'what waited in the sockets of the server has come too late',
  );
});

t.test('a short stand-still: what waits meanwhile is sent, once, or was known to have run', async (t) => {
  const { redis, publisher, witness } = await setUp(t);
  const got = await rawWitness(redis);
  const sent: { text: string; outcome: Outcome }[] = [];
  for (let round = 0; round < 3; round++) {
    redis.pause();
    const waiting = Array.from({ length: 200 }, async (_, i) => {
      const text = `${round}/${i}`;
      sent.push({ text, outcome: await publisher.publish(text, 'carried') });
    });
    await new Promise((resolve) => setTimeout(resolve, 1_000 * round + 100));
    redis.resume();
    await Promise.all(waiting);
    await until(
      'it is back',
      () => publisher.engine.trouble === undefined && witness.engine.trouble === undefined,
    );
    await until('and so are both connections', () => publisher.engine.stats().connected);
  }
  await publisher.publish('end', 'carried');
  await until('the end has come', () => got.includes('end'));
  assertTrue(t, sent, got);
});

t.test('Redis is killed and comes back empty: what was under way is unknown, the rest is true', async (t) => {
  const { redis, publisher, witness } = await setUp(t);
  const sent: { text: string; outcome: Outcome }[] = [];
  const waiting = Array.from({ length: 300 }, async (_, i) => {
    sent.push({ text: `${i}`, outcome: await publisher.publish(`${i}`, 'carried') });
  });
  await new Promise(setImmediate);
  await redis.kill();
  await until('it is away', () => publisher.engine.trouble !== undefined);
  t.match(await publisher.publish('meanwhile'), { carried: 'no', reason: /is away: nobody got it/ });
  await redis.restart();
  await until(
    'it is back',
    () => publisher.engine.trouble === undefined && witness.engine.trouble === undefined,
  );
  await Promise.all(waiting);
  t.match(await publisher.publish('end'), { delivered: 2, carried: 'yes' });
  await until('the end has come', () => witness.got.includes('end'));
  assertTrue(t, sent, witness.got);
});

t.test('messages that wait for a slow Redis have a limit in bytes, and are refused past it', async (t) => {
  const { redis, publisher } = await setUp(t, { pendingBytesMax: 100_000 });
  redis.pause();
  const outcomes: Outcome[] = [];
  const text = 'x'.repeat(1_000);
  for (let i = 0; i < 200; i++)
    void publisher.publish(text, 'carried').then((outcome) => outcomes.push(outcome));
  await new Promise(setImmediate);
  const { pendingBytes } = publisher.engine.stats().shards[0]!;
  t.ok(pendingBytes > 90_000 && pendingBytes <= 100_000, `${pendingBytes}`);
  t.ok(outcomes.length > 100 && outcomes.length < 120, `${outcomes.length} were refused at once`);
  t.match(outcomes[0], { carried: 'no', reason: /--redis-pending-bytes-max 100000 bytes/ });
  redis.resume();
  await until('the others are through', () => outcomes.length === 200);
  t.equal(outcomes.filter(({ carried }) => carried === 'yes').length, 200 - publisher.engine.stats().refused);
  t.match(publisher.engine.stats().shards, [{ pendingBytes: 0 }], 'and nothing is left');
});

t.test('a foreign subscriber is named as unanswered, and holds up only the first send', async (t) => {
  const { redis, publisher } = await setUp(t);
  const stranger = redis.client();
  const name = `outcomes${names}`;
  await stranger.subscribe(`${name}:i:a`, `${name}:i:nobody`);
  const firstMs = performance.now();
  t.same(await publisher.publish('one'), { delivered: 2, unanswered: 1, carried: 'yes' });
  t.ok(performance.now() - firstMs > 400, 'it might have been a node');
  const nextMs = performance.now();
  for (let i = 0; i < 10; i++)
    t.same(await publisher.publish(`${i}`), { delivered: 2, unanswered: 1, carried: 'yes' });
  t.ok(performance.now() - nextMs < 400, `${performance.now() - nextMs} ms for ten`);
  await stranger.unsubscribe();
  t.same(await publisher.publish('when it has gone'), { delivered: 2, unanswered: 0, carried: 'yes' });
});

t.test('a message with an Idempotency-Key goes once, whoever sends it again', async (t) => {
  const { publisher, witness } = await setUp(t);
  t.same(await publisher.publish('x', 'count', 'key-1'), { delivered: 2, unanswered: 0, carried: 'yes' });
  for (const node of [publisher, witness])
    t.match(await node.publish('x', 'count', 'key-1'), { carried: 'yes', repeated: true, unanswered: 2 });
  t.match(await publisher.publish('x', 'carried', 'key-1'), { carried: 'yes', repeated: true });
  t.same(await publisher.publish('y', 'count', 'key-2'), { delivered: 2, unanswered: 0, carried: 'yes' });
  await until('all has come', () => witness.got.includes('y'));
  t.same(witness.got, ['first', 'x', 'y']);
});

t.test('messages published before the stop go out', async (t) => {
  const { publisher, witness } = await setUp(t);
  for (let i = 0; i < 500; i++) publisher.engine.publish(new Message('a', Buffer.from(`${i}`), 1, 1));
  await publisher.engine.stop();
  await until('all has come', () => witness.got.length === 501);
  t.equal(witness.got.at(-1), '499');
});

t.test('a server that has forgotten its functions, or this node, is begun with again', async (t) => {
  const { redis, publisher, witness } = await setUp(t);
  await redis.client().call('FUNCTION', 'FLUSH');
  t.match(await publisher.publish('after the flush', 'carried'), { carried: 'yes' });
  await until('it has come', () => witness.got.includes('after the flush'));
});

/** A subscriber that minds no silence. @returns the texts that come */
async function rawWitness(redis: RedisServer): Promise<string[]> {
  const got: string[] = [];
  const client = redis.client();
  client.on('messageBuffer', (_, payload: Buffer) => got.push(String(readCopy(payload, 'a')?.payload)));
  await client.subscribe(`outcomes${names}:i:a`);
  return got;
}

function orderOf(text: string): number {
  const [round, i] = text.split('/').map(Number) as [number, number];
  return round * 1_000 + i;
}
