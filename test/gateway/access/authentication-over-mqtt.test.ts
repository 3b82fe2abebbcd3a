import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { unrestricted } from '../../../access/identity.js';
import type { Rule } from '../../../access/rules.js';
import {
  type Connect,
  connect,
  pingreq,
  publish,
  pubrel,
  subscribe,
} from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { RawMqtt } from '../../conformance/mqtt-3.1.1/raw-mqtt.js';
import { until } from '../../until.js';
import { openRaw } from '../mqtt/raw-client.js';
import {
  accepted,
  type RunningGateway,
  startFor,
  startInProcess,
  statsOf,
  TestAuthenticator,
  userWith,
} from './in-process.js';

/** A CONNECT whose authenticator answers late, never, with an error, or after the client has gone; and what a user may do. */

const rules: Rule[] = [
  { permission: 'allow', action: 'subscribe', filter: 'user/%u/#' },
  { permission: 'allow', action: 'subscribe', filter: 'client/%c' },
  { permission: 'allow', action: 'publish', filter: 'room/%u' },
];
const alice = userWith('alice', ...rules);

const unavailable = { outcome: 'unavailable', sentence: 'Redis is away.' } as const;

const start = (t: Test, flags: Record<string, unknown> = {}) => startFor(t, () => accepted(alice), flags);

async function opened(t: Test, running: RunningGateway, options: Connect = {}): Promise<RawMqtt> {
  const client = await openRaw(t, running);
  client.send(connect({ clientId: 'client', ...options }));
  return client;
}

async function letIn(t: Test, running: RunningGateway, options: Connect = {}): Promise<RawMqtt> {
  const client = await opened(t, running, options);
  t.match(await client.next(), { type: 'CONNACK', returnCode: 0 });
  return client;
}

async function refusal(client: RawMqtt): Promise<string> {
  const [answer] = await client.untilClosed();
  return `${answer?.type === 'CONNACK' ? answer.returnCode : answer?.type} ${client.closeReason}`;
}

function pending(running: RunningGateway): { waiting: number; keptBytes: number } {
  const { pending, pendingBytes } = statsOf(running).authentication;
  return { waiting: pending, keptBytes: pendingBytes };
}

t.test('the authenticator gets all that a CONNECT says of its client', async (t) => {
  const { authenticator, running } = await start(t);
  await letIn(t, running, { clientId: 'device-7', userName: 'alice', password: 'secret' });
  t.match(authenticator.asked, [
    { transport: 'mqtt', address: '127.0.0.1', clientId: 'device-7', userName: 'alice' },
  ]);
  t.equal(String(authenticator.asked[0]!.password), 'secret');
});

t.test(
  'all that comes behind a CONNECT waits with it, and is handled in order once it is accepted',
  async (t) => {
    const { authenticator, running } = await start(t);
    const reader = await letIn(t, running, { clientId: 'reader' });
    await reader.subscribe('user/alice/#');
    authenticator.wait();
    const client = await openRaw(t, running);
    const first = [connect({ clientId: 'late' }), subscribe(1, ['client/late', 0])];
    const rest = [publish('room/alice', '1', { qos: 1, id: 2 }), pingreq()];
    client.send(...first);
    client.send(...rest);
    const { length } = Buffer.concat([...first, ...rest]);
    await until('all of it waits', () => pending(running).keptBytes === length);
    t.equal(statsOf(running).mqtt.sessions.connected, 1);
    authenticator.release(accepted(alice));
    const types = [];
    while (types.length < 4) types.push((await client.next()).type);
    t.same(types, ['CONNACK', 'SUBACK', 'PUBACK', 'PINGRESP']);
    t.same(pending(running), { waiting: 0, keptBytes: 0 });
  },
);

