import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { connectAsync } from 'mqtt';
import t, { type Test } from 'tap';
import { KeyServer, keyPairs, nowSec, secret, sign } from '../../access/tokens.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { RedisServer } from '../../redis-server.js';
import { until } from '../../until.js';
import { type Ask, ask, basic, bearer, Wire } from '../raw-wire.js';

/** `encke start --auth …` as an operator starts it. */

async function open({ port }: GatewayProcess, path: string, request: Ask): Promise<Wire> {
  const wire = await Wire.open(port);
  wire.ask(path, request);
  await until(`${path} is answered`, () => wire.chunks.length > 0 || wire.complete);
  return wire;
}

async function send({ apiPort }: GatewayProcess, path: string, request: Ask): Promise<number> {
  return (await ask(apiPort, path, { method: 'POST', body: 'hello', ...request })).status;
}

t.test('--auth jwt with a secret in a file: streams, sends, cookie, rules for all', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'encke-auth-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, 'secret'), secret);
  const gateway = await startGateway({
    flags: [
      ...[
        '--auth',
        'jwt',
        '--auth-jwt-secret-file',
        join(directory, 'secret'),
        '--auth-jwt-cookie',
        'session',
      ],
      ...['--acl-rules', 'deny all secret/#;allow subscribe public/#', '--api-token', '0123456789abcdef'],
      ...['--admin-port', '0', '--mqtt-token', 'token-of-the-devices'],
    ],
  });
  t.teardown(() => gateway.kill());
  const alice = await sign({ sub: 'alice', subs: ['user/%u/#'], pubs: ['user/%u/out'] });
  const stream = await open(gateway, '/stream/user/alice/out', bearer(alice));
  t.equal(stream.status, 200);
  t.equal(await send(gateway, '/send/user/alice/out', bearer(alice)), 200);
  await stream.saw('hello');
  await stream.close();
  const statuses: [string, Ask, number][] = [
    ['/stream/user/bob/out', bearer(alice), 403],
    ['/stream/secret/x', bearer(alice), 403],
    ['/poll/public/x?timeout=0', bearer(alice), 204],
    ['/poll/public/x?timeout=0', {}, 401],
    ['/poll/public/x?timeout=0', bearer(`${alice}x`), 401],
    ['/poll/public/x?timeout=0', { headers: { Cookie: `a=b; session=${alice}; c` } }, 204],
    ['/poll/public/x?timeout=0', { headers: { Cookie: `session="${alice}"` } }, 204],
    ['/poll/public/x?timeout=0', { headers: { Cookie: `xsession=${alice}` } }, 401],
    [`/poll/public/x?timeout=0&access_token=${alice}`, {}, 401],
  ];
  for (const [path, request, status] of statuses)
    t.equal((await ask(gateway.port, path, request)).status, status, path);
  t.equal(await send(gateway, '/send/user/bob/out', bearer(alice)), 403);
  t.equal(
    await send(gateway, '/send/user/bob/out', bearer('0123456789abcdef')),
    200,
    'the token of the API may all',
  );
  t.equal(await send(gateway, '/send/user/bob/out', {}), 401);
  const cookie = (token: string): Ask => ({ headers: { Cookie: `session=${token}` } });
  t.equal(await send(gateway, '/send/user/alice/out', cookie(alice)), 200);
  t.equal(await send(gateway, '/send/user/alice/out', cookie('0123456789abcdef')), 401, 'not from a cookie');
  await withTokenAsClientId(t, gateway, alice);
  t.notMatch(gateway.log, new RegExp(alice), 'no token is in the log');
});

/** Some clients give their token as client id, as user name, and in an id: nobody else is told any of these. */
async function withTokenAsClientId(t: Test, gateway: GatewayProcess, token: string): Promise<void> {
  const connectAs = (options: object) =>
    connectAsync(`ws://127.0.0.1:${gateway.port}/mqtt`, { reconnectPeriod: 0, ...options }, false);
  const operator = await connectAs({ username: 'operator', password: 'token-of-the-devices' });
  const events: string[] = [];
  operator.on('message', (topic, payload) => events.push(`${topic} ${payload}`));
  await operator.subscribeAsync('$SYS/brokers/+/clients/#');
  const first = await connectAs({ clientId: token, password: token, username: token });
  const gone = new Promise<void>((resolve) => first.on('close', () => resolve()));
  const second = await connectAs({ clientId: token, password: 'token-of-the-devices', username: token });
  await second.subscribeAsync(`inbox/${token}`);
  await gone;
  await until('the takeover is told', () => /clients\/\[token\]\/disconnected/.test(events.join('\n')));
  await until('it is in the log', () => /"clientId":"\[token\]"/.test(gateway.log));
  const lists = await Promise.all(
    ['clients', 'sessions'].map(async (list) => {
      const answer = await fetch(`${gateway.adminUrl}/api/v1/${list}`, {
        headers: { Authorization: 'Bearer 0123456789abcdef' },
      });
      return answer.text();
    }),
  );
  t.match(lists[0], /"clientId":"\[token\]".*"ids":\["inbox\/\[token\]"\]/);
  t.match(lists[1], /"clientId":"\[token\]"/);
  const told = [...events, ...lists].join('\n');
  t.notOk(told.includes(token.slice(0, 60)), told);
  await Promise.all([second.endAsync(), operator.endAsync()]);
}

