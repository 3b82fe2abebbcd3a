import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import t from 'tap';
import { ask, batchOf, openStream } from '../raw-wire.js';
import { nodeStats } from './nodes.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/** Two nodes on Redis: what is sent to the one reaches who is connected to the other. */

const redis = await redisServer(t);
const [one, two] = await startRedisNodes(t, [redis.url], ['gw-1', 'gw-2'], ['--count-wait-ms', '10000']);

t.test('curl at one node reaches the open page of the other', async (t) => {
  const stream = await openStream(two!.port, '/test/123');
  const { stdout } = await promisify(execFile)('curl', [
    '-s',
    '-d',
    'Hello World',
    `${one!.apiUrl}/send/123`,
  ]);
  t.equal(stdout, '{"delivered":1}');
  await stream.saw('Hello World');
  await stream.close();
});

t.test('a stream has all that is sent once its head is there, and each message once', async (t) => {
  for (let n = 0; n < 20; n++) {
    const streams = await Promise.all([one!, two!].map(({ port }) => openStream(port, `/stream/fresh-${n}`)));
    const sent = await ask(one!.apiPort, `/send/fresh-${n}`, { method: 'POST', body: `message ${n}.` });
    t.same(sent.json, { delivered: 2 });
    for (const stream of streams) {
      await stream.saw(`message ${n}.`);
      t.equal(stream.text.split(`message ${n}.`).length, 2);
      await stream.close();
    }
  }
});

t.test('nobody is waited for where nobody is', async (t) => {
  const startMs = performance.now();
  t.same((await ask(one!.apiPort, '/send/nobody', { method: 'POST', body: 'x' })).json, { delivered: 0 });
  t.ok(performance.now() - startMs < 200);
});

t.test('a batch keeps its order, and counts', async (t) => {
  const stream = await openStream(two!.port, '/stream/batch');
  const lines = Array.from({ length: 500 }, (_, n) => ({ id: 'batch', data: `<${n}>` }));
  const sent = await ask(one!.apiPort, '/send', { method: 'POST', body: batchOf(lines) });
  t.match(sent.json, { messages: 500, delivered: 500, bad: 0 });
  await stream.saw('<499>');
  const numbers = [...stream.text.matchAll(/<(\d+)>/g)].map(([, n]) => Number(n));
  t.same(
    numbers,
    lines.map((_, n) => n),
  );
  const uncounted = await ask(one!.apiPort, '/send?wait=0', { method: 'POST', body: batchOf(lines) });
  t.equal(uncounted.status, 202);
  await stream.close();
});

t.test('stats say where the messages went', async (t) => {
  const { engine } = await nodeStats(one!);
  t.match(engine, { connected: true, refused: 0, unknown: 0, unreadable: 0 });
  t.ok(engine.forwarded > 1_000 && engine.batches < engine.forwarded, 'many go together');
  t.match(engine.shards, [{ connected: true, reconnects: 0, pendingBytes: 0 }]);
});