t.test('a CONNECT is asked about once, however often it has to wait', async (t) => {
  const { authenticator, running } = await start(t);
  const former = await letIn(t, running, { clientId: 'busy' });
  authenticator.wait();
  authenticator.asked.length = 0;
  const next = await opened(t, running, { clientId: 'busy' });
  await until('it waits', () => pending(running).waiting === 1);
  t.notOk(former.closed, 'nobody is taken over before it is decided');
  t.same(await former.untilPong(), []);
  authenticator.release(accepted(alice));
  t.match(await next.next(), { type: 'CONNACK', returnCode: 0 });
  await former.untilClosed();
  t.equal(former.closeReason, 'taken-over');
  t.equal(authenticator.asked.length, 1);
});

t.test('a client that is refused takes nobody over', async (t) => {
  const { authenticator, running } = await start(t);
  const former = await letIn(t, running, { clientId: 'mine' });
  authenticator.wait();
  const thief = await opened(t, running, { clientId: 'mine', userName: 'eve', password: 'guess' });
  await until('it waits', () => pending(running).waiting === 1);
  authenticator.release({ outcome: 'unknown' });
  t.equal(await refusal(thief), '4 connect-refused');
  t.same(await former.untilPong(), []);
});

t.test('each decision has its return code', async (t) => {
  const { authenticator, running } = await start(t);
  const withPassword = { userName: 'alice', password: 'secret' };
  const refused = (reason: 'expired' | 'not-allowed' | 'too-many-attempts' | 'bad-credentials') =>
    ({ outcome: 'refused', reason, sentence: 'No.' }) as const;
  const decisions = [
    [withPassword, unavailable, 3],
    [{}, { outcome: 'unknown' }, 5],
    [{ userName: 'alice' }, { outcome: 'unknown' }, 5],
    [withPassword, { outcome: 'unknown' }, 4],
    [withPassword, refused('bad-credentials'), 4],
    [withPassword, refused('expired'), 4],
    [withPassword, refused('not-allowed'), 5],
    [withPassword, refused('too-many-attempts'), 3],
  ] as const;
  for (const isLate of [false, true]) {
    for (const [options, decision, code] of decisions) {
      authenticator.answer = () => (isLate ? nextTurn(decision) : decision);
      const client = await opened(t, running, options);
      t.equal(await refusal(client), `${code} connect-refused`, JSON.stringify([options, decision, isLate]));
    }
  }
  t.match(running.log(), /"returnCode":3,"refusal":"unavailable","sentence":"Redis is away\."/);
});

t.test('an authenticator that throws, or never answers, is no way in', async (t) => {
  const { authenticator, running } = await start(t, { authTimeoutMs: 300 });
  authenticator.answer = () => {
    throw new Error('broken');
  };
  t.equal(await refusal(await opened(t, running)), '3 connect-refused');
  authenticator.answer = () => Promise.reject(new Error('broken'));
  t.equal(await refusal(await opened(t, running)), '3 connect-refused');
  authenticator.answer = () => new Promise(() => {});
  t.equal(await refusal(await opened(t, running)), '3 connect-refused');
  t.equal(statsOf(running).authentication.timedOut, 1);
  t.same(pending(running), { waiting: 0, keptBytes: 0 });
});

t.test(
  'a client that goes while it waits leaves nothing behind, and is nobody when it is accepted',
  async (t) => {
    const { authenticator, running } = await start(t);
    authenticator.wait();
    const client = await openRaw(t, running);
    client.send(connect({ clientId: 'gone', clean: false }), publish('room/alice', 'from nobody'));
    await until('it waits', () => pending(running).keptBytes > 0);
    await client.drop();
    await until('it has left', () => statsOf(running).connections.open === 0);
    t.same(pending(running), { waiting: 0, keptBytes: 0 });
    const { mqtt } = statsOf(running);
    t.same([mqtt.pendingConnects, mqtt.receiveQueues.now, mqtt.partialPackets], [0, 0, 0]);
    authenticator.release(accepted(alice));
    await nextTurn();
    const after = statsOf(running).mqtt;
    t.same([after.sessions.connected, after.sessions.persistent, after.publishesReceived[0]], [0, 0, 0]);
    authenticator.answer = () => accepted(alice);
    await letIn(t, running);
  },
);

