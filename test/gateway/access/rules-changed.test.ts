import t, { type Test } from 'tap';
import { type Identity, unrestricted } from '../../../access/identity.js';
import type { Rule } from '../../../access/rules.js';
import { connect, puback } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { RawMqtt } from '../../conformance/mqtt-3.1.1/raw-mqtt.js';
import { until } from '../../until.js';
import { openRaw } from '../mqtt/raw-client.js';
import { ask, basic, bearer, streamAs, Wire } from '../raw-wire.js';
import { accepted, askWithoutHistory, sendAsRoot, startFor, statsOf, userWith } from './in-process.js';

/** Users and rules that change while connections are open: what is no longer allowed ends, and all else stays. */

const may = (action: Rule['action'], ...filters: string[]): Rule[] =>
  filters.map((filter) => ({ permission: 'allow', action, filter }));

async function start(t: Test, users: Record<string, Identity>, flags: Record<string, unknown> = {}) {
  const { running, authenticator } = await startFor(
    t,
    ({ token, userName }) => {
      const identity = token === 'root' ? unrestricted : users[userName ?? ''];
      return identity === undefined ? { outcome: 'unknown' } : accepted(identity);
    },
    flags,
  );
  return {
    running,
    authenticator,
    /** Changes the identities of these users, or removes the users. */
    change(changed: Record<string, Identity | undefined>): void {
      for (const [name, identity] of Object.entries(changed)) {
        if (identity === undefined) delete users[name];
        else users[name] = identity;
      }
      authenticator.renew = (identity) =>
        identity.userName === undefined ? identity : users[identity.userName];
      authenticator.changed();
    },
    stream: (path: string, user: string) => streamAs(t, running.port, path, basic(user, 'x')),
    async client(userName: string, options: Parameters<typeof connect>[0] = {}): Promise<RawMqtt> {
      const client = await openRaw(t, running);
      client.send(connect({ clientId: userName, userName, password: 'x', ...options }));
      t.match(await client.next(), { type: 'CONNACK', returnCode: 0 });
      return client;
    },
    send: (id: string, text: string) => sendAsRoot(t, running.apiPort, id, text),
    closed: (): Record<string, number> => statsOf(running).connections.closed,
  };
}

t.test('streams and polls end where they may not be read any more', async (t) => {
  const users = {
    alice: userWith('alice', ...may('subscribe', 'a', 'b')),
    bob: userWith('bob', ...may('subscribe', 'b')),
  };
  const { running, change, stream, send, closed } = await start(t, users);
  const both = await stream('/events?id=a&id=b', 'alice');
  const one = await stream('/stream/a', 'alice');
  const other = await stream('/stream/b', 'bob');
  const poll = await Wire.open(running.port);
  t.teardown(() => poll.close());
  poll.ask('/poll/b?timeout=60', basic('alice', 'x'));
  await until('the poll waits', () => statsOf(running).connections.open === 4);
  change({ alice: userWith('alice', ...may('subscribe', 'a')) });
  await both.untilComplete();
  await poll.untilComplete();
  t.match(both.text, /event: closed\ndata: \{"reason":"not-allowed"\}\n\n$/);
  t.equal(poll.status, 204);
  t.equal((await ask(running.port, '/poll/b', basic('alice', 'x'))).status, 403);
  await send('a', 'goes on');
  await send('b', 'goes on');
  await one.saw('goes on');
  await other.saw('goes on');
  t.equal(closed()['not-allowed'], 2);
});

t.test('subscriptions end where they may not be had any more; messages and wills with them', async (t) => {
  const users = {
    alice: userWith('alice', ...may('subscribe', 'a/#', 'b/#'), ...may('publish', 'will', 'p')),
    reader: userWith('reader', ...may('subscribe', '#')),
  };
  const flags = { mqttAutoSubscribe: 'news/$u=1', mqttMaxInflight: 1 };
  const { running, change, client, send, closed } = await start(t, users, flags);
  const will = { topic: 'will', payload: 'x' };
  const alice = await client('alice', { clean: false, will });
  for (const filter of ['a/#', 'b/#']) await alice.subscribe(filter, 1);
  const reader = await client('reader');
  for (const filter of ['will', 'p']) await reader.subscribe(filter);
  await send('b/1', 'in flight');
  const inFlight = await alice.nextPublish();
  await send('b/2', 'waits');
  await send('a/1', 'waits, too');
  change({ alice: userWith('alice', ...may('subscribe', 'a/#')) });
  await until('it is dropped', () => statsOf(running).mqtt.sessions.dropped['not-allowed'] > 0);
  alice.send(puback(inFlight.id));
  const next = await alice.nextPublish();
  t.equal(next.topic, 'a/1');
  alice.send(puback(next.id));
  await send('b/3', 'nobody gets it');
  await send('news/alice', 'of the operator');
  t.equal((await alice.nextPublish()).topic, 'news/alice');
  t.equal(closed()['not-allowed'], 0, 'the connection stays');
  await t.rejects(alice.subscribe('b/x'), /128/);
  await alice.drop();
  await until('it is gone', () => statsOf(running).mqtt.sessions.connected === 1);
  t.same(await reader.untilPong(), [], 'its will is not published');
});

