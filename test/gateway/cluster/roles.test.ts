import t from 'tap';
import { encke } from '../../cli/encke.js';
import { until } from '../../until.js';
import { ask, openStream, Wire } from '../raw-wire.js';
import { untilReached } from './nodes.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/** Gateways and routers in processes of their own, as in the origin. */

const redis = await redisServer(t);
const [gateway, other, router] = await startRedisNodes(
  t,
  [redis.url],
  [
    { name: 'gw-1', role: 'gateway' },
    { name: 'gw-2', role: 'gateway' },
    { name: 'router-1', role: 'router' },
  ],
);
const sendByName = (text: string) => redis.client().call('FCALL', 'encke_send', '1', '123', text);

t.test('a send to the router reaches the streams of the gateways', async (t) => {
  const near = await openStream(gateway!.port, '/stream/123');
  const far = await openStream(other!.port, '/stream/123');
  await untilReached(router!, '123', 2);
  const answer = await ask(router!.apiPort, '/send/123', { method: 'POST', body: 'by the API' });
  t.same(answer.json, { delivered: 2 });
  t.equal(await sendByName('by name'), 2);
  for (const stream of [near, far]) {
    await stream.saw('by the API');
    await stream.saw('by name');
  }
  t.same((await ask(router!.apiPort, '/ids/123')).json.nodes, [
    { node: 'gw-1', subscribers: 1 },
    { node: 'gw-2', subscribers: 1 },
  ]);
  const told = async () =>
    JSON.parse((await redis.client().call('FCALL', 'encke_stats', '0')) as string).nodes;
  await until('all have said their numbers', async () => (await told()).length === 3, 15_000);
  t.match(await told(), [
    { node: 'gw-1', role: 'gateway', stats: { connections: { open: 1 } } },
    { node: 'gw-2', role: 'gateway' },
    { node: 'router-1', role: 'router' },
  ]);
  await near.close();
  await far.close();
});

t.test('a gateway answers probes and stats, and takes no sends', async (t) => {
  for (const path of ['/health', '/ready', '/stats'])
    t.equal((await ask(gateway!.apiPort, path)).status, 200, path);
  for (const [method, path] of [
    ['POST', '/send/123'],
    ['POST', '/send'],
    ['GET', '/ids/123'],
  ] as const) {
    const answer = await ask(gateway!.apiPort, path, { method, ...(method === 'POST' ? { body: 'x' } : {}) });
    t.equal(answer.status, 404, path);
    t.match(answer.text, /only holds connections.*send to a router/);
  }
  const page = await ask(gateway!.port, '/');
  t.equal(page.status, 200);
  t.notMatch(page.text, '<form id="send"', 'its page has nothing to send with');
  t.match(page.text, 'Open a page under an id');
});

t.test('a router has no public listener', async (t) => {
  t.match(router!.log, /"apiUrl"/);
  t.notMatch(router!.log, /"url"/);
  t.equal((await ask(router!.apiPort, '/ready')).status, 200);
  t.equal((await ask(router!.apiPort, '/stream/123')).status, 404);
});

t.test('without a router the function on Redis sends all the same', async (t) => {
  t.equal(await router!.kill('SIGTERM'), 0, 'it stops gracefully');
  const stream = await openStream(gateway!.port, '/stream/123');
  t.equal(await sendByName('without a router'), 1);
  await stream.saw('without a router');
  await stream.close();
  const wire = await Wire.open(gateway!.apiPort);
  wire.ask('/ready');
  t.equal((await wire.untilComplete()).status, 200, 'a gateway is ready all the same');
  await wire.close();
  t.equal(await gateway!.kill('SIGTERM'), 0);
});

t.test('half of the work alone is of no use without Redis', async (t) => {
  for (const role of ['gateway', 'router']) {
    const outcome = await encke([role, '--port', '0', '--api-port', '0']);
    t.match(outcome, { code: 2, stdout: '', stderr: /--engine redis/ });
    t.match(outcome.stderr, new RegExp(`^encke ${role}: [^\\n]+\\.\\n$`));
  }
});

t.test('help says which settings mean nothing to a role', async (t) => {
  const [gatewayHelp, routerHelp] = await Promise.all(
    ['gateway', 'router'].map(async (role) => (await encke([role, '--help'])).stdout),
  );
  const unusedIn = (help: string) => help.split('mean nothing here:')[1]!.split('\n\n')[0]!;
  t.match(unusedIn(gatewayHelp!), '--batch-bytes-max');
  t.notMatch(unusedIn(gatewayHelp!), '--port,');
  t.match(unusedIn(routerHelp!), '--port,');
  t.match(unusedIn(routerHelp!), '--mqtt-token');
  t.notMatch(unusedIn(routerHelp!), '--batch-bytes-max');
  t.match(gatewayHelp, /^ {2}--port <value>/m);
  t.notMatch(routerHelp, /^ {2}--port <value>/m, 'and does not explain them');
});

t.test('a router does not mind settings of gateways that would stop one', async (t) => {
  const [bare] = await startRedisNodes(
    t,
    [redis.url],
    [
      {
        name: 'router-2',
        role: 'router',
        environment: { ENCKE_HOST: '0.0.0.0' },
        flags: ['--name', 'halley'],
      },
    ],
  );
  t.equal((await ask(bare!.apiPort, '/ready')).status, 200);
});