t.test('a client that sends on and on behind its CONNECT is closed, and the others wait on', async (t) => {
  const { authenticator, running } = await start(t, { mqttMaxPacketSize: 1024 });
  authenticator.wait();
  const patient = await opened(t, running, { clientId: 'patient' });
  const flood = await opened(t, running, { clientId: 'flood' });
  await until('both wait', () => pending(running).waiting === 2);
  for (let n = 0; n < 10 && !flood.closed; n++) flood.send(publish('room/alice', 'x'.repeat(500)));
  await flood.untilClosed();
  t.equal(flood.closeReason, 'not-connected');
  t.equal(pending(running).waiting, 1);
  authenticator.release(accepted(alice));
  t.match(await patient.next(), { type: 'CONNACK', returnCode: 0 });
});

t.test('there are limits to how many wait, and to what is kept for all of them', async (t) => {
  const { authenticator, running } = await start(t, {
    authPendingMax: 2,
    authPendingBytesTotalMax: 65_536,
    budgetSharePerAddress: 1,
  });
  authenticator.wait();
  const waiting = [await opened(t, running, { clientId: 'a' }), await opened(t, running, { clientId: 'b' })];
  await until('both wait', () => pending(running).waiting === 2);
  t.equal(await refusal(await opened(t, running, { clientId: 'c' })), '3 connect-refused');
  waiting[0]!.send(publish('room/alice', 'x'.repeat(65_000)));
  waiting[0]!.send(publish('room/alice', 'x'.repeat(1_000)));
  await waiting[0]!.untilClosed();
  t.equal(waiting[0]!.closeReason, 'not-connected');
  t.match(running.log(), /"setting":"--auth-pending-bytes-total-max"/);
  authenticator.release(accepted(alice));
  t.match(await waiting[1]!.next(), { type: 'CONNACK', returnCode: 0 });
});

t.test('one that waits is not thrown out to make room for others, nor for saying nothing more', async (t) => {
  const { authenticator, running } = await start(t, {
    mqttMaxPendingConnects: 2,
    mqttPendingConnectGraceMs: 0,
    mqttIdleTimeout: 1,
  });
  authenticator.wait();
  const waiting = await opened(t, running, { clientId: 'waiting' });
  await until('it waits', () => pending(running).waiting === 1);
  const silent = await openRaw(t, running);
  let next: RawMqtt | undefined;
  const comesIn = async () => {
    next = await openRaw(t, running).catch(() => undefined);
    return next !== undefined;
  };
  await until('the silent one is old enough to make room', comesIn);
  await silent.untilClosed();
  await next!.untilClosed();
  t.equal(next!.closeReason, 'idle-timeout');
  t.notOk(waiting.closed);
  authenticator.release(accepted(alice));
  t.match(await waiting.next(), { type: 'CONNACK', returnCode: 0 });
});

t.test('one that waits counts among the connections without an accepted CONNECT', async (t) => {
  const { authenticator, running } = await start(t, {
    mqttMaxPendingConnects: 1,
    mqttPendingConnectGraceMs: 0,
  });
  authenticator.wait();
  const waiting = await opened(t, running, { clientId: 'waiting' });
  await until('it waits', () => pending(running).waiting === 1);
  await t.rejects(openRaw(t, running), { message: /503/ });
  authenticator.release(accepted(alice));
  t.match(await waiting.next(), { type: 'CONNACK', returnCode: 0 });
  await openRaw(t, running);
});

t.test('a user subscribes to what its rules allow, and is told of the rest', async (t) => {
  const { running } = await start(t);
  const client = await letIn(t, running, { clientId: 'c1' });
  const filters = [
    'user/alice/x',
    'user/bob/x',
    'user/alice/#',
    '#',
    'user/+/x',
    'client/c1',
    'client/c2',
    '+/alice/x',
  ];
  client.send(subscribe(1, ...filters.map((filter) => [filter, 0] as [string, number])));
  t.match(await client.next(), { type: 'SUBACK', returnCodes: [0, 0x80, 0, 0x80, 0x80, 0, 0x80, 0x80] });
  t.equal(statsOf(running).mqtt.filtersRefused['not-allowed'], 5);
  t.match(running.log(), /"refusal":"not-allowed","filter":"user\/bob\/x"/);
  client.send(subscribe(2, ['bad/#/filter', 0], ['user/alice/x', 0]));
  await client.untilClosed();
  t.equal(client.closeReason, 'malformed-packet');
});

