import t from 'tap';
import { CuttableWay } from '../../cuttable-way.js';
import { until } from '../../until.js';
import { ask, batchOf, openStream } from '../raw-wire.js';
import { nodeStats } from './nodes.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/** Answers to senders and load balancers while Redis is away, and when it is back. */

/** Where an id has history, a restart of its server is a gap, and its streams are cut to be told of it. */
const withoutHistory = ['--count-wait-ms', '10000', '--history-rules', '# 0 0'];

t.test('Redis stands still for 20 s', async (t) => {
  const redis = await redisServer(t);
  // Without the numbers under $SYS, as what is refused is counted here.
  const flags = ['--count-wait-ms', '10000', '--mqtt-sys-interval', '0'];
  const [one, two] = await startRedisNodes(t, [redis.url], ['gw-1', 'gw-2'], flags);
  const stream = await openStream(two!.port, '/stream/123');
  const post = (path: string, body: string) => ask(one!.apiPort, path, { method: 'POST', body });
  const readiness = async () => {
    const answer = await ask(one!.apiPort, '/ready');
    return `${answer.status} ${answer.text.trim()}`;
  };
  t.same((await post('/send/123', 'before')).json, { delivered: 1 });
  t.equal(await readiness(), '200 ready');

  redis.pause();
  const pausedMs = performance.now();
  const early = Promise.all([
    post('/send/123', 'early counted'),
    post('/send/123?wait=0', 'early uncounted'),
    post('/send', batchOf([{ id: '123', data: 'early in a batch' }])),
  ]);
  const server = redis.url.replace('redis://', '');
  let readyMs = 0;
  await until('readiness is off', async () => {
    const askedMs = performance.now();
    const said = await readiness();
    if (said === '200 ready') readyMs = askedMs;
    return said === `503 Redis is away: ${server}`;
  });
  t.ok(readyMs - pausedMs < 2_000, `ready for ${Math.round(readyMs - pausedMs)} ms`);
  t.equal((await ask(one!.apiPort, '/health')).status, 200, 'the process is well');
  const late = await post('/send/123', 'late');
  t.equal(late.status, 503);
  t.match(late.json, {
    delivered: 0,
    error: /Redis at 127.0.0.1:\d+ is away: nobody got it\. Send it again/,
  });
  const batch = await post('/send?wait=0', batchOf([{ id: '123', data: 'late in a batch' }]));
  t.equal(batch.status, 503);
  t.match(batch.json, { messages: 1, uncarried: 1, error: /is away/ });
  const uncounted = await post('/send/123?wait=0', 'late uncounted');
  t.equal(uncounted.status, 503, '?wait=0 does not say 202 of what is not carried');
  const ofGraph = [
    await post('/graph', '{"subscriber":"a","subscribee":"123"}'),
    await post('/send/123?to=followers', 'late to followers'),
    await ask(one!.apiPort, '/graph/123/subscribers'),
  ];
  for (const answer of ofGraph) {
    t.equal(answer.status, 503);
    t.equal(answer.header('Retry-After'), '1');
    t.match(answer.json.error, /Redis at 127.0.0.1:\d+ is away/);
  }
  // On a busy machine a request may arrive after 1.5 s: it is late, too.
  const answers = (await early).map(({ status }) => status);
  for (const { status, json } of await early) {
    t.ok(status === 504 || status === 503, `${status}`);
    if (status === 504)
      t.match(json, { error: /not known whether it was sent.*Idempotency-Key/ }, 'it was under way');
  }
  t.ok((await ask(one!.apiPort, '/ids/123')).json.unanswered > 0, '/ids says that it cannot know');
  const away = await openStream(one!.port, '/stream/while-away');
  await new Promise((resolve) => setTimeout(resolve, 20_000 - (performance.now() - pausedMs)));

  redis.resume();
  const backMs = performance.now();
  await until('readiness is on', async () => (await readiness()) === '200 ready');
  await until('the other one is back', async () => (await nodeStats(two!)).engine.connected);
  t.comment(`back after ${Math.round(performance.now() - backMs)} ms`);
  t.same((await post('/send/123', 'after')).json, { delivered: 1 });
  t.same((await post('/send/while-away', 'x')).json, { delivered: 1 }, 'interest of the meantime is there');
  await stream.saw('after');
  t.notMatch(stream.text, /early|late/, 'what was not answered 200 does not come late');
  const { engine, apiErrors } = await nodeStats(one!);
  const unknown = answers.filter((status) => status === 504).length;
  t.match(engine, { unknown, refused: 6 - unknown }, 'each is counted as it was answered');
  t.match(apiErrors, { 503: 6 - unknown + ofGraph.length });
  t.equal(apiErrors[504] ?? 0, unknown);
  await away.close();
});

t.test('Redis is restarted: nodes are back within a second, and the global name with them', async (t) => {
  const redis = await redisServer(t);
  const [one, two] = await startRedisNodes(t, [redis.url], ['gw-1', 'gw-2'], withoutHistory);
  const stream = await openStream(two!.port, '/stream/123');
  const tookMs: number[] = [];
  for (let round = 0; round < 3; round++) {
    await redis.kill();
    await until('it is noticed', async () => !(await nodeStats(one!)).engine.connected);
    await redis.restart();
    const startMs = performance.now();
    for (const node of [one!, two!])
      await until('it is back', async () => (await nodeStats(node)).engine.connected);
    tookMs.push(Math.round(performance.now() - startMs));
    const sent = await ask(one!.apiPort, '/send/123', { method: 'POST', body: `round ${round}` });
    t.same([sent.status, sent.json], [200, { delivered: 1 }]);
    await stream.saw(`round ${round}`);
    t.equal(await redis.client().call('FCALL', 'encke_send', '1', '123', `named ${round}`), 1);
    await stream.saw(`named ${round}`);
  }
  // Others may have the cores for a while.
  t.ok(Math.min(...tookMs) < 1_100 && Math.max(...tookMs) < 5_000, `after ${tookMs} ms`);
});

