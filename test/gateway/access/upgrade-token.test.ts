import { pino } from 'pino';
import t, { type Test } from 'tap';
import { unrestricted } from '../../../access/identity.js';
import { authenticatorsOf } from '../../../gateway/authenticators.js';
import { readConfig } from '../../../gateway/config.js';
import { SampledLog } from '../../../gateway/sampled-log.js';
import { secret, sign } from '../../access/tokens.js';
import { connect } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { RawMqtt } from '../../conformance/mqtt-3.1.1/raw-mqtt.js';
import { until } from '../../until.js';
import { openRaw } from '../mqtt/raw-client.js';
import { ask } from '../raw-wire.js';
import { accepted, type RunningGateway, startFor, startInProcess, statsOf, userWith } from './in-process.js';

/** The token of the request that became a WebSocket is the user of a CONNECT without a password. */

const jwt = {
  auth: 'jwt',
  authJwtSecret: secret,
  authJwtCookie: 'session',
  authJwtQuery: 'access_token',
  mqttToken: '0123456789abcdef',
};

async function startJwt(t: Test, flags: Record<string, unknown> = {}): Promise<RunningGateway> {
  const settings = { ...jwt, ...flags };
  const log = new SampledLog(pino({ level: 'silent' }));
  const authenticators = await authenticatorsOf(readConfig({ flags: settings }), log);
  const running = await startInProcess(authenticators, settings);
  t.teardown(() => running.gateway.stop());
  return running;
}

async function returnCode(client: RawMqtt, options: Parameters<typeof connect>[0] = {}): Promise<number> {
  client.send(connect({ clientId: 'page', ...options }));
  const answer = await client.next();
  if (answer.type !== 'CONNACK') throw new Error(`not a CONNACK: ${answer.type}`);
  return answer.returnCode;
}

const keptBytes = (running: RunningGateway): number => statsOf(running).authentication.pendingBytes;

t.test('a cookie, Authorization or the query of the upgrade is enough for a CONNECT', async (t) => {
  const running = await startJwt(t);
  const token = await sign({ sub: 'alice', subs: ['user/%u/#'], pubs: ['user/%u/#'] });
  const ways: [string, Record<string, string>, string?][] = [
    ['cookie', { Cookie: `a=b; session=${token}` }],
    ['authorization', { Authorization: `Bearer ${token}` }],
    ['query', {}, `?access_token=${token}`],
  ];
  for (const [name, headers, query = ''] of ways) {
    const client = await openRaw(t, running, headers, query);
    t.ok(keptBytes(running) > token.length, `${name}: it counts while CONNECT is awaited`);
    t.equal(await returnCode(client, { clientId: name, userName: 'bob' }), 0, name);
    t.equal(keptBytes(running), 0, `${name}: and is forgotten then`);
    await client.subscribe('user/alice/x');
    await t.rejects(client.subscribe('user/bob/x'), /128/, `${name}: alice, whatever name CONNECT has`);
  }
  t.notMatch(running.log(), token, 'no token is in the log');
});

t.test('a CONNECT with a password is the user of that password', async (t) => {
  const running = await startJwt(t);
  const alice = await sign({ sub: 'alice', subs: ['user/%u/#'] });
  const bob = await sign({ sub: 'bob', subs: ['user/%u/#'] });
  const both = await openRaw(t, running, { Cookie: `session=${alice}` });
  t.equal(await returnCode(both, { userName: '', password: bob }), 0);
  await both.subscribe('user/bob/x');
  const wrong = await openRaw(t, running, { Cookie: `session=${alice}` });
  t.equal(await returnCode(wrong, { userName: '', password: 'guess' }), 4);
  const shared = await openRaw(t, running, { Cookie: `session=${alice}` });
  t.equal(await returnCode(shared, { userName: '', password: jwt.mqttToken }), 0);
});