t.test('a stream ends with its token, and comes back with a new one and its cursor', async (t) => {
  const apiToken = '0123456789abcdef';
  const gateway = await startGateway({
    flags: [
      '--auth',
      'jwt',
      '--auth-jwt-secret',
      secret,
      '--auth-jwt-leeway-sec',
      '0',
      '--api-token',
      apiToken,
    ],
  });
  t.teardown(() => gateway.kill());
  const claims = { sub: 'alice', subs: ['a'], pubs: ['a'] };
  const short = await sign({ ...claims, exp: nowSec() + 3 });
  const stream = await open(gateway, '/events/a', bearer(short));
  const poll = await Wire.open(gateway.port);
  poll.ask('/poll/a?timeout=60', bearer(short));
  await until('both are open', async () => (await connections()).open === 2);
  const long = await sign(claims);
  await until('the stream has ended', () => stream.complete);
  await until('the poll has ended', () => poll.complete);
  t.equal((await connections()).closed['credentials-expired'], 2);
  t.match((await ask(gateway.port, '/events/a', bearer(short))).text, /has expired/);
  t.equal(await send(gateway, '/send/a', bearer(long)), 200);
  const again = await open(gateway, '/events/a?since=1', bearer(long));
  await again.saw('hello');
  await again.close();

  async function connections() {
    return (await ask(gateway.apiPort, '/stats', bearer(apiToken))).json.connections;
  }
});

t.test('--auth jwt with a key set, and --auth redis behind it', async (t) => {
  const [keys, users] = await Promise.all([KeyServer.start(), RedisServer.start()]);
  const redis = new Redis(users.url);
  t.teardown(async () => {
    keys.stop();
    redis.disconnect();
    await users.stop();
  });
  const pair = keyPairs()[3]!;
  keys.add(pair, 'k1');
  await redis.hset('mqtt_user:bob', { password: 'secret' });
  await redis.hset('mqtt_acl:bob', { 'room/#': '3' });
  await redis.hset('mqtt_user:root', { password: 'secret', is_superuser: '1' });
  const gateway = await startGateway({
    flags: [
      ...['--auth', 'jwt,redis', '--auth-jwt-jwks', keys.url, '--auth-redis', users.url],
      ...['--auth-cache-sec', '0', '--auth-timeout-ms', '7000'],
    ],
  });
  t.teardown(() => gateway.kill());
  const token = await sign({ sub: 'alice', subs: ['room/7'] }, pair.privateKey, pair.algorithm, {
    kid: 'k1',
  });
  const reader = await open(gateway, '/stream/room/7', bearer(token));
  t.equal(reader.status, 200);
  t.equal(await send(gateway, '/send/room/7', basic('bob', 'secret')), 200);
  await reader.saw('hello');
  t.equal(await send(gateway, '/send/room/7', bearer(token)), 403);
  t.equal(await send(gateway, '/send/other', basic('bob', 'secret')), 403);
  t.equal(await send(gateway, '/send/room/7', basic('bob', 'wrong')), 401);
  t.equal((await ask(gateway.apiPort, '/stats', basic('bob', 'secret'))).status, 403);
  t.equal((await ask(gateway.apiPort, '/stats', basic('root', 'secret'))).status, 200);
  await users.kill();
  const away = await ask(gateway.port, '/poll/room/7?timeout=0', basic('bob', 'secret'));
  t.equal(away.status, 503);
  t.match(away.text, /server with the users/);
  t.equal(
    (await ask(gateway.port, '/poll/room/7?timeout=0', bearer(token))).status,
    204,
    'tokens need no Redis',
  );
  t.notOk(reader.complete, 'who is in stays in');
  t.match(gateway.log, /users cannot be read in the Redis of --auth-redis/);
  await users.restart();
  await until(
    'it is back',
    async () => (await ask(gateway.port, '/poll/room/7?timeout=0', basic('bob', 'secret'))).status === 401,
  );
  await reader.close();
});

t.test('a password that Redis refuses is not in the log', async (t) => {
  const users = await RedisServer.start({ acl: ['reader on >right-password ~* +@all'] });
  t.teardown(() => users.stop());
  const url = users.url.replace('//', '//reader:wrong-password@');
  const gateway = await startGateway({ flags: ['--auth', 'redis', '--auth-redis', url] });
  t.teardown(() => gateway.kill());
  t.equal((await ask(gateway.port, '/poll/a', basic('alice', 'secret'))).status, 503);
  await until('it has said why', () => /users cannot be read in the Redis/.test(gateway.log));
  t.match(gateway.log, /WRONGPASS/);
  t.notMatch(gateway.log, /wrong-password|secret/);
});
