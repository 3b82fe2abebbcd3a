import t from 'tap';
import { unrestricted } from '../../../access/identity.js';
import type { Rule } from '../../../access/rules.js';
import { until } from '../../until.js';
import { ask, basic, batchOf, bearer, Wire } from '../raw-wire.js';
import { accepted, startInProcess, statsOf, TestAuthenticator, userWith } from './in-process.js';

/** Which user a stream, a poll or a send comes from, and what that user may do. The authenticator is the test's. */

const authenticator = new TestAuthenticator();
const running = await startInProcess([authenticator], { authTimeoutMs: 7_000 });
const { gateway, port, apiPort, log } = running;
t.teardown(() => gateway.stop());

const rules: Rule[] = [
  { permission: 'allow', action: 'subscribe', filter: 'user/%u/#' },
  { permission: 'allow', action: 'publish', filter: 'room/%u' },
];
const alice = userWith('alice', ...rules);
const paths = [
  '/events/user/alice/x',
  '/stream/user/alice/x',
  '/test/user/alice/x',
  '/poll/user/alice/x?timeout=0',
];

function refused(): Record<string, number> {
  return statsOf(running).connections.refused;
}

t.beforeEach(() => {
  authenticator.asked.length = 0;
  authenticator.answer = ({ userName, token, password }) => {
    if (token === 'root') return accepted(unrestricted);
    if (userName === 'alice' && password?.toString() === 's:cret') return accepted(alice);
    return { outcome: 'unknown' };
  };
});

t.test('a request without credentials is told what to give, and a wrong one that it is wrong', async (t) => {
  const before = { ...refused() };
  for (const path of paths) {
    const none = await ask(port, path);
    t.equal(none.status, 401, path);
    t.match(none.text, /Say who you are/);
    t.match(none.head, /^WWW-Authenticate: Bearer realm="encke"\r$/m);
    t.match(none.head, /^WWW-Authenticate: Basic realm="encke", charset="UTF-8"\r$/m);
    const wrong = await ask(port, path, bearer('guess'));
    t.equal(wrong.status, 401, path);
    t.match(wrong.head, /^WWW-Authenticate: Bearer realm="encke"\r$/m);
  }
  t.equal(refused()['no-credentials']! - before['no-credentials']!, paths.length);
  t.equal(refused()['bad-credentials']! - before['bad-credentials']!, paths.length);
  t.match(log(), /"reason":"no-credentials","address":"127.0.0.1"/);
});

t.test('ids are counted before rules are looked at for each', async (t) => {
  const ids = Array.from({ length: 100 }, (_, n) => `id=${n}`).join('&');
  for (const path of ['/events', '/stream', '/poll'])
    t.equal((await ask(port, `${path}?${ids}`, basic('alice', 's:cret'))).status, 400, path);
});

t.test('a user reads its own ids, and of no other its stream, its history or its poll', async (t) => {
  const credentials = basic('alice', 's:cret');
  await ask(apiPort, '/send/user/bob/x', {
    method: 'POST',
    body: 'for bob',
    ...bearer('root'),
  });
  for (const path of paths.slice(0, 3)) {
    const wire = await Wire.open(port);
    wire.ask(path, credentials);
    await until(`${path} is open`, () => wire.chunks.length > 0);
    t.equal(wire.status, 200, path);
    await wire.close();
  }
  t.equal((await ask(port, paths[3]!, credentials)).status, 204);
  for (const path of paths) {
    for (const query of ['', 'since=oldest', 'cursor=x']) {
      const foreign = path.replace('alice', 'bob');
      const answer = await ask(port, `${foreign}${foreign.includes('?') ? '&' : '?'}${query}`, credentials);
      t.equal(answer.status, 403, `${foreign} ${query}`);
      t.match(answer.text, /You may not read "user\/bob\/x"/);
      t.notMatch(answer.text, /for bob/);
    }
    const head = await Wire.open(port);
    head.ask(path.replace('alice', 'bob'), { ...credentials, method: 'HEAD' });
    await until('HEAD is answered', () => head.head !== '');
    t.equal(head.status, 403);
    await head.close();
  }
  const several = await ask(port, '/stream?id=user/alice/x&id=user/bob/x', credentials);
  t.equal(several.status, 403, 'one of several is enough');
});

