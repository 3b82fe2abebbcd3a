import t, { type Test } from 'tap';
import { ExpiringIdentity, type Identity, unrestricted } from '../../../access/identity.js';
import { Rules } from '../../../access/rules.js';
import { MovedClock } from '../../moved-clock.js';
import { until } from '../../until.js';
import { ask, bearer, streamAs, Wire } from '../raw-wire.js';
import { accepted, type RunningGateway, sendAsRoot, startFor, statsOf } from './in-process.js';

/** Streams whose credentials end: what they are told, how they go on with others, and how they end. */

/** An identity that may read these ids for this time. */
function reader(userName: string | undefined, lastsSec: number, ...filters: string[]): Identity {
  const rules = filters.map((filter) => ({ permission: 'allow', action: 'subscribe', filter }) as const);
  const endSec = Math.floor(Date.now() / 1000) + lastsSec;
  return new ExpiringIdentity(userName, Rules.inOrder(rules), endSec);
}

interface Notice {
  readonly expires: number;
  readonly stream: string;
}

/** Tokens are names of identities here, and 'root' may all. */
async function start(t: Test, users: Record<string, Identity>, flags: Record<string, unknown> = {}) {
  const { running } = await startFor(
    t,
    ({ token }) => {
      const identity = token === 'root' ? unrestricted : users[token ?? ''];
      return identity === undefined ? { outcome: 'unknown' } : accepted(identity);
    },
    { authExpiryNoticeSec: 300, ...flags },
  );
  const { port, apiPort } = running;
  return {
    running,
    clock: new MovedClock(t),
    open: (path: string, token: string) => streamAs(t, port, path, bearer(token)),
    refresh: (handle: string, token: string) =>
      ask(port, `/refresh?stream=${handle}`, { method: 'POST', ...bearer(token) }),
    send: (id: string, text: string) => sendAsRoot(t, apiPort, id, text),
  };
}

async function noticeOf(wire: Wire): Promise<Notice> {
  await wire.saw('"expires"');
  await wire.saw('}');
  const [notice] = [...wire.text.matchAll(/\{"expires".*\}/g)].slice(-1);
  return JSON.parse(notice![0]);
}

function counts(running: RunningGateway): Record<string, number> {
  const { opened, open, closed, refused } = statsOf(running).connections;
  return { opened, open, ended: closed['credentials-expired'], denied: closed['not-allowed'], ...refused };
}

/** All streams have been looked at since: another one, whose token has ended, is gone. */
async function untilLookedAt(running: RunningGateway): Promise<void> {
  const before = counts(running).ended!;
  const wire = await Wire.open(running.port);
  wire.ask('/stream/a', bearer('old'));
  await until('it has ended', () => wire.complete && counts(running).ended! > before);
  await wire.close();
}

t.test('an event stream is told in an event of its own, and goes on with the new token', async (t) => {
  const users = { old: reader('alice', 1000, 'a'), new: reader('alice', 3600, 'a') };
  const { running, clock, open, refresh, send } = await start(t, users);
  const wire = await open('/events/a', 'old');
  clock.advance(600);
  await send('a', 'before');
  await wire.saw('before');
  t.notMatch(wire.text, /expiring/);
  clock.advance(110);
  const notice = await noticeOf(wire);
  t.equal(notice.expires, users.old.expiresAtMs);
  t.match(wire.text, /\n\nevent: expiring\ndata: \{"expires":\d+,"stream":"[\w.-]+"\}\n\n$/);
  const refreshed = await refresh(notice.stream, 'new');
  t.equal(refreshed.status, 200);
  t.same(refreshed.json, { expires: users.new.expiresAtMs });
  clock.advance(1_000);
  await untilLookedAt(running);
  await send('a', 'still here');
  await wire.saw('still here');
  t.notMatch(wire.text, /event: closed/);
  t.match(counts(running), { opened: 2, ended: 1 }, 'the other one is of this test');
  t.equal(statsOf(running).authentication.refreshed, 1);
  t.equal((await refresh(notice.stream, 'new')).status, 404, 'a handle is good for once');
  clock.advance(1_700);
  await until('it is told of the next end', () => wire.text.match(/event: expiring/g)?.length === 2);
});

t.test('a stream of lines is told in a line that is no message', async (t) => {
  const users = { old: reader('alice', 1000, 'a', 'b'), new: reader('alice', 3600, '#') };
  const { running, clock, open, refresh, send } = await start(t, users);
  const wire = await open('/stream?id=a&id=b', 'old');
  clock.advance(800);
  const { stream } = await noticeOf(wire);
  t.equal((await refresh(stream, 'new')).status, 200);
  clock.advance(1_000);
  await untilLookedAt(running);
  await send('b', 'still here');
  await wire.saw('still here');
  const lines = wire.text.split('\n').filter((line) => line !== '');
  t.match(
    lines.map((line) => JSON.parse(line)),
    [
      { expires: users.old.expiresAtMs, stream },
      { id: 'b', data: 'still here' },
    ],
  );
  t.equal(JSON.parse(lines[0]!).id, undefined);
});