t.test('a page of another origin does not get in with the cookie of the browser', async (t) => {
  const token = await sign({ sub: 'alice', subs: ['#'] });
  const cookie = { Cookie: `session=${token}` };
  const strict = await startJwt(t);
  await t.rejects(openRaw(t, strict, { ...cookie, Origin: 'https://evil.example' }), /403/);
  const named = await startJwt(t, { mqttAllowOrigin: 'https://app.example.com' });
  t.equal(await returnCode(await openRaw(t, named, { ...cookie, Origin: 'https://app.example.com' })), 0);
  await t.rejects(openRaw(t, named, { ...cookie, Origin: 'https://evil.example' }), /403/);
  const open = await startJwt(t, { mqttAllowOrigin: '*' });
  t.equal(await returnCode(await openRaw(t, open, { ...cookie, Origin: 'https://evil.example' })), 5);
  t.equal(
    await returnCode(await openRaw(t, open, { ...cookie, Origin: `http://127.0.0.1:${open.port}` })),
    0,
  );
  const own = { Origin: 'https://evil.example', Authorization: `Bearer ${token}` };
  t.equal(await returnCode(await openRaw(t, open, own)), 0, 'a token that the page has itself is its own');
});

t.test('the shared token is taken from the header alone', async (t) => {
  const running = await startJwt(t);
  const { mqttToken } = jwt;
  t.equal(await returnCode(await openRaw(t, running, { Cookie: `session=${mqttToken}` })), 5);
  t.equal(await returnCode(await openRaw(t, running, {}, `?access_token=${mqttToken}`)), 5);
  t.equal(await returnCode(await openRaw(t, running, { Authorization: `Bearer ${mqttToken}` })), 0);
});

t.test('streams and polls take the token of the query, and the API does not', async (t) => {
  const running = await startJwt(t);
  const token = await sign({ sub: 'alice', subs: ['a'], pubs: ['a'] });
  t.equal((await ask(running.port, `/poll/a?timeout=0&access_token=${token}`)).status, 204);
  t.equal((await ask(running.port, `/poll/b?timeout=0&access_token=${token}`)).status, 403);
  t.equal((await ask(running.port, `/poll/a?timeout=0&token=${token}`)).status, 401);
  const sent = await ask(running.apiPort, `/send/a?access_token=${token}`, { method: 'POST', body: 'x' });
  t.equal(sent.status, 401);
  t.notMatch(running.log(), token);
});

t.test('a token that waits is forgotten with its connection', async (t) => {
  const { running, authenticator } = await startFor(t, () => accepted(userWith('alice')), {
    authJwtCookie: '',
  });
  const headers = { Authorization: `Bearer ${'x'.repeat(1_000)}` };
  const client = await openRaw(t, running, headers);
  t.ok(keptBytes(running) > 1_000);
  await client.drop();
  await until('it is forgotten', () => keptBytes(running) === 0);
  authenticator.wait();
  const late = await openRaw(t, running, headers);
  late.send(connect({ clientId: 'late' }));
  await until('it is asked', () => authenticator.asked.length === 1);
  t.match(authenticator.asked[0], { token: 'x'.repeat(1_000), clientId: 'late' });
  authenticator.release(accepted(unrestricted));
  t.match(await late.next(), { type: 'CONNACK', returnCode: 0 });
  t.equal(keptBytes(running), 0);
});

t.test('past the limit for bytes that are kept, the upgrade is answered 503', async (t) => {
  const { running } = await startFor(t, () => accepted(userWith('alice')), {
    authPendingBytesTotalMax: 64 * 1024,
    budgetSharePerAddress: 1,
    mqttMaxPendingConnects: 0,
  });
  const headers = { Authorization: `Bearer ${'x'.repeat(3_000)}` };
  const clients: RawMqtt[] = [];
  for (let n = 0; n < 20; n++) clients.push(await openRaw(t, running, headers));
  await t.rejects(openRaw(t, running, headers), /503/);
  t.equal(await returnCode(await openRaw(t, running), { password: 'p', userName: 'u' }), 0, 'others come in');
  t.equal(await returnCode(clients[0]!), 0);
  await openRaw(t, running, headers);
});
