import mqtt from 'mqtt';
import t from 'tap';
import type { z } from 'zod';
import { apiRoutes } from '../../admin/api/routes.js';
import * as shapes from '../../admin/api/shapes.js';
import { type GatewayProcess, startProcess } from '../gateway-process.js';
import { RedisServer } from '../redis-server.js';
import { until } from '../until.js';

const admin = ['--admin-port', '0'];

/** A request to the admin API of a gateway. Good answers are checked against their shapes, strictly. */
async function call<Shape extends z.ZodObject>(
  gateway: GatewayProcess,
  shape: Shape,
  path: string,
  method = 'GET',
  body?: object,
): Promise<z.output<Shape>> {
  const response = await fetch(`${gateway.adminUrl}/api/v1/${path}`, {
    method,
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${response.status}: ${text}`);
  return shape.strict().parse(JSON.parse(text)) as z.output<Shape>;
}

async function refusal(
  gateway: GatewayProcess,
  path: string,
  method = 'GET',
  body?: object,
): Promise<string> {
  const response = await fetch(`${gateway.adminUrl}/api/v1/${path}`, {
    method,
    ...(body && { body: JSON.stringify(body) }),
  });
  return `${response.status} ${await response.text()}`;
}

t.test('clients of all transports are listed, shown and ended', async (t) => {
  const gateway = await startProcess({ flags: admin });
  t.teardown(() => gateway.kill());
  const stream = await fetch(`${gateway.url}/stream?id=123&id=news`);
  const poll = fetch(`${gateway.url}/poll/123?timeout=100`).catch(() => undefined);
  const client = mqtt.connect(`${gateway.url.replace('http', 'ws')}/mqtt`, {
    clientId: 'sensor/7',
    clean: false,
    keepalive: 30,
    reconnectPeriod: 0,
  });
  t.teardown(() => client.endAsync(true));
  await client.subscribeAsync('a/+', { qos: 1 });
  await until(
    'all three are there',
    async () => (await call(gateway, shapes.clientsShape, 'clients')).clients.length === 3,
  );

  const { clients, next, unanswered } = await call(gateway, shapes.clientsShape, 'clients');
  t.equal(next, null);
  t.same(unanswered, []);
  t.same(clients.map(({ transport }) => transport).sort(), ['long-poll', 'mqtt-ws', 'ndjson']);
  for (const { address, pendingBytes } of clients)
    t.match({ address, pendingBytes }, { address: '127.0.0.1', pendingBytes: 0 });
  const only = async (query: string) =>
    (await call(gateway, shapes.clientsShape, `clients?${query}`)).clients;
  t.match(await only('transport=ndjson'), [{ ids: ['123', 'news'], idsCount: 2 }]);
  t.match(await only('clientId=sensor/7'), [{ transport: 'mqtt-ws', ids: ['a/+'] }]);
  t.same((await only('id=123')).map(({ transport }) => transport).sort(), ['long-poll', 'ndjson']);
  t.equal((await only('id=a/%2B')).length, 1);
  t.same(await only('address=10.0.0.1'), []);
  t.same(await only('slow=true'), []);
  t.match(await refusal(gateway, 'clients?colour=red'), /^400 .*colour.*transport/);
  t.match(await refusal(gateway, 'clients?limit=0'), /^400 limit/);
  t.match(await refusal(gateway, 'clients?cursor=xx'), /^400 .*cursor/);

  const first = await call(gateway, shapes.clientsShape, 'clients?limit=2');
  t.equal(first.clients.length, 2);
  const second = await call(gateway, shapes.clientsShape, `clients?limit=2&cursor=${first.next}`);
  const paged = [...first.clients, ...second.clients].map(({ connection }) => connection);
  t.same(new Set(paged), new Set(clients.map(({ connection }) => connection)));
  t.equal(second.next, null);

  const shown = await call(gateway, shapes.clientShape, `clients/${encodeURIComponent('sensor/7')}`);
  t.match(shown.client, {
    clientId: 'sensor/7',
    keepAliveSec: 30,
    superuser: true,
    subscriptions: [{ filter: 'a/+', qos: 1 }],
    session: { persistent: true, inflight: 0, queued: 0 },
  });
  const [ndjson] = await only('transport=ndjson');
  const ended = await call(gateway, shapes.endedShape, `clients/${ndjson!.connection}`, 'DELETE');
  t.match(ended.ended, { transport: 'ndjson' });
  await stream.text(); // its end
  t.match(await refusal(gateway, `clients/${ndjson!.connection}`), /^404 /);
  t.match(await refusal(gateway, 'clients/0-0.0', 'DELETE'), /^404 /);
  const stats = await gateway.stats();
  t.equal(stats.connections.closed.kicked, 1);
  t.match(await refusal(gateway, 'kick', 'POST', {}), /^400 /);
  t.match(
    await refusal(gateway, 'kick', 'POST', { user: ['alice'] }),
    /^400 /,
    'a misspelt member is no empty list',
  );
  t.match(await call(gateway, shapes.kickedShape, 'kick', 'POST', { clientIds: ['sensor/7'] }), {
    kicked: 1,
  });
  const [polling] = await only('transport=long-poll');
  await call(gateway, shapes.endedShape, `clients/${polling!.connection}`, 'DELETE');
  await poll;
});

t.test('the name of a connection is never that of another one in its slot', async (t) => {
  const gateway = await startProcess({ flags: admin });
  t.teardown(() => gateway.kill());
  const abort = new AbortController();
  await fetch(`${gateway.url}/stream/first`, { signal: abort.signal });
  const { clients } = await call(gateway, shapes.clientsShape, 'clients');
  abort.abort();
  await until('its slot is free', async () => (await gateway.stats()).connections.open === 0);
  const other = await fetch(`${gateway.url}/stream/second`);
  t.teardown(() => other.body?.cancel().catch(() => {}));
  t.match(await refusal(gateway, `clients/${clients[0]!.connection}`, 'DELETE'), /^404 /);
  t.equal((await gateway.stats()).connections.open, 1);
});

t.test('sessions are listed, shown and ended', async (t) => {
  const gateway = await startProcess({ flags: admin });
  t.teardown(() => gateway.kill());
  const url = `${gateway.url.replace('http', 'ws')}/mqtt`;
  for (const clientId of ['one', 'two', 'three']) {
    const client = await mqtt.connectAsync(url, { clientId, clean: false, reconnectPeriod: 0 });
    await client.subscribeAsync('123', { qos: 1 });
    if (clientId !== 'three') await client.endAsync();
    else t.teardown(() => client.endAsync(true));
  }
  await until('two are away', async () => (await gateway.stats()).mqtt.sessions.connected === 1);
  await gateway.send('123', 'waits');
  const { sessions } = await call(gateway, shapes.sessionsShape, 'sessions');
  t.equal(sessions.length, 3);
  const list = async (query: string) =>
    (await call(gateway, shapes.sessionsShape, `sessions?${query}`)).sessions;
  t.match(await list('connected=true'), [{ clientId: 'three', connected: true, subscriptions: 1 }]);
  t.same(
    (await list('waiting=true&connected=false')).map(({ clientId, queued }) => [clientId, queued]).sort(),
    [
      ['one', 1],
      ['two', 1],
    ],
  );
  const first = await call(gateway, shapes.sessionsShape, 'sessions?limit=2');
  t.equal(first.sessions.length, 2);
  const second = await call(gateway, shapes.sessionsShape, `sessions?limit=2&cursor=${first.next}`);
  t.equal(new Set([...first.sessions, ...second.sessions].map(({ clientId }) => clientId)).size, 3);
  t.match(await refusal(gateway, `sessions?cursor=${first.next}`), /^410 /, 'a cursor is for one request');

  t.match(await call(gateway, shapes.sessionShape, 'sessions/one'), {
    session: { connected: false, persistent: true, queued: 1, address: '127.0.0.1' },
  });
  await call(gateway, shapes.sessionShape, 'sessions/one', 'DELETE');
  t.match(await refusal(gateway, 'sessions/one'), /^404 /);
  t.equal(
    (await gateway.stats()).mqtt.sessions.dropped['session-ended'],
    1,
    'its message is counted as lost',
  );
  await call(gateway, shapes.sessionShape, 'sessions/three', 'DELETE');
  await until('its connection is gone', async () => (await gateway.stats()).connections.open === 0);
  t.match(await refusal(gateway, 'sessions/three'), /^404 /);
});

t.test('ids, history and retained messages', async (t) => {
  const gateway = await startProcess({ flags: [...admin, '--history-rules', 'private/# 0 0;# 100 60'] });
  t.teardown(() => gateway.kill());
  const stream = await fetch(`${gateway.url}/stream/room/7`);
  t.teardown(() => stream.body?.cancel().catch(() => {}));
  t.match(await call(gateway, shapes.idShape, 'ids/room/7'), { id: 'room/7', subscribers: 1 });
  t.match(await refusal(gateway, 'ids/a%23'), /^400 /);
  for (const text of ['one', 'two', 'three']) await gateway.send('room/7', text);
  const two = await call(gateway, shapes.messagesShape, 'history/room/7?limit=2');
  t.same(
    two.messages.map(({ data }) => data),
    ['two', 'three'],
  );
  t.match(await refusal(gateway, 'history/private/1'), /^404 .*--history-rules/);

  for (const n of [1, 2, 3])
    await fetch(`${gateway.apiUrl}/send/kept/${n}?retain=1`, {
      method: 'POST',
      body: Buffer.from([n === 3 ? 0xff : 0x41]),
    });
  const { messages } = await call(gateway, shapes.messagesShape, 'retained?filter=kept/%2B');
  const byId = new Map(messages.map((message) => [message.id, message]));
  t.match(byId.get('kept/1'), { data: 'A' });
  t.match(byId.get('kept/3'), { data: '/w==', encoding: 'base64' });
  t.match(await call(gateway, shapes.messagesShape, 'retained?limit=2'), { more: true });
  t.match(await refusal(gateway, 'retained?filter=a%23'), /^400 /);
  t.match(await call(gateway, shapes.clearedShape, `retained/${encodeURIComponent('kept/+')}`, 'DELETE'), {
    cleared: 3,
  });
  t.same((await call(gateway, shapes.messagesShape, 'retained')).messages, []);
});

t.test('slow consumers are ranked by what is pending', async (t) => {
  const gateway = await startProcess({ flags: [...admin, '--socket-unsent-bytes-max', '4096'] });
  t.teardown(() => gateway.kill());
  const stuck = await fetch(`${gateway.url}/stream/stuck`);
  t.teardown(() => stuck.body?.cancel().catch(() => {}));
  const payload = 'x'.repeat(60_000);
  await until('one is slow', async () => {
    await gateway.send('stuck', payload);
    return (await call(gateway, shapes.slowShape, 'slow')).clients.length === 1;
  });
  const { clients } = await call(gateway, shapes.slowShape, 'slow?limit=1');
  t.match(clients, [{ ids: ['stuck'] }]);
  const listed = (await call(gateway, shapes.clientsShape, 'clients?slow=true')).clients;
  t.equal(listed.length, 1);
});

t.test('the log level changes while it runs', async (t) => {
  const gateway = await startProcess({ flags: [...admin, '--log-level', 'error'] });
  t.teardown(() => gateway.kill());
  const kick = () => refusal(gateway, 'sessions/nobody', 'DELETE');
  t.match(await kick(), /^404/);
  const { nodes } = await call(gateway, shapes.logLevelShape, 'log-level', 'PUT', { level: 'debug' });
  t.equal(nodes.length, 1);
  t.match((await call(gateway, shapes.nodesShape, 'nodes')).nodes, [{ logLevel: 'debug', ready: true }]);
  t.match(await refusal(gateway, 'log-level', 'PUT', { level: 'loud' }), /^400 level/);
  t.match(await refusal(gateway, 'log-level', 'PUT', { level: 'info', node: 'nobody' }), /^404 /);
});

t.test('a drained node takes no clients, and takes them again', async (t) => {
  const gateway = await startProcess({ flags: admin });
  t.teardown(() => gateway.kill());
  const stream = await fetch(`${gateway.url}/stream/123`);
  t.match(await refusal(gateway, 'undrain', 'POST'), /^409 /);
  t.match(await call(gateway, shapes.drainShape, 'drain', 'POST', { seconds: 0 }), { draining: true });
  await stream.text(); // its end
  await until('nobody is connected', async () => (await gateway.stats()).connections.open === 0);
  const ready = await fetch(`${gateway.adminUrl}/ready`);
  t.equal(ready.status, 503);
  t.match(await ready.text(), 'draining');
  await t.rejects(fetch(`${gateway.url}/stream/123`), 'connection refused');
  t.match(await refusal(gateway, 'drain', 'POST'), /^409 /);
  t.match(await call(gateway, shapes.drainShape, 'undrain', 'POST', {}), { draining: false });
  await until('it listens again', async () => (await fetch(`${gateway.adminUrl}/ready`)).status === 200);
  const again = await fetch(`${gateway.url}/stream/123`);
  t.equal(again.status, 200);
  await again.body?.cancel();
});

t.test('a drain that is undone ends nobody any more, also where another one begins', async (t) => {
  const gateway = await startProcess({ flags: admin });
  t.teardown(() => gateway.kill());
  const streams = await Promise.all(
    Array.from({ length: 20 }, (_, n) => fetch(`${gateway.url}/stream/${n}`)),
  );
  const overMs = performance.now() + 2_500;
  await call(gateway, shapes.drainShape, 'drain', 'POST', { seconds: 2 });
  await call(gateway, shapes.drainShape, 'undrain', 'POST', {});
  await until('it listens again', async () => (await fetch(`${gateway.adminUrl}/ready`)).status === 200);
  await call(gateway, shapes.drainShape, 'drain', 'POST', { seconds: 3600 });
  const { open } = (await gateway.stats()).connections;
  t.ok(open > 0, 'the first has not ended all of them before it was undone');
  await until('the time of the first drain is over', () => performance.now() > overMs);
  t.ok((await gateway.stats()).connections.open >= open - 1, 'the second ends one in some minutes');
  for (const stream of streams) await stream.body?.cancel().catch(() => {});
});

t.test('a node whose Redis is away can be drained', async (t) => {
  const redis = await RedisServer.start();
  t.teardown(() => redis.stop());
  const flags = ['--engine', 'redis', '--redis', redis.url, '--name', 'away', '--drain-sec', '0'];
  const gateway = await startProcess({ flags: [...flags, ...admin] });
  t.teardown(() => gateway.kill());
  redis.pause();
  await until('it is away', async () => (await fetch(`${gateway.adminUrl}/ready`)).status === 503);
  t.match(await call(gateway, shapes.drainShape, 'drain', 'POST', { seconds: 0 }), { draining: true });
  t.match(await (await fetch(`${gateway.adminUrl}/ready`)).text(), 'draining');
  redis.resume();
});

t.test('the OpenAPI document has each route, and each answer has the shape that it says', async (t) => {
  const gateway = await startProcess({ flags: admin });
  t.teardown(() => gateway.kill());
  const document = await (await fetch(`${gateway.adminUrl}/openapi.json`)).json();
  const { paths } = document as { paths: Record<string, Record<string, object>> };
  for (const { method, path } of apiRoutes({} as never))
    t.ok(paths[path]?.[method.toLowerCase()], `${method} ${path}`);
  t.match(document, { openapi: /^3\.1/ });
  t.match(paths['/api/v1/clients']!.get, {
    parameters: [{ name: 'limit', in: 'query', schema: { type: 'integer', maximum: 1000 } }],
    responses: {
      200: { content: { 'application/json': { schema: { required: ['clients', 'next', 'unanswered'] } } } },
    },
  });
});

t.test('in a cluster each entry says its node, and a node that does not answer is named', async (t) => {
  const redis = await RedisServer.start();
  t.teardown(() => redis.stop());
  const flags = ['--engine', 'redis', '--redis', redis.url, '--name', 'api'];
  const [one, two] = await Promise.all([
    startProcess({ flags: [...flags, ...admin, '--node-name', 'one', '--count-wait-ms', '10000'] }),
    startProcess({ flags: [...flags, '--node-name', 'two'] }), // without a listener of its own
  ]);
  t.teardown(() => Promise.all([one.kill(), two.kill()]));
  const streams = await Promise.all([fetch(`${one.url}/stream/1`), fetch(`${two.url}/stream/2`)]);
  t.teardown(() => streams.map((stream) => stream.body?.cancel().catch(() => {})));
  await until('both are listed', async () => {
    const { clients } = await call(one, shapes.clientsShape, 'clients');
    return clients.length === 2;
  });
  const { clients } = await call(one, shapes.clientsShape, 'clients');
  t.same(clients.map(({ node, ids }) => [node, ids]).sort(), [
    ['one', ['1']],
    ['two', ['2']],
  ]);
  const far = clients.find(({ node }) => node === 'two')!;
  t.match(await call(one, shapes.clientShape, `clients/${far.connection}`), {
    client: { node: 'two', ids: ['2'] },
  });
  t.same(
    (await call(one, shapes.nodesShape, 'nodes')).nodes.map(({ node }) => node),
    ['one', 'two'],
  );
  await call(one, shapes.logLevelShape, 'log-level', 'PUT', { level: 'warn', node: 'two' });
  t.same(
    (await call(one, shapes.nodesShape, 'nodes')).nodes.map(({ logLevel }) => logLevel),
    ['info', 'warn'],
  );
  await call(one, shapes.drainShape, 'drain', 'POST', { node: 'two', seconds: 0 });
  await until(
    'its connection is gone',
    async () => (await call(one, shapes.clientsShape, 'clients')).clients.length === 1,
  );

  two.child.kill('SIGSTOP');
  t.teardown(() => two.child.kill('SIGCONT'));
  const { unanswered, nodes } = await call(one, shapes.nodesShape, 'nodes');
  t.same(
    nodes.map(({ node }) => node),
    ['one'],
  );
  t.same(unanswered, ['two']);
});
