import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { secret, sign } from '../../access/tokens.js';
import { encke } from '../../cli/encke.js';
import { connect } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { GatewayProcess } from '../../gateway-process.js';
import { until } from '../../until.js';
import { openRaw } from '../mqtt/raw-client.js';
import { ask, basic, bearer, streamAs, type Wire } from '../raw-wire.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/** Kicks and refreshes concern all nodes, whichever of them is asked. */

const apiToken = '0123456789abcdef';
const redis = await redisServer(t);
const usersFile = join(t.testdir({ users: '' }), 'users');
const bobMay = (...rules: string[]) =>
  writeFileSync(usersFile, `user bob {plain}secret\n${rules.join('\n')}\n`);
bobMay('allow subscribe a');
const flags = [
  ...['--auth', 'jwt,file', '--auth-jwt-secret', secret, '--api-token', apiToken],
  ...['--auth-file', usersFile],
];
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

t.test('encke kick ends connections on all nodes', async (t) => {
  const alice = await sign({ sub: 'alice', subs: ['#'] });
  const bob = await sign({ sub: 'bob', subs: ['#'] });
  const streams = [
    await streamAs(t, one.port, '/events/a', bearer(alice)),
    await streamAs(t, two.port, '/stream/a', bearer(alice)),
  ];
  const device = await openRaw(t, two);
  device.send(connect({ clientId: 'device', userName: '', password: alice }));
  t.match(await device.next(), { type: 'CONNACK', returnCode: 0 });
  const other = await streamAs(t, two.port, '/events/a', bearer(bob));
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

t.test('streams are refreshed by way of another node, or end there', async (t) => {
  // Long enough for a busy machine; they are told of it at half of its time.
  const endSec = Math.floor(Date.now() / 1000) + 20;
  const short = await sign({ sub: 'alice', subs: ['a', 'b'], exp: endSec });
  const ofBob = await sign({ sub: 'bob', subs: ['a'], exp: endSec });
  const [wire, lost, bobs] = await Promise.all([
    streamAs(t, one.port, '/events/a', bearer(short)),
    streamAs(t, one.port, '/events/b', bearer(short)),
    streamAs(t, one.port, '/events/a', bearer(ofBob)),
  ]);
  const refresh = async (handle: string, subs: string[], sub = 'alice') =>
    ask(two.port, `/refresh?stream=${handle}`, { method: 'POST', ...bearer(await sign({ sub, subs })) });
  const [handle, handleOfLost] = [await handleIn(wire), await handleIn(lost)];
  t.equal((await refresh(handle, ['#'], 'eve')).status, 403);
  t.equal((await refresh(handle, ['a'])).status, 200);
  t.equal((await refresh(handle, ['a'])).status, 404, 'the handle was good for once');
  const refused = await refresh(handleOfLost, ['a']);
  t.equal(refused.status, 403);
  t.match(refused.text, /You may not read "b"\. The stream has ended\./);
  await lost.untilComplete();
  t.match(lost.text, /event: closed\ndata: \{"reason":"not-allowed"\}/);
  const byFile = await ask(two.port, `/refresh?stream=${await handleIn(bobs)}`, {
    method: 'POST',
    ...basic('bob', 'secret'),
  });
  t.equal(byFile.status, 200);
  await until('the first token has ended', () => Date.now() / 1000 > endSec + 2, 60_000);
  const sent = await ask(router.apiPort, '/send/a', {
    method: 'POST',
    body: 'still here',
    ...bearer(apiToken),
  });
  t.match(sent.json, { delivered: 2 });
  await wire.saw('still here');
  await wire.close();
  await bobs.saw('still here');
  bobMay('allow subscribe other');
  await bobs.untilComplete();
  t.match(bobs.text, /\{"reason":"not-allowed"\}/, 'it follows the file of users, on the node that has it');
});

async function handleIn(wire: Wire): Promise<string> {
  await wire.saw('"stream":"', 60_000);
  await wire.saw('"}');
  return JSON.parse(/\{"expires".*\}/.exec(wire.text)![0]).stream;
}
