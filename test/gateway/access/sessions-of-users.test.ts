import t, { type Test } from 'tap';
import { type Identity, unrestricted } from '../../../access/identity.js';
import { type Rule, Rules } from '../../../access/rules.js';
import {
  type Connect,
  connect,
  puback,
  publish,
  subscribe,
} from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { RawMqtt } from '../../conformance/mqtt-3.1.1/raw-mqtt.js';
import { until } from '../../until.js';
import { openRaw } from '../mqtt/raw-client.js';
import { accepted, type RunningGateway, startFor, statsOf, userWith } from './in-process.js';

/** Client ids, sessions, messages that wait in them, and subscriptions of the operator: which user gets them. */

const mayRead = (...filters: string[]): Rule[] =>
  filters.map((filter) => ({ permission: 'allow', action: 'subscribe', filter }));
const unnamed = (...rules: Rule[]): Identity => ({
  userName: undefined,
  isSuperuser: false,
  rules: Rules.inOrder(rules),
  expiresAtMs: undefined,
});
const alice = userWith('alice', ...mayRead('secret/#', 'public/#'));
const bob = userWith('bob', ...mayRead('secret/#', 'public/#'));

async function start(t: Test, flags: Record<string, unknown> = {}) {
  const { authenticator, running } = await startFor(t, () => ({ outcome: 'unknown' }), flags);
  const opened = async (identity: Identity, options: Connect = {}): Promise<RawMqtt> => {
    authenticator.answer = () => accepted(identity);
    const client = await openRaw(t, running);
    client.send(connect({ clientId: 'shared', ...options }));
    return client;
  };
  const letIn = async (identity: Identity, options: Connect = {}): Promise<RawMqtt> => {
    const client = await opened(identity, options);
    t.match(await client.next(), { type: 'CONNACK', returnCode: 0 });
    return client;
  };
  return { authenticator, running, opened, letIn };
}

const kept = { clean: false };
const dropped = (running: RunningGateway): number => statsOf(running).mqtt.sessions.dropped['not-allowed'];

t.test('messages that waited for a client do not reach it once its user may not read them', async (t) => {
  const { running, letIn } = await start(t, { mqttAutoSubscribe: 'news/$u=1', mqttMaxInflight: 1 });
  const first = await letIn(alice, kept);
  for (const filter of ['secret/#', 'public/#']) await first.subscribe(filter, 1);
  const writer = await letIn(unrestricted, { clientId: 'root' });
  await writer.publish('secret/in-flight', 'x');
  await first.nextPublish();
  await first.disconnect();
  for (const topic of ['secret/1', 'public/1', 'news/alice', 'secret/2', 'public/2'])
    await writer.publish(topic, 'x');
  const next = await letIn(userWith('alice', ...mayRead('public/#')), kept);
  const got: string[] = [];
  for (let n = 0; n < 3; n++) {
    const { topic, id } = await next.nextPublish();
    got.push(topic);
    next.send(puback(id));
  }
  t.same(got, ['public/1', 'news/alice', 'public/2']);
  t.same(await next.untilPong(), []);
  t.equal(dropped(running), 3);
});

t.test('nothing that waited for a superuser is lost, nor for a user whose rules are the same', async (t) => {
  for (const identity of [unrestricted, alice]) {
    const { running, letIn } = await start(t);
    const first = await letIn(identity, kept);
    await first.subscribe('secret/x', 1);
    await first.disconnect();
    await (await letIn(unrestricted, { clientId: 'root' })).publish('secret/x', 'x');
    t.match(await (await letIn(identity, kept)).nextPublish(), { topic: 'secret/x' });
    t.equal(dropped(running), 0);
  }
});

t.test('a session goes on only for the user that it is known to belong to', async (t) => {
  const { running, opened, letIn } = await start(t);
  const leave = async (identity: Identity) => {
    const client = await letIn(identity, kept);
    await client.subscribe('secret/x', 1);
    await client.disconnect();
    await (await letIn(unrestricted, { clientId: 'root' })).publish('secret/x', 'x');
  };
  await leave(unnamed(...mayRead('secret/#')));
  const other = await opened(unnamed(...mayRead('secret/#')), kept);
  t.match(
    await other.next(),
    { type: 'CONNACK', returnCode: 0, sessionPresent: false },
    'two without a name',
  );
  t.same(await other.untilPong(), []);
  await other.disconnect();
  t.match(
    await (await opened(unrestricted, kept)).next(),
    { returnCode: 0, sessionPresent: true },
    'a superuser',
  );
  t.equal(statsOf(running).mqtt.sessions.discarded, 1);
});

t.test('nobody gets the client id of another user, whatever name it gives itself', async (t) => {
  const { running, opened, letIn } = await start(t);
  const will = { topic: 'public/will', payload: 'x' };
  const reader = await letIn(unrestricted, { clientId: 'reader' });
  await reader.subscribe('public/#');
  const allowed = userWith('alice', ...mayRead('secret/#'), {
    permission: 'allow',
    action: 'publish',
    filter: 'public/will',
  });
  const refused = async (identity: Identity, why: string) => {
    const client = await opened(identity, { ...kept, userName: 'alice' });
    t.match(await client.next(), { type: 'CONNACK', returnCode: 5 }, why);
    await client.untilClosed();
  };
  const owner = await letIn(allowed, { ...kept, will });
  await owner.subscribe('secret/x', 1);
  await refused(bob, 'it is connected');
  await refused(unnamed(), 'it is connected, and the other has no name');
  t.same(await owner.untilPong(), [], 'its connection goes on');
  await owner.disconnect();
  await (await letIn(unrestricted, { clientId: 'root' })).publish('secret/x', 'x');
  await refused(bob, 'its session waits');
  await refused(unnamed(), 'its session waits, and the other has no name');
  const again = await opened(alice, kept);
  t.match(await again.next(), { type: 'CONNACK', returnCode: 0, sessionPresent: true });
  t.match(await again.nextPublish(), { topic: 'secret/x' });
  t.same(await reader.untilPong(), [], 'no will was published');
  t.equal(statsOf(running).mqtt.connacks[5], 4);
  t.match(running.log(), /Another user has this client id/);
});

