import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import t from 'tap';
import { until } from '../../until.js';
import { ask, batchOf, openStream, Wire } from '../raw-wire.js';
import { nodeStats, untilReached } from './nodes.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/** A send on any node reaches whoever is logged in on any other, and is counted over all. */

const countWaitMs = 1_000;
const redis = await redisServer(t);
const [one, two, three] = await startRedisNodes(
  t,
  [redis.url],
  ['gw-1', 'gw-2', 'gw-3'],
  ['--count-wait-ms', String(countWaitMs)],
);

const post = (path: string, body: string) => ask(one!.apiPort, path, { method: 'POST', body });

t.test('a send on one node reaches the streams of the others, and counts them all', async (t) => {
  const streams = [
    await openStream(one!.port, '/stream/123'),
    await openStream(two!.port, '/stream/123'),
    await openStream(two!.port, '/stream/123'),
    await openStream(three!.port, '/stream/123'),
  ];
  await untilReached(one!, '123', 4);
  const startedMs = performance.now();
  const answer = await post('/send/123', 'Hello World');
  t.equal(answer.status, 200);
  t.same(answer.json, { delivered: 4 });
  t.ok(
    performance.now() - startedMs < countWaitMs / 2,
    'it ended when all had answered, not when time was up',
  );
  for (const stream of streams) await stream.saw('Hello World');
  t.same((await post('/send/nobody', 'x')).json, { delivered: 0 });
  for (const stream of streams) {
    t.equal(stream.text.split('Hello World').length, 2, 'once each');
    await stream.close();
  }
});

t.test('sends under way at the same time are each counted right', async (t) => {
  const streams = [
    await openStream(two!.port, '/stream?id=busy-0&id=busy-1'),
    await openStream(three!.port, '/stream?id=busy-1&id=busy-2'),
  ];
  const expected = [1, 2, 1];
  for (const [id, count] of expected.entries()) await untilReached(one!, `busy-${id}`, count);
  const wrong: unknown[] = [];
  const lane = async (id: number) => {
    for (let n = 0; n < 100; n++) {
      const { json } = await post(`/send/busy-${id}`, 'x');
      if (json.delivered !== expected[id] || json.unanswered !== undefined) wrong.push(json);
    }
  };
  await Promise.all(Array.from({ length: 18 }, (_, n) => lane(n % 3)));
  t.same(wrong, []);
  for (const stream of streams) await stream.close();
});

t.test('a batch counts over all nodes, too', async (t) => {
  const near = await openStream(one!.port, '/stream/batch-a');
  const far = await openStream(two!.port, '/stream?id=batch-a&id=batch-b');
  await untilReached(one!, 'batch-a', 2);
  await untilReached(one!, 'batch-b', 1);
  const lines = [
    { id: 'batch-a', data: 'first' },
    { id: 'batch-b', data: 'second' },
    { id: 'batch-c', data: 'third' },
  ];
  const answer = await post('/send', batchOf(lines));
  t.match(answer.json, { messages: 3, delivered: 3, bad: 0 });
  t.equal(answer.json.unanswered, undefined);
  await far.saw('second');
  await near.close();
  await far.close();
});

t.test('curl at one node reaches the open page of the other', async (t) => {
  const stream = await openStream(two!.port, '/test/123');
  const { stdout } = await promisify(execFile)('curl', ['-sd', 'Hello World', `${one!.apiUrl}/send/123`]);
  t.equal(stdout, '{"delivered":1}');
  await stream.saw('Hello World');
  await stream.close();
});

t.test('a long batch keeps its order, and goes to Redis in few calls', async (t) => {
  const stream = await openStream(two!.port, '/stream/order');
  const lines = Array.from({ length: 500 }, (_, n) => ({ id: 'order', data: `<${n}>` }));
  const sent = await post('/send', batchOf(lines));
  t.match(sent.json, { messages: 500, delivered: 500, bad: 0 });
  await stream.saw('<499>');
  t.same(
    [...stream.text.matchAll(/<(\d+)>/g)].map(([, n]) => Number(n)),
    lines.map((_, n) => n),
  );
  t.equal((await post('/send?wait=0', batchOf(lines))).status, 202);
  const { engine } = await nodeStats(one!);
  t.match(engine, { connected: true, refused: 0, unknown: 0, unreadable: 0 });
  t.ok(engine.forwarded > 1_000 && engine.batches < engine.forwarded, 'many go together');
  t.match(engine.shards, [{ connected: true, reconnects: 0, pendingBytes: 0 }]);
  await stream.close();
});

