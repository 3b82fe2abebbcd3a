import t, { type Test } from 'tap';
import { CircuitBreaker } from '../../access/circuit-breaker.js';
import { cacheSecOf } from '../../access/http-hook/hook-answer.js';
import { HookUsers, type HookUsersOptions } from '../../access/http-hook/hook-users.js';
import { IdentityCache } from '../../access/identity-cache.js';
import { passwordAuthenticatorContract, passwordOfContract } from '../contracts/authenticator.js';
import { until } from '../until.js';
import { type GivenCredentials, identityIn, mqttCredentials } from './credentials.js';
import { type HookMood, HookServer } from './hook-server.js';

/** Users that a real service knows, which is not always well. */

/** Longer than a busy machine takes for an answer; where a test waits for the end of it, it is shorter. */
const generousMs = 20_000;

async function open(t: Test, options: Partial<HookUsersOptions> = {}) {
  const server = await HookServer.start();
  const troubles: string[] = [];
  const unusable: string[] = [];
  const users = new HookUsers({
    url: server.url,
    token: '',
    timeoutMs: generousMs,
    connectionsMax: 4,
    cache: new IdentityCache({ bytesMax: 1_000_000, ageSec: 60 }),
    failsOpen: false,
    onUnusableAnswer: ({ message }) => unusable.push(message),
    onTrouble: (error) =>
      troubles.push((error as Error).message || String((error as { code: unknown }).code)),
    ...options,
  });
  t.teardown(async () => {
    await users.stop();
    await server.stop();
  });
  return { server, users, troubles, unusable };
}

function ask(users: HookUsers, credentials: GivenCredentials) {
  return users.authenticate(mqttCredentials(credentials));
}

const alice = { userName: 'alice', password: 'secret' };

passwordAuthenticatorContract('an HTTP hook', async () => {
  const { server, users } = await open(t);
  server.answer = ({ body: { userName, password } }) => {
    if (userName !== 'alice') return { result: 'unknown' };
    if (password !== passwordOfContract) return { result: 'deny' };
    return { result: 'allow', rules: ['allow subscribe user/%u/#'] };
  };
  return { authenticator: users };
});

t.test('the service is told what the client gives, and nothing that it does not', async (t) => {
  const { server, users } = await open(t, { token: 'of-the-service' });
  await ask(users, { ...alice, clientId: 'c1' });
  t.match(server.seen[0], { method: 'POST', path: '/encke/connect', authorization: 'Bearer of-the-service' });
  t.strictSame(server.seen[0]!.body, {
    action: 'connect',
    transport: 'mqtt',
    address: '::1',
    clientId: 'c1',
    ...alice,
  });
  await ask(users, { transport: 'http', token: 'abc' });
  t.strictSame(server.seen[1]!.body, { action: 'connect', transport: 'http', address: '::1', token: 'abc' });
  await ask(users, { userName: 'bytes', password: Buffer.from([0xff, 0]) });
  t.match(server.seen[2]!.body, { passwordBase64: '/wA=' });
  t.equal(
    (await ask(users, { clientId: 'c1' })).outcome,
    'unknown',
    'nobody is asked about a client id alone',
  );
  t.equal(server.seen.length, 3);
});

t.test('the answer says the name, superuser, rules in order, and when it ends', async (t) => {
  const { server, users } = await open(t);
  server.answer = () => ({
    result: 'allow',
    userName: 'alice@example.com',
    rules: ['deny publish a/b', 'allow publish a/+', 'allow subscribe with space/#'],
    expiresInSec: 3600,
    somethingNew: true,
  });
  const { userName, rules, expiresAtMs, isSuperuser } = identityIn(await ask(users, alice));
  t.equal(userName, 'alice@example.com');
  t.equal(isSuperuser, false);
  t.equal(rules.permissionOf(userName, undefined, 'publish', 'a/b'), 'deny');
  t.equal(rules.permissionOf(userName, undefined, 'publish', 'a/c'), 'allow');
  t.equal(rules.permissionOf(userName, undefined, 'subscribe', 'with space/x'), 'allow');
  t.ok(Math.abs(expiresAtMs! - Date.now() - 3_600_000) < 60_000);
  server.answer = () => ({ result: 'allow', superuser: true });
  const root = identityIn(await ask(users, { userName: 'root', password: 'x' }));
  t.match(root, { userName: 'root', isSuperuser: true, expiresAtMs: undefined });
  const ofToken = identityIn(await ask(users, { token: 'x' }));
  t.equal(ofToken.userName, undefined);
  for (const beside of [{ token: 'x' }, { certificateNames: ['x'] }, { token: 'x', password: 'x' }]) {
    const { userName } = identityIn(await ask(users, { userName: 'root', ...beside }));
    t.equal(userName, undefined, 'nobody has checked a name beside a token or a certificate');
  }
});

