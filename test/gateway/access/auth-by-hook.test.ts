import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectAsync } from 'mqtt';
import t, { type Test } from 'tap';
import { HookServer } from '../../access/hook-server.js';
import { startGateway } from '../../gateway-process.js';
import { until } from '../../until.js';
import { ask, basic, bearer, Wire } from '../raw-wire.js';

/** `encke start --auth http`, as an operator starts it beside a service of their own. */

async function start(t: Test, ...flags: string[]) {
  const server = await HookServer.start();
  const token = join(t.testdir({ token: 'token-of-the-service' }), 'token');
  writeFileSync(token, 'token-of-the-service\n');
  const gateway = await startGateway({
    flags: [
      ...['--auth', 'http', '--auth-http', server.url, '--auth-http-token-file', token],
      ...['--auth-http-timeout-ms', '7000', '--auth-timeout-ms', '7000', ...flags],
    ],
  });
  t.teardown(async () => {
    await gateway.kill();
    await server.stop();
  });
  const poll = async (id: string, request = {}) =>
    (await ask(gateway.port, `/poll/${id}?timeout=0`, request)).status;
  return { server, gateway, poll };
}

t.test('streams, sends and MQTT: the service says who may what, and is asked once', async (t) => {
  const { server, gateway, poll } = await start(t);
  server.answer = ({ body }) => {
    if (body.token === 'cookie-of-a-session')
      return { result: 'allow', userName: 'carol', rules: ['allow all #'] };
    if (body.userName === 'root') return { result: 'allow', superuser: true };
    if (body.userName !== 'alice') return { result: 'unknown' };
    if (body.password !== 's:cret') return { result: 'deny' };
    return { result: 'allow', rules: ['deny subscribe user/alice/in', 'allow all user/%u/#'] };
  };
  const alice = basic('alice', 's:cret');
  t.equal(await poll('user/alice/x', alice), 204);
  t.match(server.seen[0], { authorization: 'Bearer token-of-the-service', body: { address: '127.0.0.1' } });
  t.equal(await poll('user/alice/in', alice), 403);
  t.equal(await poll('user/bob/x', alice), 403);
  t.equal(await poll('any', bearer('cookie-of-a-session')), 204);
  t.equal(server.seen.length, 2, 'what it says is kept');
  const { authentication } = (await ask(gateway.apiPort, '/stats', basic('root', 'x'))).json;
  t.match(authentication, { cacheHits: 2, cacheMisses: 3 });
  t.ok(authentication.cacheBytes > 900, `${authentication.cacheBytes} bytes of three`);
  t.equal(await poll('user/alice/x', basic('alice', 'wrong')), 401);
  t.equal(await poll('user/alice/x', basic('bob', 'x')), 401);
  t.equal(await poll('user/alice/x'), 401);
  const credentials = { username: 'alice', password: 's:cret', reconnectPeriod: 0, connectTimeout: 20_000 };
  const client = await connectAsync(
    `ws://127.0.0.1:${gateway.port}/mqtt`,
    { ...credentials, clientId: 'c1' },
    false,
  );
  t.match(server.seen.at(-1)!.body, { transport: 'mqtt', clientId: 'c1', userName: 'alice' });
  const asked = server.seen.length;
  await client.subscribeAsync('user/alice/#').then(
    () => t.fail('it would read user/alice/in'),
    (error) => t.match(error.message, /Unspecified error/),
  );
  await client.publishAsync('user/alice/x', 'y', { qos: 1 });
  t.equal(server.seen.length, asked, 'nobody is asked for a publish or a subscription');
  await client.endAsync();
  t.notMatch(gateway.log, /s:cret|token-of-the-service|cookie-of-a-session/);
});

t.test('a service that says when credentials end, and then goes away', async (t) => {
  const { server, gateway, poll } = await start(t, '--auth-cache-sec', '0');
  server.answer = ({ body: { userName } }) => ({
    result: 'allow',
    rules: ['allow all #'],
    ...(userName === 'short' && { expiresInSec: 2 }),
  });
  const [short, long] = await Promise.all([Wire.open(gateway.port), Wire.open(gateway.port)]);
  short.ask('/stream/a', basic('short', 'x'));
  long.ask('/stream/a', basic('long', 'x'));
  await until('both are open', () => short.chunks.length > 0 && long.chunks.length > 0);
  await until('the one has ended', () => short.complete);
  const { port } = server;
  await server.stop();
  const away = await ask(gateway.port, '/poll/a?timeout=0', basic('long', 'x'));
  t.equal(away.status, 503);
  t.match(away.text, /The service that knows the users cannot be reached/);
  await until('it is told', () => /the service of --auth-http cannot be asked/.test(gateway.log));
  t.notOk(long.complete, 'who is in stays in');
  await server.listen(port);
  await until('it is found again', async () => (await poll('a', basic('long', 'x'))) === 204);
  server.mood = 'hangs';
  t.equal(await poll('a', basic('long', 'y')), 503);
  await long.close();
});

t.test('--auth-http-unavailable allow: without a name, and with the rules for all', async (t) => {
  const { server, gateway, poll } = await start(
    t,
    ...['--auth-http-unavailable', 'allow', '--acl-rules', 'allow subscribe public/#;allow all user/%u/#'],
  );
  server.mood = 'fails';
  for (let n = 0; n < 6; n++) {
    server.failsWith = 400 + n;
    const { status, text } = await ask(gateway.port, '/poll/public/x?timeout=0', basic(`u${n}`, 'x'));
    t.equal(status, 503, 'a service that fails for a client is not away');
    t.match(text, /has failed to decide about you/);
  }
  await until('it is told', () => /has not decided about a client/.test(gateway.log));
  server.mood = 'away';
  t.equal(await poll('public/x', basic('alice', 'x')), 204);
  t.equal(await poll('user/alice/x', basic('alice', 'x')), 403);
  t.equal(await poll('public/x'), 401, 'who gives nothing is not asked about');
});