t.test('a user sends where it may, and looks at ids that it may read', async (t) => {
  const credentials = basic('alice', 's:cret');
  const post = (path: string, body: string) => ask(apiPort, path, { method: 'POST', body, ...credentials });
  t.equal((await post('/send/room/alice', 'x')).status, 200);
  const forbidden = await post('/send/room/bob', 'x');
  t.equal(forbidden.status, 403);
  t.match(forbidden.text, /You may not send to "room\/bob"/);
  const batch = await post(
    '/send',
    batchOf([
      { id: 'room/alice', data: '1' },
      { id: 'room/bob', data: '2' },
    ]),
  );
  t.match(batch.json, { messages: 1, bad: 1, errors: [{ line: 2, error: 'You may not send to this id.' }] });
  t.equal(batch.status, 200);
  t.equal((await post('/send', batchOf([{ id: 'room/bob', data: '2' }]))).status, 403);
  t.equal((await ask(apiPort, '/ids/user/alice/x', credentials)).status, 200);
  t.equal((await ask(apiPort, '/ids/user/bob/x', credentials)).status, 403);
  t.equal((await ask(apiPort, '/stats', credentials)).status, 403);
  t.equal((await ask(apiPort, '/stats', bearer('root'))).status, 200);
  t.equal((await ask(apiPort, '/send/room/alice', { method: 'POST', body: 'x' })).status, 401);
  t.equal((await ask(apiPort, '/health')).status, 200, 'probes carry no token');
});

t.test('a refusal with a body behind it leaves the connection usable', async (t) => {
  const wire = await Wire.open(apiPort);
  wire.ask('/send/room/alice', { method: 'POST', body: 'x'.repeat(10_000) });
  await wire.untilComplete();
  t.equal(wire.status, 401);
  wire.ask('/send/room/alice', { method: 'POST', body: 'x', ...basic('alice', 's:cret') });
  await wire.untilComplete();
  t.equal(wire.status, 200);
  await wire.close();
});

t.test('an answer that comes late opens the stream then, and each request is asked for once', async (t) => {
  authenticator.wait();
  const wires = await Promise.all(paths.map(() => Wire.open(port)));
  for (const [index, wire] of wires.entries()) wire.ask(paths[index]!, basic('alice', 's:cret'));
  await until('all have been asked', () => authenticator.asked.length === paths.length);
  t.equal(statsOf(running).authentication.pending, paths.length);
  for (const wire of wires) t.equal(wire.head, '');
  authenticator.release(accepted(alice));
  await until('all are answered', () => wires.every((wire) => wire.head !== ''));
  t.same(
    wires.map((wire) => wire.status),
    [200, 200, 200, 204],
  );
  t.equal(statsOf(running).authentication.pending, 0);
  t.match(authenticator.asked[0], { transport: 'http', address: '127.0.0.1', userName: 'alice' });
  for (const wire of wires) await wire.close();
});

t.test(
  'the body of a send is kept while its credentials are checked, whole, in chunks, and when it comes later',
  async (t) => {
    const reader = await openStreamAsRoot('/stream/room/alice');
    authenticator.asked.length = 0;
    authenticator.wait();
    const whole = await Wire.open(apiPort);
    whole.ask('/send/room/alice', { method: 'POST', body: 'whole', ...basic('alice', 's:cret') });
    const authorization = `Authorization: ${basic('alice', 's:cret').headers!.Authorization}`;
    const chunked = await Wire.open(apiPort);
    chunked.socket.write(
      `POST /send/room/alice HTTP/1.1\r\nHost: x\r\n${authorization}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nin \r\n6\r\nchunks\r\n0\r\n\r\n`,
    );
    const later = await Wire.open(apiPort);
    later.socket.write(
      `POST /send/room/alice HTTP/1.1\r\nHost: x\r\n${authorization}\r\nContent-Length: 5\r\n\r\nla`,
    );
    const batch = await Wire.open(apiPort);
    batch.ask('/send', {
      method: 'POST',
      body: batchOf([{ id: 'room/alice', data: 'batch' }]),
      ...basic('alice', 's:cret'),
    });
    await until('all have been asked', () => authenticator.asked.length === 4);
    authenticator.release(accepted(alice));
    await whole.untilComplete();
    await chunked.untilComplete();
    await batch.untilComplete();
    later.socket.write('ter');
    await later.untilComplete();
    for (const wire of [whole, chunked, batch, later]) t.match(wire.json, { delivered: 1 });
    for (const text of ['"whole"', '"in chunks"', '"later"', '"batch"']) await reader.saw(text);
    t.equal(statsOf(running).authentication.pendingBytes, 0);
    for (const wire of [whole, chunked, later, batch, reader]) await wire.close();
  },
);

