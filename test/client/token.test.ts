import t, { type Test } from 'tap';
import { ExpiringIdentity, type Identity, unrestricted } from '../../access/identity.js';
import { Rules } from '../../access/rules.js';
import type { ConnectOptions } from '../../client/index.js';
import { accepted, sendAsRoot, startFor, statsOf } from '../gateway/access/in-process.js';
import { MovedClock } from '../moved-clock.js';
import { oneProcessFile } from '../one-process.js';
import { until } from '../until.js';
import { listen } from './client-parts.js';
import { countedTo } from './listener.js';

/** The option `token` of the client: asked for each request, and when the server says that the token of a stream ends. */

oneProcessFile('the gateway is in this process, with a clock that the test moves');

const rules = Rules.inOrder(
  ['#', '$without/#'].map((filter) => ({ permission: 'allow', action: 'subscribe', filter })),
);

/** The server takes tokens `1`, `2`, …: each lasts for 1,000 s from when it was asked for. */
async function start(t: Test, flags: Record<string, unknown> = {}, userOf = (_token: string) => 'alice') {
  const clock = new MovedClock(t);
  const issued: Identity[] = [];
  const { authenticator, running } = await startFor(
    t,
    ({ token }) => {
      if (token === 'root') return accepted(unrestricted);
      const identity = issued[Number(token) - 1];
      if (identity === undefined) return { outcome: 'unknown' };
      const isOver = identity.expiresAtMs! <= Date.now();
      return isOver
        ? { outcome: 'refused', reason: 'expired', sentence: 'It has ended.' }
        : accepted(identity);
    },
    { authExpiryNoticeSec: 300, ...flags },
  );
  return {
    authenticator,
    clock,
    issued,
    url: `http://127.0.0.1:${running.port}`,
    token(): string {
      const name = String(issued.length + 1);
      issued.push(new ExpiringIdentity(userOf(name), rules, clock.nowSec + 1_000));
      return name;
    },
    send: (id: string, text: string) => sendAsRoot(t, running.apiPort, id, text),
    connections: () => statsOf(running).connections,
  };
}

const sse: Partial<ConnectOptions> = { transport: 'sse' };

t.test('a stream goes on over the ends of its tokens, without a gap and without a callback', async (t) => {
  const { authenticator, clock, url, token, send, connections } = await start(t);
  const listener = listen(t, url, '$without/history', { ...sse, token: async () => token() });
  await listener.open();
  for (let n = 1; n <= 4; n++) {
    await send('$without/history', String(n));
    await listener.has(n);
    clock.advance(800);
    const next = String(n + 1);
    await until('the stream has the next token', () =>
      authenticator.asked.some(({ token }) => token === next),
    );
  }
  await send('$without/history', '5');
  await listener.has(5);
  t.same(listener.texts, countedTo(5));
  t.same(listener.losses, []);
  t.match(connections(), { opened: 1, closed: { 'credentials-expired': 0 } });
  t.same(
    listener.states.map(([state]) => state),
    ['connecting', 'open'],
  );
});

t.test('a token that cannot be had is asked for again until the stream ends', async (t) => {
  const { authenticator, clock, url, token, send, connections } = await start(t);
  let failures = 0;
  let fails = false;
  const asked = () => {
    if (!fails) return token();
    failures++;
    throw new Error('the login server is away');
  };
  const listener = listen(t, url, 'x', { ...sse, token: asked });
  await listener.open();
  fails = true;
  clock.advance(800);
  await until('it has failed twice', () => failures >= 2);
  fails = false;
  await send('x', '1');
  await listener.has(1);
  await until('the stream has another token', () => authenticator.asked.some(({ token }) => token === '2'));
  clock.advance(900);
  await send('x', '2');
  await listener.has(2);
  t.match(connections(), { opened: 1, closed: { 'credentials-expired': 0 } });
  t.same(listener.errors, []);
});

t.test('a token of another user replaces the stream, and nothing is lost', async (t) => {
  const names = ['alice', 'bob'];
  const { clock, issued, url, token, send, connections } = await start(
    t,
    {},
    (name) => names[(Number(name) - 1) % 2]!,
  );
  const listener = listen(t, url, 'x', { ...sse, token });
  await listener.open();
  await send('x', '1');
  await listener.has(1);
  clock.advance(800);
  await until('there is another stream', () => connections().opened === 2 && connections().open === 1);
  t.ok(issued.length >= 2);
  await send('x', '2');
  await listener.has(2);
  t.same(listener.texts, countedTo(2));
  t.same(listener.losses, []);
});

t.test(
  'a stream that ends with its token comes back at once with the next one, and misses nothing',
  async (t) => {
    const { clock, url, token, send, connections } = await start(t, { authExpiryNoticeSec: 0 });
    const listener = listen(t, url, 'x', { ...sse, token });
    await listener.open();
    await send('x', '1');
    await listener.has(1);
    const seenMs = performance.now();
    await until('it has been open for a second', () => performance.now() - seenMs > 1_100);
    clock.advance(1_000);
    await until(
      'it has come back',
      () => connections().closed['credentials-expired'] === 1 && connections().open === 1,
    );
    await send('x', '2');
    await listener.has(2);
    t.same(listener.texts, countedTo(2));
    t.same(listener.delaysMs, [], 'it has not waited');
    t.same(listener.losses, []);
  },
);

t.test('polls give the token of now; after a 401 it is asked once more', async (t) => {
  const { clock, issued, url, token, send, connections } = await start(t);
  const listener = listen(t, url, 'x', { transport: 'long-poll', token });
  await listener.open();
  await send('x', '1');
  await listener.has(1);
  await until('the next poll waits', () => connections().closed.answered === 1 && connections().open === 1);
  clock.advance(1_001);
  await until(
    'the poll has ended, and the next one waits',
    () => connections().closed['credentials-expired'] === 1,
  );
  await send('x', '2');
  await listener.has(2);
  t.same(listener.losses, []);
  const tokens = ['nobody', 'nobody', token(), 'nobody'];
  const before = issued.length;
  const late = listen(t, url, 'x', { ...sse, token: () => tokens.pop()! });
  await late.open();
  t.equal(tokens.length, 2, 'refused once, and then taken');
  t.equal(issued.length, before);
  const refused = listen(t, url, 'x', { ...sse, token: () => 'nobody' });
  await until('it is refused for good', () => refused.connection.state === 'failed');
  t.match(refused.errors, [{ name: 'RefusedError', status: 401 }]);
});

t.test('token and headers go together; what is no function is refused', async (t) => {
  const { url, token } = await start(t);
  const asked: Headers[] = [];
  const fetchAndNote = (address: string, init: RequestInit) => {
    asked.push(new Headers(init.headers));
    return fetch(address, init);
  };
  const headers = { 'X-Own': 'own', authorization: 'Bearer of-headers' };
  const listener = listen(t, url, 'x', { ...sse, token, headers, fetch: fetchAndNote });
  await listener.open();
  t.equal(asked[0]!.get('x-own'), 'own');
  t.equal(asked[0]!.get('authorization'), 'Bearer 1');
  t.throws(() => listen(t, url, 'x', { token: 'a' as never }), /token is a function, not "a"/);
});
