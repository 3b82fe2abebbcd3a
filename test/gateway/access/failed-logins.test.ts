import t from 'tap';
import { unrestricted } from '../../../access/identity.js';
import { connect } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { openRaw } from '../mqtt/raw-client.js';
import { ask, basic, bearer } from '../raw-wire.js';
import { accepted, startFor, statsOf, userWith } from './in-process.js';

/** Guessing passwords over HTTP, the router API and MQTT: they share their limits. */

/** A limit whose failures do not run out while a test runs. */
const lasting = { authFailuresWindowSec: 86_400 };
const poll = '/poll/x?timeout=0';
const alice = userWith('alice', { permission: 'allow', action: 'all', filter: '#' });
const eventStream = { Accept: 'text/event-stream' };

async function start(t: Parameters<typeof startFor>[0], flags: Record<string, unknown> = {}) {
  return startFor(
    t,
    async ({ userName, password, token }) => {
      if (token === 'root') return accepted(unrestricted);
      return userName === 'alice' && String(password) === 'right' ? accepted(alice) : { outcome: 'unknown' };
    },
    { ...lasting, ...flags },
  );
}

t.test('guesses over HTTP, the router API and MQTT add up, and past the limit nobody is asked', async (t) => {
  const { running, authenticator } = await start(t, { authFailuresPerNameMax: 6 });
  const { port, apiPort } = running;
  const connack = async (password: string) => {
    const client = await openRaw(t, running);
    client.send(connect({ clientId: 'guesser', userName: 'alice', password }));
    const [answer] = await client.untilClosed();
    return answer?.type === 'CONNACK' ? answer.returnCode : undefined;
  };
  const statuses: (number | undefined)[] = [];
  for (let n = 0; n < 2; n++) {
    statuses.push((await ask(port, poll, basic('alice', `guess ${n}`))).status);
    statuses.push(
      (await ask(apiPort, '/send/x', { method: 'POST', body: 'x', ...basic('alice', 'g') })).status,
    );
    statuses.push(await connack(`guess ${n}`));
  }
  t.same(statuses, [401, 401, 4, 401, 401, 4]);
  const { length } = authenticator.asked;
  const refused = await ask(port, poll, basic('alice', 'right'));
  t.equal(refused.status, 429);
  t.match(refused.text, /^Too many logins have failed/);
  const retryAfterSec = Number(refused.header('Retry-After'));
  t.ok(retryAfterSec > 0 && retryAfterSec <= 86_400 / 6, `${retryAfterSec} s`);
  t.equal(refused.header('WWW-Authenticate'), undefined);
  const send = await ask(apiPort, '/send/x', { method: 'POST', body: 'x', ...basic('alice', 'right') });
  t.equal(send.status, 429);
  t.equal(await connack('right'), 3, 'a client that comes back later');
  const refresh = await ask(port, '/refresh?stream=x', { method: 'POST', ...basic('alice', 'right') });
  t.equal(refresh.status, 429);
  t.ok(Number(refresh.header('Retry-After')) > retryAfterSec - 60, 'as long as elsewhere');
  const told = await ask(port, '/events/x', {
    headers: { ...basic('alice', 'right').headers, ...eventStream },
  });
  t.equal(told.status, 200, 'an EventSource comes back');
  const retryMs = Number(/^retry: (\d+)$/m.exec(told.text)?.[1]);
  t.ok(retryMs >= (retryAfterSec - 60) * 1000, `not before its time: ${retryMs} ms`);
  t.equal(authenticator.asked.length, length, 'nobody was asked');
  const { authentication, connections } = statsOf(running);
  t.match(authentication, { failed: 6, tooManyAttempts: 5 });
  t.ok(authentication.failuresBytes > 0);
  t.equal(connections.refused['too-many-attempts'], 5);
  t.match(
    running.log(),
    /"reason":"failed-logins-of-name".*"setting":"--auth-failures-per-name-max","limit":6/,
  );
});

t.test('a user that was let in before is let in while others guess, from a cache or not', async (t) => {
  const { running } = await start(t, { authFailuresPerAddressMax: 5 });
  const { port, apiPort } = running;
  t.equal((await ask(port, poll, basic('alice', 'right'))).status, 204);
  t.equal((await ask(apiPort, '/send/x', { method: 'POST', body: 'x', ...bearer('root') })).status, 200);
  for (let n = 0; n < 5; n++) t.equal((await ask(port, poll, basic(`user-${n}`, 'x'))).status, 401);
  t.equal((await ask(port, poll, basic('user-9', 'x'))).status, 429);
  t.equal((await ask(port, poll, bearer('guessed-token'))).status, 429);
  for (let n = 0; n < 3; n++) {
    t.equal((await ask(port, poll, basic('alice', 'right'))).status, 204);
    t.equal((await ask(apiPort, '/send/x', { method: 'POST', body: 'x', ...bearer('root') })).status, 200);
  }
});

t.test('an authenticator that is away is no failure, and no credentials are none', async (t) => {
  const { running, authenticator } = await start(t, {
    authFailuresPerAddressMax: 2,
    authFailuresPerNameMax: 2,
  });
  authenticator.answer = async () => ({ outcome: 'unavailable', sentence: 'away' });
  for (let n = 0; n < 5; n++) t.equal((await ask(running.port, poll, basic('alice', 'right'))).status, 503);
  authenticator.answer = async () => ({ outcome: 'unknown' });
  for (let n = 0; n < 5; n++) {
    const { status, text } = await ask(running.port, poll);
    t.equal(status, 401);
    t.match(text, /Say who you are/);
  }
  t.match(statsOf(running).authentication, { failed: 0, tooManyAttempts: 0, failuresBytes: 0 });
});

t.test('a shared token is not there to be guessed', async (t) => {
  const { running } = await start(t, { apiToken: 'the-token-of-the-api', authFailuresPerAddressMax: 3 });
  const send = (token: string) =>
    ask(running.apiPort, '/send/x', { method: 'POST', body: 'x', ...bearer(token) });
  for (let n = 0; n < 3; n++) t.equal((await send(`guess-${n}`)).status, 401);
  t.equal((await send('guess-4')).status, 429);
  t.equal(
    (await send('the-token-of-the-api')).status,
    429,
    'the right one, too, where it was not known before',
  );
});