t.test('a late refusal is answered behind the body, in chunks too', async (t) => {
  authenticator.wait();
  const whole = await Wire.open(apiPort);
  whole.ask('/send/room/alice', { method: 'POST', body: 'whole' });
  const chunked = await Wire.open(apiPort);
  chunked.socket.write(
    'POST /send/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
  );
  await until('both have been asked', () => authenticator.asked.length === 2);
  authenticator.release({ outcome: 'refused', reason: 'expired', sentence: 'The token has expired.' });
  for (const wire of [whole, chunked]) {
    await wire.untilComplete();
    t.equal(wire.status, 401);
    t.match(wire.text, /expired/);
    await wire.close();
  }
});

t.test(
  'an authenticator that throws, rejects, is away or answers nonsense: 503 with a sentence',
  async (t) => {
    const answers: [TestAuthenticator['answer'], RegExp][] = [
      [
        () => {
          throw new Error('boom');
        },
        /cannot be checked now/,
      ],
      [
        async () => {
          throw new Error('boom');
        },
        /cannot be checked now/,
      ],
      [() => ({ outcome: 'unavailable', sentence: 'Redis is away: try again.' }), /Redis is away/],
      [async () => 'yes' as never, /cannot be checked now/],
    ];
    for (const [answer, sentence] of answers) {
      authenticator.answer = answer;
      const poll = await ask(port, paths[3]!);
      t.equal(poll.status, 503);
      t.equal(poll.header('Retry-After'), '5');
      t.match(poll.text, sentence);
      const send = await ask(apiPort, '/send/room/alice', { method: 'POST', body: 'x' });
      t.equal(send.status, 503);
      t.match(send.text, sentence);
    }
    t.match(log(), /"authenticator":"test".*boom/);
  },
);

t.test('an authenticator that never answers: 503 when the time is over', async (t) => {
  const never = await startInProcess([new TestAuthenticator(() => new Promise(() => {}))], {
    authTimeoutMs: 100,
  });
  t.teardown(() => never.gateway.stop());
  const answers = [
    await ask(never.port, paths[3]!),
    await ask(never.apiPort, '/send/room/alice', { method: 'POST', body: 'x' }),
  ];
  for (const { status, text } of answers) {
    t.equal(status, 503);
    t.match(text, /could not be checked in time/);
  }
  t.match(statsOf(never).authentication, { timedOut: 2, pending: 0, pendingBytes: 0 });
});

t.test('an EventSource is told to come again, as after 503 it never does', async (t) => {
  authenticator.answer = () => ({ outcome: 'unavailable', sentence: 'away' });
  const headers = { Accept: 'text/event-stream' };
  const told = await ask(port, paths[0]!, { headers });
  t.equal(told.status, 200);
  t.match(told.text, /^retry: \d+$/m);
  authenticator.answer = () => ({ outcome: 'unknown' });
  t.equal((await ask(port, paths[0]!, { headers })).status, 401, 'wrong credentials stay wrong');
});