t.test('rules are about the filter that an operator makes of the one that is asked for', async (t) => {
  const { running } = await start(t, { mqttRewrite: 'all mine/# ^mine/(.+)$ user/bob/$1' });
  const client = await letIn(t, running);
  client.send(subscribe(1, ['mine/x', 0]));
  t.match(await client.next(), { type: 'SUBACK', returnCodes: [0x80] });
});

t.test('a message that its user may not publish is acknowledged, and goes nowhere', async (t) => {
  const { authenticator, running } = await start(t);
  authenticator.answer = ({ userName }) => accepted(userName === 'root' ? unrestricted : alice);
  const reader = await letIn(t, running, { clientId: 'reader', userName: 'root' });
  await reader.subscribe('#');
  const client = await letIn(t, running, { clientId: 'writer', userName: 'alice' });
  for (const topic of ['room/bob', 'room/alice']) {
    client.send(publish(topic, '0'), publish(topic, '1', { qos: 1, id: 1, retain: true }));
    client.send(publish(topic, '2', { qos: 2, id: 2 }), pubrel(2));
    const types = [];
    while (types.length < 3) types.push((await client.next()).type);
    t.same(types, ['PUBACK', 'PUBREC', 'PUBCOMP']);
  }
  const got = (await reader.untilPong()).map((packet) => packet.type === 'PUBLISH' && packet.topic);
  t.same(got, ['room/alice', 'room/alice', 'room/alice']);
  const { mqtt } = statsOf(running);
  t.same([mqtt.publishesDenied, mqtt.publishesIgnored], [3, 0]);
  t.match(
    running.log(),
    /"reason":"publish-denied","clientId":"writer","address":"127.0.0.1","topic":"room\/bob"/,
  );
});

t.test('with --mqtt-acl-deny-action disconnect its connection is closed', async (t) => {
  const { running } = await start(t, { mqttAclDenyAction: 'disconnect' });
  for (const qos of [0, 1, 2]) {
    const client = await letIn(t, running);
    client.send(publish('room/bob', 'x', { qos, ...(qos > 0 && { id: 1 }) }));
    t.same(await client.untilClosed(), []);
    t.equal(`${client.closeCode} ${client.closeReason}`, '1008 not-allowed');
  }
  t.equal(statsOf(running).mqtt.publishesDenied, 3);
});

t.test('a will that its user may not publish is refused with its CONNECT', async (t) => {
  const { running } = await start(t);
  const will = { topic: 'room/bob', payload: 'x' };
  t.equal(await refusal(await opened(t, running, { will })), '5 connect-refused');
  await letIn(t, running, { will: { ...will, topic: 'room/alice' } });
});

t.test('a session that goes on has the subscriptions that its user may still have', async (t) => {
  const { authenticator, running } = await start(t);
  const session = { clientId: 'shared', clean: false };
  const first = await letIn(t, running, session);
  await first.subscribe('user/alice/x', 1);
  await first.subscribe('client/shared', 1);
  await first.disconnect();
  authenticator.answer = () => accepted(userWith('alice', ...rules.slice(1)));
  const next = await letIn(t, running, session);
  authenticator.answer = () => accepted(unrestricted);
  const writer = await letIn(t, running, { clientId: 'root' });
  for (const topic of ['user/alice/x', 'client/shared']) await writer.publish(topic, topic);
  t.match(await next.nextPublish(), { topic: 'client/shared' });
  t.same(await next.untilPong(), []);
});

t.test('a stop does not wait for authenticators', async (t) => {
  const authenticator = new TestAuthenticator();
  const running = await startInProcess([authenticator]);
  authenticator.wait();
  const client = await opened(t, running);
  await until('it waits', () => pending(running).waiting === 1);
  await running.gateway.stop();
  await client.untilClosed();
});
