/** msggen as a process that sends through the global name of a router: a function on Redis. */
import t from 'tap';
import { freePort } from '../free-port.js';
import { redisServer, startRedisNodes } from '../gateway/cluster/redis-nodes.js';
import { openStream, type Wire } from '../gateway/raw-wire.js';
import type { RedisServer } from '../redis-server.js';
import { until } from '../until.js';
import { runTool, ToolProcess } from './tool-process.js';

const redis = await redisServer(t);
const [one, two] = await startRedisNodes(t, [redis.url], ['gw-1', 'gw-2']);

const msggen = (server: RedisServer, ...args: string[]) =>
  new ToolProcess(['msggen', '--redis', server.url, '--json', ...args]);

/** A function under the name of its own, in the place of the nodes'. */
const stand = (name: string, body: string) => `#!lua name=${name}
redis.register_function('${name}_send', function(keys, a) ${body} end)
redis.register_function{ function_name = '${name}_version', callback = function() return 1 end, flags = { 'no-writes' } }`;

/** @returns how often it has been called */
async function standIn(server: RedisServer, name: string, body: string): Promise<() => Promise<number>> {
  await server.client().call('FUNCTION', 'LOAD', 'REPLACE', stand(name, body));
  const key = `taken:${name}`;
  return async () => Number((await server.client().get(key)) ?? 0);
}

const stamps = (stream: Wire) => [...stream.text.matchAll(/"id":"([^"]+)","data":"\S+ \S+ (\d+) /g)];

/** Each id's numbers are 1, 2, 3, … */
function assertOrder(t: Pick<typeof import('tap').t, 'fail'>, stream: Wire): Map<string, number> {
  const last = new Map<string, number>();
  for (const [, id, seq] of stamps(stream)) {
    const before = last.get(id!) ?? 0;
    if (Number(seq) !== before + 1) t.fail(`${id}: ${seq} after ${before}`);
    last.set(id!, Number(seq));
  }
  return last;
}

t.test('real nodes: each stamped message arrives once and in order, with many on the wire', async (t) => {
  const near = await openStream(one!.port, '/stream?id=hä/1&id=hä/2');
  const far = await openStream(two!.port, '/stream?id=hä/2&id=hä/3');
  const flags = ['--messages', '900', '--rate', 'max', '--max-id', '3', '--connections', '3', '--stamp'];
  const summary = await msggen(redis, ...flags, '--id-prefix', 'hä/').summary();
  t.match(summary, {
    url: redis.url,
    asked: { transport: 'redis', name: 'encke', window: 32 },
    sent: 900,
    delivered: null,
    errorsTotal: 0,
    unanswered: 0,
  });
  t.ok(summary.bytesSent > 900 * 60 && summary.bytesReceived >= 900 * 4, 'of the connections');
  const arrived = () => stamps(near).length + stamps(far).length;
  await until('as many have come as copies went out', () => arrived() >= summary.copies);
  t.equal(arrived(), summary.copies, 'and no more');
  t.ok(arrived() > 900, `${arrived()}: id 2 has two`);
  for (const stream of [near, far]) t.equal(assertOrder(t, stream).size, 2);
  await near.close();
  await far.close();
});

t.test('ids of several servers', async (t) => {
  const servers = await Promise.all([redisServer(t), redisServer(t)]);
  const urls = servers.map(({ url }) => url);
  const [node] = await startRedisNodes(t, urls, ['gw-1']);
  const stream = await openStream(node!.port, '/stream?id=1&id=2&id=3&id=4&id=5');
  const flags = ['--messages', '500', '--rate', '2000', '--max-id', '5', '-c', '2', '--stamp', '--json'];
  const summary = await new ToolProcess(['msggen', '--redis', urls.join(), ...flags]).summary();
  t.match(summary, { sent: 500, copies: 500, errorsTotal: 0 });
  await until('all have come', () => stamps(stream).length === 500);
  t.equal(assertOrder(t, stream).size, 5);
  await stream.close();
});

t.test('a refused message is an error by its sentence, and the run goes on', async (t) => {
  const body = (from: number, to: number) => `
    local n = redis.call('INCR', 'taken:refuses')
    if n > ${from} and n <= ${to} then return redis.error_reply('TOOBIG not today') end
    return 1`;
  await standIn(redis, 'refuses', body(20, 40));
  const tool = msggen(redis, '--name', 'refuses', '--rate', '200', '--until', '1s', '--connections', '4');
  const summary = await tool.summary();
  t.same(summary.errors, { 'refused: Not today.': 20 });
  t.equal(summary.sent + summary.errorsTotal, 200);
  t.equal(summary.copies, summary.sent, 'what was refused is not counted');
  t.equal(tool.child.exitCode, 0);
});

t.test('a server that stands still is an error after 5 s', async (t) => {
  const own = await redisServer(t);
  const called = await standIn(own, 'encke', `redis.call('INCR', 'taken:encke') return 1`);
  const tool = msggen(
    own,
    '--interval',
    '1',
    '--max-id',
    '1',
    '--until',
    '3s',
    '--window',
    '3',
    '--waiting-limit',
    '10',
  );
  await until('it sends', async () => (await called()) > 50);
  own.pause();
  const summary = await tool.summary();
  own.resume();
  t.equal(summary.errors['no answer in 5 s'], 3, 'as many as --window says');
});

t.test('when Redis goes, what was unanswered is an error; when it is back, the run goes on', async (t) => {
  const own = await redisServer(t, { appendonly: true, configuration: 'appendfsync always' });
  const called = await standIn(own, 'encke', `redis.call('INCR', 'taken:encke') return 1`);
  const tool = msggen(own, '--rate', '200', '--until', '4s', '-c', '4');
  await until('it sends', async () => (await called()) > 50);
  own.pause();
  const pausedMs = performance.now();
  await until('each connection has something on the wire', () => performance.now() - pausedMs > 300);
  await own.kill();
  await own.restart();
  const summary = await tool.summary();
  t.same(Object.keys(summary.errors), ['Redis went away']);
  t.ok(summary.errorsTotal > 0 && summary.errorsTotal <= 4 * 32, `${summary.errorsTotal}`);
  t.same(summary.connectionsLost, { 'Redis went away': 4 });
  t.equal(summary.sent + summary.errorsTotal, 800, 'what became due meanwhile was sent late, and counted');
  t.ok(summary.late > 0, `late ${summary.late}`);
});

t.test('no Redis, and nobody under the name: each is a sentence and exit code 1', async (t) => {
  const port = await freePort();
  t.match(await runTool(['msggen', '--messages', '1', '--redis', `redis://u:secret@127.0.0.1:${port}`]), {
    exitCode: 1,
    stdout: '',
    stderr: `Redis at 127.0.0.1:${port} cannot be reached or refuses (ECONNREFUSED). Start it with "redis-server", or name another with --redis.\n`,
  });
  t.match(await runTool(['msggen', '--messages', '1', '--redis', redis.url, '--name', 'nobody']), {
    exitCode: 1,
    stdout: '',
    stderr: /^Nobody answers to the name "nobody" on Redis at \S+\. Start a node [^\n]+\n$/,
  });
});