t.test('a request that is closed while it waits costs nothing afterwards', async (t) => {
  authenticator.wait();
  const opened = statsOf(running).connections.opened;
  const wires = await Promise.all(
    Array.from({ length: 20 }, (_, n) => Wire.open(n % 2 === 0 ? port : apiPort)),
  );
  for (const [n, wire] of wires.entries()) {
    if (n % 2 === 0) wire.ask(paths[(n / 2) % paths.length]!);
    else wire.ask('/send/room/alice', { method: 'POST', body: 'x'.repeat(10_000) });
  }
  await until('all have been asked', () => authenticator.asked.length === 20);
  await until('bodies are kept', () => statsOf(running).authentication.pendingBytes > 100_000);
  for (const wire of wires) await wire.close();
  await until('none is pending', () => statsOf(running).authentication.pending === 0);
  t.equal(statsOf(running).authentication.pendingBytes, 0);
  authenticator.release(accepted(unrestricted));
  authenticator.answer = () => accepted(unrestricted);
  t.equal((await ask(port, paths[3]!)).status, 204, 'the gateway goes on');
  t.equal(gateway.connectionsOpen, 0);
  t.equal(statsOf(running).connections.opened, opened, 'no stream and no poll was opened');
});

async function openStreamAsRoot(path: string): Promise<Wire> {
  const wire = await Wire.open(port);
  wire.ask(path, bearer('root'));
  await until(`${path} is open`, () => wire.chunks.length > 0);
  return wire;
}

t.test('those that wait are bounded, in number and in bytes', async (t) => {
  const slow = new TestAuthenticator();
  slow.wait();
  const limits = { authPendingMax: 3, authPendingBytesTotalMax: 65_536, budgetSharePerAddress: 1 };
  const flags = { ...limits, authTimeoutMs: 7_000 };
  const bounded = await startInProcess([slow], flags);
  t.teardown(() => bounded.gateway.stop());
  const big = await ask(bounded.apiPort, '/send/x', { method: 'POST', body: 'x'.repeat(65_536) });
  t.equal(big.status, 503);
  t.match(big.text, /Too many clients are waiting/);
  const waiting = await Promise.all([1, 2, 3].map(() => Wire.open(bounded.port)));
  for (const wire of waiting) wire.ask('/stream/x');
  await until('three wait', () => statsOf(bounded).authentication.pending === 3);
  const fourth = await ask(bounded.port, '/stream/x');
  t.equal(fourth.status, 503);
  t.match(fourth.text, /Too many clients are waiting/);
  t.equal(statsOf(bounded).authentication.noRoom, 2);
  slow.release(accepted(unrestricted));
  for (const wire of waiting) await wire.saw('');
  for (const wire of waiting) await wire.close();
});

t.test('clients of one address that wait leave half of the places to others', async (t) => {
  const slow = new TestAuthenticator();
  slow.wait();
  const shared = await startInProcess([slow], { authPendingMax: 6, authTimeoutMs: 7_000 });
  t.teardown(() => shared.gateway.stop());
  const waiting = await Promise.all([1, 2, 3].map(() => Wire.open(shared.port, '127.0.0.9')));
  t.teardown(() => Promise.all(waiting.map((wire) => wire.close())));
  for (const wire of waiting) wire.ask('/stream/x');
  await until('three wait', () => statsOf(shared).authentication.pending === 3);
  const fourth = await Wire.open(shared.port, '127.0.0.9');
  fourth.ask('/stream/x');
  await fourth.untilComplete();
  t.equal(fourth.status, 503);
  const other = await Wire.open(shared.port, '127.0.0.10');
  waiting.push(fourth, other);
  other.ask('/stream/x');
  await until('it waits', () => statsOf(shared).authentication.pending === 4);
  await waiting[0]!.close();
  await until('its place is free', () => statsOf(shared).authentication.pending === 3);
  fourth.ask('/stream/x');
  await until('it waits now', () => statsOf(shared).authentication.pending === 4);
});

t.test('a server that stops keeps nobody waiting', async (t) => {
  const slow = new TestAuthenticator();
  slow.wait();
  const stopping = await startInProcess([slow], { authTimeoutMs: 7_000 });
  const wire = await Wire.open(stopping.port);
  wire.ask('/poll/x');
  await until('it waits', () => statsOf(stopping).authentication.pending === 1);
  await stopping.gateway.stop();
  await wire.untilComplete();
  t.equal(wire.status, 503);
  t.match(wire.text, /stopping/);
});