t.test('answers are kept as they say', async (t) => {
  const { server, users } = await open(t);
  const asksFor = async (userName: string, headers: Record<string, string>) => {
    server.headers = headers;
    const before = server.seen.length;
    await ask(users, { ...alice, userName });
    await ask(users, { ...alice, userName });
    return server.seen.length - before;
  };
  t.equal(await asksFor('default', {}), 1);
  t.equal(await asksFor('kept', { 'Cache-Control': 'private, max-age=60' }), 1);
  t.equal(await asksFor('never', { 'Cache-Control': 'no-store' }), 2);
  t.equal(await asksFor('zero', { 'Cache-Control': 'max-age=0' }), 2);
  server.headers = {};
  for (const other of [
    { clientId: 'c2' },
    { address: '::2' },
    { password: 'x' },
    { transport: 'http' as const },
  ]) {
    const before = server.seen.length;
    await ask(users, { ...alice, userName: 'default', ...other });
    t.equal(server.seen.length - before, 1, `not for ${JSON.stringify(other)}`);
  }
  server.answer = () => ({ result: 'deny' });
  const before = server.seen.length;
  for (let n = 0; n < 2; n++)
    t.equal((await ask(users, { userName: 'b', password: 'x' })).outcome, 'refused');
  t.equal(server.seen.length - before, 2, 'a refusal is not kept');

  const headers: [string, number | undefined][] = [
    ['', undefined],
    ['public', undefined],
    ['max-age=30', 30],
    ['Max-Age="30"', 30],
    ['s-maxage=30', undefined],
    ['max-age=99999999999', 3_153_600_000],
    ['max-age=10, no-cache', 0],
    ['NO-STORE', 0],
    ['x-no-store-y', undefined],
  ];
  for (const [header, sec] of headers) t.equal(cacheSecOf(header), sec, header);
});

t.test('the same client that comes several times at once is asked about once', async (t) => {
  const { server, users } = await open(t);
  server.hold();
  const asked = [1, 2, 3].map(() => ask(users, alice));
  await until('it is asked', () => server.seen.length === 1);
  server.release();
  for (const each of asked) t.equal((await each).outcome, 'accepted');
  t.equal(server.seen.length, 1);
});

t.test('no more connections than are set, and they are kept', async (t) => {
  const { server, users } = await open(t);
  server.hold();
  const crowd = Array.from({ length: 50 }, (_, n) => ask(users, { userName: `u${n}`, password: 'x' }));
  await until('all connections are busy', () => server.seen.length === 4);
  server.release();
  for (const each of crowd) t.equal((await each).outcome, 'accepted');
  t.equal(server.seen.length, 50);
  t.equal(server.atOnceMax, 4);
  t.equal(server.connections, 4);
  server.cutConnections();
  t.equal(
    (await ask(users, { userName: 'later', password: 'x' })).outcome,
    'accepted',
    'kept ones that were closed',
  );
});

t.test(
  'an answer that is none is about one client: unavailable, told, and nobody else is kept out',
  async (t) => {
    const { server, users, troubles, unusable } = await open(t, {
      failsOpen: true,
      breaker: new CircuitBreaker(1_000_000),
    });
    const undecided = { outcome: 'unavailable', sentence: /has failed to decide about you/ };
    for (const status of [201, 302, 400, 401, 403, 404, 429, 500, 501]) {
      server.mood = 'fails';
      server.failsWith = status;
      t.match(await ask(users, alice), undecided, `${status}`);
      t.match(unusable.at(-1), new RegExp(`it has answered ${status}`));
    }
    const moods: [HookMood, RegExp][] = [
      ['nonsense', /its answer is not JSON/],
      ['redirects', /it has answered 302/],
      ['huge', /more than 131072 bytes/],
    ];
    for (const [mood, message] of moods) {
      server.mood = mood;
      t.match(await ask(users, alice), undecided, mood);
      t.match(unusable.at(-1), message, mood);
    }
    server.mood = 'good';
    const answers: [unknown, RegExp][] = [
      [{}, /at result/],
      [[], /its answer is none/],
      [{ result: 'yes' }, /at result/],
      [{ result: 'allow', rules: 'allow all #' }, /at rules/],
      [{ result: 'allow', rules: ['allow all a#'] }, /at rules\.0: In a topic filter/],
      [{ result: 'allow', rules: ['permit all a'] }, /at rules\.0: A rule is/],
      [{ result: 'allow', rules: Array(1001).fill('allow all a') }, /at rules/],
      [{ result: 'allow', superuser: 'no' }, /at superuser/],
      [{ result: 'allow', userName: '' }, /at userName/],
      [{ result: 'allow', expiresInSec: -1 }, /at expiresInSec/],
    ];
    for (const [answer, message] of answers) {
      server.answer = () => answer;
      t.match(await ask(users, alice), undecided, JSON.stringify(answer).slice(0, 80));
      t.match(unusable.at(-1), message);
    }
    t.notMatch(unusable.join(' '), /secret/);
    t.strictSame(troubles, [], 'it is not away');
    server.answer = () => ({ result: 'allow' });
    t.match(identityIn(await ask(users, alice)), { userName: 'alice' });
  },
);