t.test('GET /ids says who is logged in where', async (t) => {
  const near = await openStream(one!.port, '/stream/where');
  const far = [await openStream(two!.port, '/stream/where'), await openStream(two!.port, '/stream/where')];
  for (const node of [one!, two!, three!]) {
    await untilReached(node, 'where', 3);
    t.same((await ask(node.apiPort, '/ids/where')).json, {
      id: 'where',
      subscribers: 3,
      nodes: [
        { node: 'gw-1', subscribers: 1 },
        { node: 'gw-2', subscribers: 2 },
      ],
    });
  }
  for (const stream of [near, ...far]) await stream.close();
  await untilReached(one!, 'where', 0);
  t.same((await ask(three!.apiPort, '/ids/where')).json, { id: 'where', subscribers: 0, nodes: [] });
});

t.test('while a node stands still', async (t) => {
  const near = await openStream(one!.port, '/stream/paused');
  const middle = await openStream(two!.port, '/stream/paused');
  const far = await openStream(three!.port, '/stream/paused');
  await untilReached(one!, 'paused', 3);
  three!.child.kill('SIGSTOP');
  const timed = async (path: string) => {
    const startedMs = performance.now();
    const answer = await post(path, 'one more');
    return { answer, tookMs: performance.now() - startedMs };
  };

  const waited = await timed('/send/paused');
  t.equal(waited.answer.status, 200);
  t.same(waited.answer.json, { delivered: 2, unanswered: 1 }, 'a send says that somebody did not answer');
  t.ok(waited.tookMs > countWaitMs * 0.9, `it waited ${waited.tookMs} ms for that node`);
  t.ok(waited.tookMs < countWaitMs * 1.9, `and no longer: ${waited.tookMs} ms`);

  const unwaited = await timed('/send/paused?wait=0');
  t.equal(unwaited.answer.status, 202, '?wait=0 is answered at once');
  t.same(unwaited.answer.json, { accepted: true });
  t.ok(unwaited.tookMs < countWaitMs / 2, `${unwaited.tookMs} ms`);
  const startedMs = performance.now();
  const lines = batchOf([
    { id: 'paused', data: 'in' },
    { id: 'paused', data: 'a batch' },
  ]);
  const batch = await ask(one!.apiPort, '/send?wait=0', { method: 'POST', body: lines });
  t.equal(batch.status, 202);
  t.same(batch.json, { messages: 2, bad: 0, errors: [] }, 'a batch, too');
  t.ok(performance.now() - startedMs < countWaitMs / 2);

  const found = (await ask(one!.apiPort, '/ids/paused')).json;
  t.match(found, { subscribers: 2, unanswered: 1 }, 'so do /ids');
  t.ok((await nodeStats(one!)).engine.countsTimedOut >= 1, 'and it is counted');
  await middle.saw('one more');

  three!.child.kill('SIGCONT');
  await until('nobody is missing any more', async () => {
    const { delivered, unanswered } = (await post('/send/paused', 'after')).json;
    return delivered === 3 && unanswered === undefined;
  });
  await far.saw('after');
  for (const stream of [near, middle, far]) await stream.close();
});

t.test('a client that goes while its send waits does no harm', async (t) => {
  three!.child.kill('SIGSTOP');
  const waiting = [];
  for (let n = 0; n < 20; n++) waiting.push(await openRequest(n % 2 === 0 ? '/send/gone' : '/ids/gone'));
  for (const request of waiting) await request.reset();
  three!.child.kill('SIGCONT');
  await until('all nodes answer', async () => (await post('/send/gone', 'x')).json.unanswered === undefined);
  t.ok(one!.alive);
});

async function openRequest(path: string) {
  const wire = await Wire.open(one!.apiPort);
  if (path.startsWith('/send')) wire.ask(path, { method: 'POST', body: 'x' });
  else wire.ask(path);
  return wire;
}
