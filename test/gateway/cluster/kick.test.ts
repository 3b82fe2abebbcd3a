import t from 'tap';
import { secret, sign } from '../../access/tokens.js';
import { encke } from '../../cli/encke.js';
import { connect } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { GatewayProcess } from '../../gateway-process.js';
import { until } from '../../until.js';
import { openRaw } from '../mqtt/raw-client.js';
import { ask, bearer, Wire } from '../raw-wire.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/** Kicks and refreshes concern all nodes, whichever of them is asked. */

const apiToken = '0123456789abcdef';
const redis = await redisServer(t);
const flags = ['--auth', 'jwt', '--auth-jwt-secret', secret, '--api-token', apiToken];
const nodes = (await startRedisNodes(
  t,
  [redis.url],
  ['gw-1', 'gw-2', { name: 'router', role: 'router' }],
  [...flags, '--auth-jwt-leeway-sec', '0', '--auth-expiry-notice-sec', '3600'],
)) as [GatewayProcess, GatewayProcess, GatewayProcess];
const [one, two, router] = nodes;
await until('they know each other', async () => {
  const stats = await Promise.all(
    nodes.map(({ apiPort }) => ask(apiPort, '/stats?scope=node', bearer(apiToken))),
  );
  return stats.every(({ json }) => json.engine.peers === 2);
});

async function open(node: GatewayProcess, path: string, token: string): Promise<Wire> {
  const wire = await Wire.open(node.port);
  t.teardown(() => wire.close());
  wire.ask(path, bearer(token));
  await until(`${path} is open`, () => wire.chunks.length > 0 || wire.complete);
  t.equal(wire.status, 200);
  return wire;
}

t.test('encke kick ends connections on all nodes', async (t) => {
  const alice = await sign({ sub: 'alice', subs: ['#'] });
  const bob = await sign({ sub: 'bob', subs: ['#'] });
  const streams = [await open(one, '/events/a', alice), await open(two, '/stream/a', alice)];
  const device = await openRaw(t, two);
  device.send(connect({ clientId: 'device', userName: '', password: alice }));
  t.match(await device.next(), { type: 'CONNACK', returnCode: 0 });
  const other = await open(two, '/events/a', bob);
  const kicked = await encke(['kick', '--url', router.apiUrl, '--token', apiToken, 'alice'], {
    timeoutMs: 60_000,
  });
  t.equal(kicked.stderr, '');
  t.same(JSON.parse(kicked.stdout), {
    kicked: 3,
    nodes: [
      { node: 'gw-1', kicked: 1 },
      { node: 'gw-2', kicked: 2 },
    ],
  });
  for (const stream of streams) await stream.untilComplete();
  t.match(streams[0]!.text, /event: closed\ndata: \{"reason":"kicked"\}/);
  await device.untilClosed();
  t.equal(device.closeReason, 'kicked');
  t.notOk(other.complete);
  await other.close();
});

t.test('a stream is refreshed by way of another node', async (t) => {
  const nowSec = Math.floor(Date.now() / 1000);
  const claims = { sub: 'alice', subs: ['a'] };
  // Long enough for a busy machine; it is told of at half of its time.
  const short = await sign({ ...claims, exp: nowSec + 20 });
  const wire = await open(one, '/events/a', short);
  await wire.saw('"stream":"', 60_000);
  const { stream } = JSON.parse(/\{"expires".*\}/.exec(wire.text)![0]);
  const refresh = (token: string) =>
    ask(two.port, `/refresh?stream=${stream}`, { method: 'POST', ...bearer(token) });
  t.equal((await refresh(await sign({ sub: 'eve', subs: ['#'] }))).status, 403);
  const refreshed = await refresh(await sign(claims));
  t.equal(refreshed.status, 200);
  t.equal((await refresh(await sign(claims))).status, 404, 'the handle was good for once');
  await until('the first token has ended', () => Date.now() / 1000 > nowSec + 22, 60_000);
  const sent = await ask(router.apiPort, '/send/a', {
    method: 'POST',
    body: 'still here',
    ...bearer(apiToken),
  });
  t.match(sent.json, { delivered: 1 });
  await wire.saw('still here');
  await wire.close();
});

t.test('a stream of another node that may not be read with the new token ends', async (t) => {
  const nowSec = Math.floor(Date.now() / 1000);
  const wire = await open(one, '/events/a', await sign({ sub: 'alice', subs: ['a'], exp: nowSec + 20 }));
  await wire.saw('"stream":"', 60_000);
  const { stream } = JSON.parse(/\{"expires".*\}/.exec(wire.text)![0]);
  const less = await sign({ sub: 'alice', subs: ['b'] });
  const refused = await ask(two.port, `/refresh?stream=${stream}`, { method: 'POST', ...bearer(less) });
  t.equal(refused.status, 403);
  t.match(refused.text, /You may not read "a"\. The stream has ended\./);
  await wire.untilComplete();
  t.match(wire.text, /event: closed\ndata: \{"reason":"not-allowed"\}/);
});