t.test('a user that may do more goes on; nothing of it changes', async (t) => {
  const users = { alice: userWith('alice', ...may('subscribe', 'a')) };
  const { change, stream, client, send } = await start(t, users);
  const wire = await stream('/stream/a', 'alice');
  const device = await client('alice');
  await device.subscribe('a');
  await t.rejects(device.subscribe('b'), /128/);
  change({ alice: userWith('alice', ...may('subscribe', '#')) });
  await until('the new rules hold', () =>
    device.subscribe('b').then(
      () => true,
      () => false,
    ),
  );
  await send('a', 'x');
  await wire.saw('x');
  t.match(await device.nextPublish(), { topic: 'a' });
});

t.test('connections of a user that is gone end with that reason', async (t) => {
  const users = {
    alice: userWith('alice', ...may('subscribe', '#')),
    bob: userWith('bob', ...may('all', '#')),
  };
  const { change, stream, client, closed } = await start(t, users);
  const wire = await stream('/events/a', 'alice');
  const device = await client('alice');
  const other = await client('bob');
  change({ alice: undefined });
  await wire.untilComplete();
  t.match(wire.text, /event: closed\ndata: \{"reason":"credentials-revoked"\}\n\n$/);
  await device.untilClosed();
  t.equal(`${device.closeCode} ${device.closeReason}`, '1008 credentials-revoked');
  t.equal(closed()['credentials-revoked'], 2);
  t.same(await other.untilPong(), []);
});

t.test('changes that follow each other are carried out in order', async (t) => {
  const users = { alice: userWith('alice', ...may('subscribe', 'a')) };
  const { change, stream, closed } = await start(t, users);
  const wire = await stream('/stream/a', 'alice');
  for (let n = 0; n < 3; n++) change({ alice: userWith('alice', ...may('subscribe', 'a', `b/${n}`)) });
  change({ alice: userWith('alice', ...may('subscribe', 'b')) });
  await wire.untilComplete();
  t.equal(closed()['not-allowed'], 1);
});

t.test('a user that changes while history is read for it is looked at again', async (t) => {
  const users = {
    alice: userWith('alice', ...may('subscribe', 'a', 'b')),
    bob: userWith('bob', ...may('subscribe', 'a')),
    carol: userWith('carol', ...may('subscribe', 'c')),
  };
  const { running, authenticator, change } = await start(t, users);
  const lines = [
    '/events/a alice',
    '/events/b alice',
    '/poll/b?timeout=60 alice',
    '/stream/a bob',
    '/events/c carol',
  ];
  const { answers } = await askWithoutHistory(t, running.port, lines);
  // The rules for all change, too, and carol is who she was before.
  authenticator.commonRules = [{ permission: 'deny', action: 'subscribe', filter: 'c' }];
  change({ alice: userWith('alice', ...may('subscribe', 'a')), bob: undefined });
  t.same(await answers(), [200, 403, 403, 403, 403]);
});

t.test(
  'an edge of the friends graph outlives the right that made it, until somebody removes it',
  async (t) => {
    const users = {
      alice: userWith('alice', ...may('subscribe', 'user/alice', 'user/bob')),
    };
    const { running, change, stream, send, closed } = await start(t, users);
    const edges = (body: object, by: object) =>
      ask(running.apiPort, '/graph', { method: 'POST', body: JSON.stringify(body), ...by });
    const edge = { subscriber: 'user/alice', subscribee: 'user/bob' };
    const alice = basic('alice', 'x');
    t.match((await edges(edge, alice)).json, { added: 1 });
    const wire = await stream('/stream/user/alice', 'alice');
    change({ alice: userWith('alice', ...may('subscribe', 'user/alice')) });
    await send('user/bob?to=followers', 'she follows him');
    await wire.saw('she follows him');
    t.equal(closed()['not-allowed'], 0);
    t.equal((await edges({ ...edge, remove: true }, alice)).status, 403, 'that takes both rights, too');
    t.match((await edges({ ...edge, remove: true }, bearer('root'))).json, { removed: 1 });
    await send('user/bob?to=followers', 'not for her');
    await send('user/alice', 'for her');
    await wire.saw('for her');
    t.notMatch(wire.text, /not for her/);
  },
);