t.test(
  'nobody gets the client id of a superuser, of a clean session neither, but its own user does',
  async (t) => {
    const { opened, letIn } = await start(t);
    const root = await letIn(unrestricted, { clientId: 'root' });
    for (const identity of [bob, unnamed()])
      t.match(await (await opened(identity, { clientId: 'root' })).next(), {
        type: 'CONNACK',
        returnCode: 5,
      });
    t.same(await root.untilPong(), []);
    const former = await letIn(alice, { clientId: 'mine' });
    t.match(await (await opened(bob, { clientId: 'mine' })).next(), { type: 'CONNACK', returnCode: 5 });
    await letIn(alice, { clientId: 'mine' });
    await former.untilClosed();
    t.equal(former.closeReason, 'taken-over');
    await letIn(unrestricted, { clientId: 'mine' });
  },
);

t.test('$u of a subscription of the operator is the name that was checked', async (t) => {
  const { letIn } = await start(t, { mqttAutoSubscribe: 'inbox/$u=0' });
  const client = await letIn(alice, { userName: 'bob' });
  const writer = await letIn(unrestricted, { clientId: 'root' });
  for (const name of ['bob', 'alice']) writer.send(publish(`inbox/${name}`, name));
  t.match(await client.nextPublish(), { topic: 'inbox/alice' });
});

t.test('subscriptions of the operator need no rule, unless the client id is in them', async (t) => {
  const { running, letIn } = await start(t, {
    mqttAutoSubscribe: 'news=0,public/$c=0,inbox/$c=0,all/$u/$c=0',
  });
  const client = await letIn(alice, { clientId: 'c1' });
  const writer = await letIn(unrestricted, { clientId: 'root' });
  for (const id of ['inbox/c1', 'all/alice/c1', 'public/c1', 'news']) writer.send(publish(id, 'x'));
  t.match(await client.nextPublish(), { topic: 'public/c1' });
  t.match(await client.nextPublish(), { topic: 'news' });
  t.equal(statsOf(running).mqtt.filtersRefused['not-allowed'], 2);
});

t.test('a name widens no subscription of the operator', async (t) => {
  const { running, letIn } = await start(t, { mqttAutoSubscribe: '$c/#=0,$u/#=0,in/$c/#=0,in/$u/#=0' });
  const logins = () => statsOf(running).router.logins;
  const before = logins();
  const cases: [string, number][] = [
    ['$SYS', 1], // in/$SYS/#
    ['a/b', 0],
    ['+', 0],
    ['#', 0],
    ['', 2], // with the client id that was made for it
  ];
  for (const [name, expected] of cases) {
    const client = await letIn(userWith(name, ...mayRead('#', '$SYS/#')), { clientId: name });
    t.equal(logins() - before, expected, JSON.stringify(name));
    await client.disconnect();
    await until('it is gone', () => logins() === before);
  }
});

t.test(
  'a client id or a user name that is too long is refused before anybody is asked about it',
  async (t) => {
    const { authenticator, running, opened } = await start(t);
    t.match(await (await opened(alice, { clientId: 'c'.repeat(1025) })).next(), { returnCode: 2 });
    const long = await opened(alice, { userName: 'ü'.repeat(513), password: 'x' });
    t.match(await long.next(), { returnCode: 4 });
    t.equal(authenticator.asked.length, 0);
    t.match(running.log(), /longer than 1024 bytes/);
    t.notMatch(running.log(), 'ü'.repeat(101), 'the log has its beginning');
    t.match(await (await opened(alice, { userName: 'ü'.repeat(512), password: 'x' })).next(), {
      returnCode: 0,
    });
  },
);

t.test('the log has no token that came in the place of a name', async (t) => {
  const { authenticator, running } = await start(t);
  const token = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl';
  for (const names of [{ userName: token }, { userName: `Bearer ${token}` }, { clientId: token }]) {
    const other = await openRaw(t, running);
    authenticator.answer = () => ({ outcome: 'refused', reason: 'bad-credentials', sentence: 'Wrong.' });
    other.send(connect({ clientId: 'other', ...names }));
    await other.untilClosed();
  }
  await until('refusals are logged', () => running.log().includes('connect-refused'));
  t.notMatch(running.log(), 'c2lnbmF0dXJl');
  t.match(running.log(), /\[token\]/);
});

t.test('a filter that is refused is looked at once in a packet', async (t) => {
  const { running, letIn } = await start(t);
  const client = await letIn(alice);
  const wanted: [string, number][] = Array.from({ length: 1000 }, () => ['other/+', 1]);
  client.send(subscribe(1, ...wanted, ['secret/x', 1], ['other/+', 0]));
  t.match(await client.next(), { type: 'SUBACK', returnCodes: [...wanted.map(() => 0x80), 1, 0x80] });
  t.equal(statsOf(running).mqtt.filtersRefused['not-allowed'], 1);
});