t.test('a service that cuts its answer, and a proxy without a service behind it: away', async (t) => {
  for (const mood of ['cuts', 'away'] as const) {
    const breaker = new CircuitBreaker(1_000_000);
    const { server, users, troubles } = await open(t, { breaker });
    server.mood = mood;
    for (let n = 0; n < 5; n++)
      t.match(await ask(users, alice), { outcome: 'unavailable', sentence: /cannot be reached/ }, mood);
    t.equal(troubles.length, 5, mood);
    t.equal(breaker.isOpen, true, mood);
  }
});

t.test('a question from before a revocation does not take the place of the one behind it', async (t) => {
  const { server, users } = await open(t);
  server.hold();
  const before = ask(users, alice);
  await until('it is asked', () => server.seen.length === 1);
  users.revoke();
  const behind = ask(users, alice);
  await until('it is asked anew', () => server.seen.length === 2);
  server.releaseFirst();
  await before;
  const joined = ask(users, alice);
  await until('the other one is still held', () => server.heldCount === 1);
  server.release();
  for (const each of [behind, joined]) t.equal((await each).outcome, 'accepted');
  t.equal(server.seen.length, 2);
});

for (const mood of ['hangs', 'drips'] as const) {
  t.test(`an answer that ${mood} is given up`, async (t) => {
    const { server, users, troubles } = await open(t, { timeoutMs: 200, breaker: new CircuitBreaker(0) });
    server.mood = mood;
    t.equal((await ask(users, alice)).outcome, 'unavailable');
    t.match(troubles[0], /has not answered within 200 ms/);
  });
}

t.test('a service that is away is left alone for a while, and found again', async (t) => {
  const breaker = new CircuitBreaker(1_000);
  const { server, users, troubles } = await open(t, { breaker });
  const { port } = server;
  t.equal((await ask(users, alice)).outcome, 'accepted');
  await server.stop();
  const newcomer = (n: number) => ask(users, { userName: `u${n}`, password: 'x' });
  for (let n = 0; n < 5; n++) t.equal((await newcomer(n)).outcome, 'unavailable');
  t.equal(breaker.isOpen, true);
  t.equal(troubles.length, 5);
  t.notOk(ask(users, alice) instanceof Promise, 'the cache goes on');
  t.match(await newcomer(6), { outcome: 'unavailable' });
  await server.listen(port);
  await until('it is found again', async () => (await newcomer(7)).outcome === 'accepted');
  t.equal(breaker.isOpen, false);
  t.equal((await newcomer(8)).outcome, 'accepted');
});

t.test('the circuit breaker lets one request try whether the service is back', async (t) => {
  const breaker = new CircuitBreaker(0);
  for (let n = 0; n < 5; n++) {
    t.equal(breaker.mayAsk(), true);
    breaker.failed();
  }
  t.equal(breaker.mayAsk(), true);
  t.equal(breaker.mayAsk(), false, 'one at a time');
  breaker.failed();
  t.equal(breaker.mayAsk(), true);
  breaker.succeeded();
  t.equal(breaker.isOpen, false);
  const waiting = new CircuitBreaker(1_000_000);
  for (let n = 0; n < 5; n++) waiting.failed();
  t.equal(waiting.mayAsk(), false);
});

t.test(
  'where it is said so, clients are let in while the service is away: without a name and rules',
  async (t) => {
    const { server, users } = await open(t, { failsOpen: true });
    server.mood = 'away';
    for (let n = 0; n < 10; n++) {
      const { userName, isSuperuser, rules } = identityIn(await ask(users, { ...alice, clientId: `${n}` }));
      t.equal(userName, undefined);
      t.equal(isSuperuser, false);
      t.equal(rules.permissionOf('alice', undefined, 'subscribe', 'a'), undefined);
    }
    server.mood = 'good';
    server.answer = () => ({ result: 'deny' });
    await until('it is found again', async () => (await ask(users, alice)).outcome === 'refused');
  },
);