t.test('without another token each kind of stream says why it ends; a poll is answered', async (t) => {
  const users = { old: reader('alice', 1000, 'a') };
  const { running, clock, open } = await start(t, users, { authExpiryNoticeSec: 0 });
  const wires = await Promise.all(['/events/a', '/stream/a', '/test/a'].map((path) => open(path, 'old')));
  const poll = await Wire.open(running.port);
  t.teardown(() => poll.close());
  poll.ask('/poll/a?timeout=60', bearer('old'));
  await until('all are open', () => counts(running).open === 4);
  clock.advance(1_000);
  await until('all have ended', () => [...wires, poll].every(({ complete }) => complete));
  const [events, lines, page] = wires.map(({ text }) => text);
  t.match(events, /\n\nevent: closed\ndata: \{"reason":"credentials-expired"\}\n\n$/);
  t.match(lines, /^\{"closed":"credentials-expired"\}$/m);
  t.match(page, /<i>The credentials of this page have ended\.<\/i><br\/>\n$/);
  for (const text of [events, lines, page]) t.notMatch(text, /expires|expiring/, 'no notice is wanted');
  t.equal(poll.status, 204);
  t.match(counts(running), { opened: 4, open: 0, ended: 4 });
});

t.test('a Comet page is told nothing before its end, as it could do nothing', async (t) => {
  const users = { old: reader('alice', 1000, 'a') };
  const { running, clock, open } = await start(t, users);
  const page = await open('/test/a', 'old');
  const witness = await open('/stream/a', 'old');
  clock.advance(800);
  await noticeOf(witness);
  clock.advance(200);
  await page.untilComplete();
  t.notMatch(page.text, /expires/);
  await until('both have ended', () => counts(running).ended === 2);
});

t.test('a stream goes on with a token of its own user alone', async (t) => {
  const users = {
    old: reader('alice', 1000, 'a'),
    eve: reader('eve', 3600, '#'),
    unnamed: reader(undefined, 3600, '#'),
    new: reader('alice', 3600, 'a'),
  };
  const { running, clock, open, refresh } = await start(t, users);
  const wire = await open('/events/a', 'old');
  clock.advance(800);
  const { stream } = await noticeOf(wire);
  for (const token of ['eve', 'unnamed', 'root']) {
    const refused = await refresh(stream, token);
    t.equal(refused.status, 403, token);
    t.match(refused.text, /belongs to another user/);
  }
  t.equal((await refresh(stream, 'guess')).status, 401);
  for (const handle of ['', 'x', `0.${'A'.repeat(24)}`, `1.${'A'.repeat(24)}`, `${stream}x`])
    t.equal((await refresh(handle, 'new')).status, 404, handle);
  t.equal((await ask(running.port, `/refresh?stream=${stream}`, bearer('new'))).status, 405);
  t.equal((await refresh(stream, 'new')).status, 200, 'and none of that has hurt it');
  t.match(counts(running), { open: 1, 'not-allowed': 3, 'bad-credentials': 1 });
});

t.test('a stream that may not be read with the new token ends, and says why', async (t) => {
  const users = { old: reader('alice', 1000, 'a', 'b'), less: reader('alice', 3600, 'a') };
  const { running, clock, open, refresh } = await start(t, users);
  const wire = await open('/events?id=a&id=b', 'old');
  clock.advance(800);
  const refused = await refresh((await noticeOf(wire)).stream, 'less');
  t.equal(refused.status, 403);
  t.match(refused.text, /You may not read "b"\. The stream has ended\./);
  await wire.untilComplete();
  t.match(wire.text, /event: closed\ndata: \{"reason":"not-allowed"\}\n\n$/);
  t.match(counts(running), { open: 0, denied: 1 });
});

t.test('a stream that is gone leaves no handle behind', async (t) => {
  const users = { old: reader('alice', 1000, 'a'), new: reader('alice', 3600, 'a') };
  const { running, clock, open, refresh } = await start(t, users);
  const wire = await open('/events/a', 'old');
  clock.advance(800);
  const { stream } = await noticeOf(wire);
  await wire.close();
  await until('it is gone', () => counts(running).open === 0);
  t.equal((await refresh(stream, 'new')).status, 404);
});

t.test('what is sent before the end of the token is in the stream before its end', async (t) => {
  const users = { old: reader('alice', 1000, '$a') };
  const { clock, open, send } = await start(t, users, { authExpiryNoticeSec: 0 });
  const wire = await open('/stream/$a', 'old');
  for (let n = 1; !wire.complete; n++) {
    if (n === 5) clock.advance(1_000);
    await send('$a', String(n));
  }
  const lines = wire.text.split('\n').filter((line) => line !== '');
  t.equal(lines.pop(), '{"closed":"credentials-expired"}');
  t.same(
    lines.map((line) => JSON.parse(line).data),
    lines.map((_, n) => String(n + 1)),
  );
});

t.test('pages of another origin may refresh their streams', async (t) => {
  const origin = 'https://app.example.com';
  const { running } = await start(t, {}, { allowOrigin: origin });
  const preflight = await ask(running.port, '/refresh', {
    method: 'OPTIONS',
    headers: { Origin: origin, 'Access-Control-Request-Method': 'POST' },
  });
  t.equal(preflight.status, 204);
  t.match(preflight.header('Access-Control-Allow-Methods'), 'POST');
  t.match(preflight.header('Access-Control-Allow-Headers'), /Authorization/);
  const refused = await ask(running.port, '/refresh?stream=x', {
    method: 'POST',
    headers: { Origin: origin },
  });
  t.equal(refused.status, 401);
  t.equal(refused.header('Access-Control-Allow-Origin'), origin);
});