t.test(
  'one of three servers goes: its ids are refused, the others go on, and /ready says which',
  async (t) => {
    const servers = await Promise.all([0, 1, 2].map(() => redisServer(t)));
    const urls = servers.map(({ url }) => url);
    const [one, two] = await startRedisNodes(t, urls, ['gw-1', 'gw-2'], withoutHistory);
    const ids = Array.from({ length: 30 }, (_, n) => `id-${n}`);
    const streams = await Promise.all(ids.map((id) => openStream(two!.port, `/stream/${id}`)));
    const sendAll = (text: string) =>
      Promise.all(ids.map((id) => ask(one!.apiPort, `/send/${id}`, { method: 'POST', body: text })));
    t.ok((await sendAll('to all')).every(({ json }) => json.delivered === 1));
    await servers[1]!.kill();
    const name = urls[1]!.replace('redis://', '');
    await until('it is away', async () => {
      const ready = await ask(one!.apiPort, '/ready');
      return ready.text.trim() === `Redis is away: ${name}`;
    });
    const outcomes = await sendAll('to some');
    const refused = ids.filter((_, n) => outcomes[n]!.status === 503);
    t.ok(refused.length >= 3 && refused.length <= 20, `${refused.length} of 30 are refused`);
    for (const [n, { status, json, text }] of outcomes.entries()) {
      if (status === 503) t.match(text, name);
      else {
        t.same([status, json], [200, { delivered: 1 }]);
        await streams[n]!.saw('to some');
      }
    }
    await servers[1]!.restart();
    await until('it is back', async () => (await ask(one!.apiPort, '/ready')).status === 200);
    await until('on the other node, too', async () => (await ask(two!.apiPort, '/ready')).status === 200);
    t.ok((await sendAll('to all again')).every(({ json }) => json.delivered === 1));
    for (const stream of streams) await stream.close();
  },
);

t.test('a node that comes while one of its servers is away says so, and serves the others', async (t) => {
  const servers = await Promise.all([0, 1].map(() => redisServer(t)));
  const urls = servers.map(({ url }) => url);
  await startRedisNodes(t, urls, ['first']);
  for (const [away, other] of [
    [0, 1],
    [1, 0],
  ] as const) {
    await servers[away]!.kill();
    const [late] = await startRedisNodes(t, urls, [`late-${away}`]);
    const ready = await ask(late!.apiPort, '/ready');
    t.match(ready.text, `Redis is away: ${urls[away]!.replace('redis://', '')}`);
    const outcomes = await Promise.all(
      [0, 1, 2, 3, 4, 5, 6, 7].map((n) => ask(late!.apiPort, `/send/${n}`, { method: 'POST', body: 'x' })),
    );
    t.ok(outcomes.some(({ status }) => status === 200));
    t.ok(outcomes.some(({ status, text }) => status === 503 && text.includes(`${servers[away]!.port}`)));
    t.notOk(outcomes.some(({ text }) => text.includes(`${servers[other]!.port}`)));
    await servers[away]!.restart();
    await until('all is there', async () => (await ask(late!.apiPort, '/ready')).status === 200);
  }
});

t.test('no server at all: the start says which, and why', async (t) => {
  const redis = await redisServer(t);
  await redis.kill();
  const said = await startRedisNodes(t, [redis.url], ['alone']).then(
    () => '',
    (error: Error) => error.message,
  );
  const sentence = `Redis at 127.0.0.1:${redis.port} cannot be used: .*ECONNREFUSED.* Start it with "redis-server"`;
  t.match(said, new RegExp(sentence));
  t.equal(said.split('cannot be used').length, 2, `once: ${said}`);
});

t.test('an Idempotency-Key makes it safe to send again', async (t) => {
  const redis = await redisServer(t);
  const way = await CuttableWay.start(redis.port);
  t.teardown(() => way.stop());
  const [one, two] = await startRedisNodes(t, [redis.url], ['gw-1', 'gw-2'], ['--count-wait-ms', '10000']);
  const stream = await openStream(two!.port, '/stream/123');
  const post = (path: string, body: string, key: string) =>
    ask(one!.apiPort, path, { method: 'POST', body, headers: { 'Idempotency-Key': key } });
  t.same((await post('/send/123', '<once>', 'key-1')).json, { delivered: 1 });
  const again = await post('/send/123', '<once>', 'key-1');
  t.equal(again.status, 200);
  t.match(again.json, { repeated: true });
  const lines = batchOf([
    { id: '123', data: '<a>' },
    { id: '123', data: '<b>' },
  ]);
  t.match((await post('/send', lines, 'key-2')).json, { messages: 2, delivered: 2 });
  t.match((await post('/send', lines, 'key-2')).json, { messages: 2, delivered: 0, repeated: 2 });
  t.equal((await post('/send/123', 'x', 'two words')).status, 400);
  t.same((await post('/send/123', '<end>', 'key-3')).json, { delivered: 1 });
  await stream.saw('<end>');
  t.same([...stream.text.matchAll(/<\w+>/g)].join(''), '<once><a><b><end>');
});
