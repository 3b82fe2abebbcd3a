import t from 'tap';
import {
  cleanTerms,
  type FlowTotal,
  InflightEntry,
  keptTerms,
  MemoryStore,
  Message,
  type Qos,
  type Router,
  Sessions,
  type SessionsOptions,
} from '../../router/index.js';
import { startedRouter } from './inbox.js';
import { SessionClient } from './session-client.js';

async function broker(options?: SessionsOptions) {
  const router = await startedRouter();
  const sessions = new Sessions(router, options);
  const client = new SessionClient(sessions);
  return { router, sessions, client, newClient: () => new SessionClient(sessions) };
}

function publish(router: Router, text: string, qos: Qos = 1, id = 'a'): number {
  return router.publish(new Message(id, Buffer.from(text), 0, qos));
}

t.test('a message at QoS 1 is in flight until PUBACK', async (t) => {
  const { router, client, sessions } = await broker();
  client.connect('c');
  router.subscribe('a', client.session!, 1);
  t.equal(publish(router, 'x'), 1);
  t.same(client.take(), ['x#1']);
  t.same(client.session!.pending, { inflight: 1, queued: 0, awaitingRel: 0 });
  t.equal(client.session!.completed(1), false, 'PUBCOMP is no answer to it');
  t.equal(client.session!.received(1), false, 'and neither is PUBREC');
  t.equal(client.session!.acknowledge(2), false);
  t.same([client.session!.expected(1), client.session!.expected(2)], ['PUBACK', undefined]);
  t.equal(client.session!.acknowledge(1), true);
  t.equal(client.session!.acknowledge(1), false);
  t.equal(client.session!.idle, true, 'and the session owns nothing any more');
  t.match(sessions.stats(), { bytes: 0, busy: 0 });
});

t.test('a message at QoS 2 is in flight until PUBCOMP; after PUBREC only PUBREL is repeated', async (t) => {
  const { router, client } = await broker();
  client.connect('c');
  router.subscribe('a', client.session!, 2);
  publish(router, 'x', 2);
  publish(router, 'y', 2);
  t.same(client.take(), ['x#1', 'y#2']);
  const session = client.session!;
  t.equal(session.acknowledge(1), false, 'PUBACK is no answer to it');
  t.equal(session.completed(1), false, 'PUBCOMP before PUBREC is none either');
  t.equal(session.expected(1), 'PUBREC');
  t.equal(session.received(1), true);
  t.equal(session.expected(1), 'PUBCOMP');
  t.equal(session.received(1), true, 'PUBREC again: PUBREL again');
  t.equal(session.received(99), true, 'nor is a client left hanging whose packet id is unknown');
  client.drop();
  client.connect('c');
  t.same(client.take(), ['y#2+dup', 'rel#1']);
  t.equal(session.completed(1), true);
  t.equal(session.received(2), true);
  t.equal(session.completed(2), true);
  t.equal(session.idle, true);
});

t.test('the inflight window has a limit; behind it messages wait in order', async (t) => {
  const { router, client, sessions } = await broker({ maxInflight: 2 });
  client.connect('c');
  router.subscribe('a', client.session!, 1);
  for (const text of ['1', '2', '3', '4', '5']) t.equal(publish(router, text), 1);
  t.same(client.take(), ['1#1', '2#2']);
  t.same(client.session!.pending, { inflight: 2, queued: 3, awaitingRel: 0 });
  t.equal(client.session!.hasRoom, false);
  client.session!.acknowledge(2);
  t.same(client.take(), ['3#3']);
  client.session!.acknowledge(1);
  client.session!.acknowledge(3);
  t.same(client.take(), ['4#4', '5#5']);
  client.session!.acknowledge(4);
  t.equal(client.session!.hasRoom, true);
  client.session!.acknowledge(5);
  t.match(sessions.stats(), { bytes: 0, busy: 0 });
  t.equal(client.session!.idle, true);
});

t.test('a delivery says what has become of it', async (t) => {
  const { client, sessions } = await broker({ maxInflight: 1, maxMqueue: 1, mqueueDrop: 'newest' });
  const message = new Message('a', Buffer.from('x'), 0, 1);
  client.connect('c');
  const session = client.session!;
  t.equal(session.deliver(message, 1), 'sent');
  t.equal(session.deliver(message, 1), 'buffered');
  t.equal(session.deliver(message, 1), 'dropped');
  t.equal(session.deliver(message, 0), 'sent');
  client.answer = 'dropped';
  t.equal(session.deliver(message, 0), 'dropped');
  client.drop();
  t.equal(session.deliver(message, 0), 'dropped');
  t.match(sessions.stats().dropped, { 'mqueue-full': 1, 'qos0-offline': 1 });
});

t.test(
  'a delivery that cuts its own connection is kept for later, or dropped with a clean session',
  async (t) => {
    const { newClient, router } = await broker();
    for (const clean of [false, true]) {
      const client = newClient();
      client.connect(`clean ${clean}`, clean);
      const session = client.session!;
      router.subscribe('a', session, 1);
      client.onSend = () => client.drop();
      t.equal(session.deliver(new Message('a', Buffer.from('x'), 0, 1), 1), clean ? 'dropped' : 'buffered');
      client.onSend = undefined;
      client.connect(`clean ${clean}`, clean);
      t.same(client.take(), clean ? ['x#1'] : ['x#1', 'x#1+dup']);
      client.drop();
    }
  },
);

t.test('messages for a client that is away wait, and come in order when it is back', async (t) => {
  const { router, client } = await broker({ maxInflight: 2 });
  t.equal(client.connect('c'), false);
  router.subscribe('a', client.session!, 2);
  publish(router, 'in flight', 1);
  client.drop();
  for (const text of ['1', '2', '3']) t.equal(publish(router, text, 2), 1, 'it is taken');
  client.take();
  t.equal(client.connect('c'), true, 'the session is present');
  t.same(client.take(), ['in flight#1+dup', '1#2']);
  client.session!.acknowledge(1);
  client.session!.received(2);
  t.same(client.take(), ['2#3'], 'a released packet id still takes a place in the window');
  client.session!.completed(2);
  t.same(client.take(), ['3#4']);
});

t.test('nothing goes out before the session is resumed: CONNACK comes first', async (t) => {
  const { router, sessions, client, newClient } = await broker({ mqueueQos0: true });
  client.connect('c');
  router.subscribe('a', client.session!, 1);
  const next = newClient();
  const { session } = sessions.open('c', keptTerms, next);
  publish(router, 'before', 1);
  publish(router, 'before', 0);
  t.same(next.take(), []);
  session.resume();
  t.same(next.take(), ['before#1', 'before']);
});

t.test('a new connection takes over the session of its client id; the old one is told first', async (t) => {
  const { router, client, newClient, sessions } = await broker();
  client.connect('c');
  const { session } = client;
  router.subscribe('a', session!, 1);
  publish(router, 'x');
  const next = newClient();
  t.equal(next.connect('c'), true);
  t.equal(client.wasTakenOver, true);
  t.equal(next.session, session, 'it is the same session');
  t.same(next.take(), ['x#1+dup']);
  publish(router, 'y');
  t.same([client.take(), next.take()], [['x#1'], ['y#2']]);
  client.drop();
  t.equal(session!.connection, next, 'the old connection has nothing to say any more');
  t.match(sessions.stats(), { sessions: 1, connected: 1, takenOver: 1 });
});

t.test('a clean session ends with its connection, and with a takeover', async (t) => {
  const { router, client, newClient, sessions } = await broker();
  client.connect('c', true);
  router.subscribe('a/#', client.session!, 1);
  const next = newClient();
  t.equal(next.connect('c', true), false);
  t.equal(publish(router, 'x'), 0, 'its subscriptions have gone');
  router.subscribe('a', next.session!, 1);
  next.drop();
  t.equal(publish(router, 'x'), 0);
  t.equal(sessions.find('c'), undefined);
  t.match(sessions.stats(), { sessions: 0, connected: 0, persistent: 0, bytes: 0 });
  t.match(router.stats(), { subscribers: 0 });
});

t.test('a clean connect discards what was kept; a later one that is not clean finds nothing', async (t) => {
  const { router, client, sessions } = await broker();
  client.connect('c');
  router.subscribe('a', client.session!, 1);
  publish(router, 'in flight');
  client.drop();
  publish(router, 'queued');
  t.equal(client.connect('c', true), false);
  t.match(sessions.stats(), { discarded: 1, bytes: 0, persistent: 0, dropped: { 'session-ended': 2 } });
  client.drop();
  t.equal(client.connect('c', false), false);
  t.same(client.take(), ['in flight#1']);
  t.equal(publish(router, 'x'), 0);
});

t.test(
  'QoS 0 goes straight out, and is dropped for a client that is away unless the queue is for it, too',
  async (t) => {
    for (const mqueueQos0 of [false, true]) {
      const { router, client, sessions } = await broker({ mqueueQos0, maxInflight: 1 });
      client.connect('c');
      router.subscribe('a', client.session!, 1);
      t.equal(publish(router, 'x', 0), 1);
      t.same(client.take(), ['x']);
      t.equal(client.session!.idle, true);
      client.drop();
      publish(router, '1', 1);
      publish(router, '2', 1);
      t.equal(publish(router, 'y', 0), mqueueQos0 ? 1 : 0);
      client.connect('c');
      publish(router, 'z', 0);
      t.same(client.take(), mqueueQos0 ? ['1#1'] : ['1#1', 'z'], 'z does not overtake y');
      client.session!.acknowledge(1);
      t.same(client.take(), mqueueQos0 ? ['2#2', 'y', 'z'] : ['2#2']);
      t.match(sessions.stats().dropped, { 'qos0-offline': mqueueQos0 ? 0 : 1 });
      client.session!.acknowledge(2);
      t.match(sessions.stats(), { bytes: 0, busy: 0 });
    }
  },
);

t.test('a message that waited and is refused by the connection then is counted', async (t) => {
  const { router, client, sessions } = await broker({ mqueueQos0: true });
  client.connect('c');
  router.subscribe('a', client.session!, 0);
  client.drop();
  publish(router, 'x', 0);
  client.answer = 'dropped';
  client.connect('c');
  t.match(sessions.stats(), { bytes: 0, dropped: { connection: 1 } });
});

t.test('a full mqueue drops by the policy, and counts', async (t) => {
  const left = { oldest: ['3#1', '4#2', '5#3'], newest: ['1#1', '2#2', '3#3'] };
  for (const mqueueDrop of ['oldest', 'newest'] as const) {
    const { router, client, sessions } = await broker({ mqueueDrop, maxMqueue: 3 });
    client.connect('c');
    router.subscribe('a', client.session!, 1);
    client.drop();
    const taken = ['1', '2', '3', '4', '5'].map((text) => publish(router, text));
    t.same(taken, mqueueDrop === 'oldest' ? [1, 1, 1, 1, 1] : [1, 1, 1, 0, 0]);
    t.match(sessions.stats().dropped, { 'mqueue-full': 2 });
    client.connect('c');
    t.same(client.take(), left[mqueueDrop]);
  }
});

t.test('all sessions together have a limit of bytes, and it is never crossed', async (t) => {
  const bytesTotalMax = 4_000;
  for (const mqueueDrop of ['oldest', 'newest'] as const) {
    const { router, sessions, newClient } = await broker({ mqueueDrop, bytesTotalMax });
    const clients = Array.from({ length: 3 }, newClient);
    for (const [n, client] of clients.entries()) {
      client.connect(`c${n}`);
      router.subscribe(`${n}`, client.session!, 1);
      if (n < 2) client.drop();
    }
    for (let round = 0; round < 20; round++) {
      for (const n of [0, 1, 2]) publish(router, 'x'.repeat(100 * round), 1, `${n}`);
      if (sessions.bytes > bytesTotalMax) t.fail(`${sessions.bytes} B in round ${round}`);
    }
    t.ok(sessions.stats().dropped['sessions-bytes'] > 20);
    t.ok(sessions.bytes > 1_000, 'and it is used');
    for (const client of clients) client.drop();
    for (const n of [0, 1, 2]) newClient().connect(`c${n}`, true);
    t.match(sessions.stats(), { bytes: 0 });
  }
});

t.test('one message that is larger than the limit does not empty the queue for nothing', async (t) => {
  const { router, client, sessions } = await broker({ bytesTotalMax: 2_000 });
  client.connect('c');
  router.subscribe('a', client.session!, 1);
  client.drop();
  publish(router, 'small');
  t.equal(publish(router, 'x'.repeat(2_000)), 0);
  client.connect('c');
  t.same(client.take(), ['small#1']);
  t.match(sessions.stats().dropped, { 'sessions-bytes': 1 });
});

t.test('the watermarks raise an alarm once, and end it once', async (t) => {
  const alarms: string[] = [];
  const { router, client, sessions } = await broker({
    maxMqueue: 10,
    maxInflight: 1,
    onAlarm: ({ clientId }, raised) => alarms.push(`${clientId} ${raised}`),
  });
  client.connect('c');
  router.subscribe('a', client.session!, 1);
  for (let n = 0; n < 6; n++) publish(router, 'x'); // one in flight, five wait
  t.same(alarms, []);
  for (let n = 0; n < 8; n++) publish(router, 'x'); // and more than there is room for
  t.same(alarms, ['c true']);
  t.match(sessions.stats(), { alarms: 1, alarmsRaised: 1 });
  let packetId = 1;
  while (client.session!.pending.queued > 3) client.session!.acknowledge(packetId++);
  t.same(alarms, ['c true'], 'between the marks nothing changes');
  client.session!.acknowledge(packetId++);
  t.same(alarms, ['c true', 'c false']);
  client.session!.acknowledge(packetId++);
  t.match(sessions.stats(), { alarms: 0, alarmsRaised: 1 });
  for (let n = 0; n < 10; n++) publish(router, 'x');
  client.drop();
  client.connect('c', true);
  t.same(alarms, ['c true', 'c false', 'c true', 'c false'], 'an end of the session ends its alarm');
  t.match(sessions.stats(), { alarms: 0, alarmsRaised: 2 });
});

t.test('an unacknowledged message is sent again after the retry interval, with DUP', async (t) => {
  const { router, client, sessions } = await broker({ retryIntervalSec: 10 });
  client.connect('c');
  router.subscribe('a', client.session!, 2);
  publish(router, 'x', 1);
  publish(router, 'y', 2);
  client.session!.received(2);
  sessions.tick(5);
  publish(router, 'z', 1);
  client.take();
  sessions.tick(9);
  t.same(client.take(), []);
  sessions.tick(10);
  t.same(client.take(), ['x#1+dup', 'rel#2']);
  sessions.tick(15);
  t.same(client.take(), ['z#3+dup']);
  sessions.tick(20);
  t.same(client.take(), ['x#1+dup', 'rel#2']);
  t.match(sessions.stats(), { repeated: 5 });
  client.drop();
  sessions.tick(100);
  t.same(client.take(), [], 'a client that is away is left alone');
});

t.test('a retry interval of 0 repeats after a reconnect only', async (t) => {
  const { router, client, sessions } = await broker({ retryIntervalSec: 0 });
  client.connect('c');
  router.subscribe('a', client.session!, 1);
  publish(router, 'x');
  sessions.tick(100_000);
  t.same(client.take(), ['x#1']);
});

t.test('a QoS 2 message of the client is new once, until its PUBREL', async (t) => {
  const { client, sessions } = await broker();
  client.connect('c');
  const session = client.session!;
  t.equal(session.noteIncoming(7), 'new');
  t.equal(session.noteIncoming(7), 'repeated');
  client.drop();
  client.connect('c');
  t.equal(session.noteIncoming(7), 'repeated', 'it is remembered over a reconnect');
  t.equal(session.release(7), true);
  t.equal(session.release(7), false);
  t.equal(session.idle, true);
  t.equal(session.noteIncoming(7), 'new');
  session.release(7);
  t.match(sessions.stats(), { busy: 0 });
});

t.test('the messages that await PUBREL have a limit', async (t) => {
  const { client, sessions } = await broker({ maxAwaitingRel: 2 });
  client.connect('c');
  const session = client.session!;
  t.same(
    [1, 2, 3, 2].map((packetId) => session.noteIncoming(packetId)),
    ['new', 'new', 'too-many', 'repeated'],
  );
  session.release(1);
  t.equal(session.noteIncoming(3), 'new');
  t.match(sessions.stats(), { awaitingRelRefused: 1 });
});

t.test('by default a message awaits PUBREL for as long as its session, however long it takes', async (t) => {
  const { client, sessions } = await broker();
  client.connect('c');
  client.session!.noteIncoming(7);
  for (const nowSec of [25, 3_600, 86_400]) sessions.tick(nowSec);
  client.drop();
  sessions.tick(2 * 86_400);
  client.connect('c');
  t.equal(client.session!.noteIncoming(7), 'repeated', '[MQTT-4.3.3-2]');
  t.match(sessions.stats(), { awaitingRelExpired: 0 });
});

t.test(
  'packet ids that await PUBREL count in the bytes of all sessions, and are refused past them',
  async (t) => {
    const { client, sessions } = await broker({ bytesTotalMax: 500 });
    client.connect('c');
    const session = client.session!;
    t.same(
      [1, 2, 3, 2].map((packetId) => session.noteIncoming(packetId)),
      ['new', 'new', 'too-many', 'repeated'],
    );
    t.match(sessions.stats(), { bytes: 448, awaitingRelRefused: 1 });
    session.release(1);
    t.equal(session.noteIncoming(3), 'new');
    session.release(2);
    session.release(3);
    t.match(sessions.stats(), { bytes: 0, busy: 0 });
  },
);

t.test('and a timeout that counts only while the client is connected', async (t) => {
  const { client, sessions } = await broker({ awaitRelTimeoutSec: 20 });
  client.connect('c');
  const session = client.session!;
  session.noteIncoming(1);
  sessions.tick(15);
  session.noteIncoming(2);
  client.drop();
  sessions.tick(1_000);
  client.connect('c');
  sessions.tick(1_004);
  t.equal(session.pending.awaitingRel, 2, '19 s and 4 s of being connected');
  sessions.tick(1_005);
  t.equal(session.pending.awaitingRel, 1);
  sessions.tick(1_019);
  t.equal(session.pending.awaitingRel, 1);
  sessions.tick(1_020);
  t.equal(session.idle, true);
  t.match(sessions.stats(), { awaitingRelExpired: 2, busy: 0 });
});

t.test('a session whose client stays away ends after the expiry, with all it had', async (t) => {
  const { router, client, newClient, sessions } = await broker({ sessionExpirySec: 100 });
  const late = newClient();
  for (const [id, one] of [
    ['early', client],
    ['late', late],
  ] as const) {
    one.connect(id);
    router.subscribe('a', one.session!, 1);
  }
  client.drop();
  publish(router, 'x');
  sessions.tick(50);
  late.drop();
  sessions.tick(99);
  t.match(sessions.stats(), { sessions: 2, persistent: 2, connected: 0 });
  sessions.tick(100);
  t.match(sessions.stats(), { sessions: 1, expired: 1, dropped: { 'session-ended': 1 } });
  t.equal(late.connect('late'), true);
  sessions.tick(500);
  t.match(sessions.stats(), { sessions: 1, expired: 1 }, 'who is connected does not expire');
  t.equal(client.connect('early'), false);
  t.match(router.stats(), { subscribers: 1 });
});

t.test('an expiry of 0 is never', async (t) => {
  const { client, sessions } = await broker({ sessionExpirySec: 0 });
  client.connect('c');
  client.drop();
  sessions.tick(1_000_000_000);
  t.equal(client.connect('c'), true);
});

t.test('many that expire together are ended over several ticks', async (t) => {
  const { newClient, sessions } = await broker({ sessionExpirySec: 10 });
  const client = newClient();
  for (let n = 0; n < 12_000; n++) {
    client.connect(`c${n}`);
    client.drop();
  }
  const left = [10, 11, 12].map((sec) => {
    sessions.tick(sec);
    return sessions.stats().sessions;
  });
  t.same(left, [7_000, 2_000, 0]);
});

t.test(
  'where there is no room, a session whose client is away makes some, and what it had is counted',
  async (t) => {
    const evicted: string[] = [];
    const { router, newClient, sessions } = await broker({
      maxSessions: 2,
      onEvict: ({ session, reason, awaySec, messages }) =>
        evicted.push(`${session.clientId} ${reason} ${awaySec} ${messages}`),
    });
    const [a, b, c] = [newClient(), newClient(), newClient()];
    a.connect('a');
    router.subscribe('a', a.session!, 1);
    a.drop();
    b.connect('b');
    publish(router, 'x');
    publish(router, 'y');
    sessions.tick(30);
    t.equal(sessions.hasRoomFor('c', keptTerms), true);
    t.equal(c.connect('c'), false);
    t.same(evicted, ['a sessions-full 30 2']);
    t.match(sessions.stats(), {
      persistent: 2,
      bytes: 0,
      evicted: { 'sessions-full': 1 },
      dropped: { 'session-evicted': 2 },
    });
    t.match(router.stats(), { subscribers: 0 });
    t.equal(sessions.hasRoomFor('d', keptTerms), false, 'who is here makes none');
  },
);

t.test('a session that is taken over makes room for nobody', async (t) => {
  const { newClient, sessions } = await broker({ maxAwayPerAddress: 1 });
  const owner = { address: '10.0.0.1', userName: undefined };
  for (const clientId of ['away', 'here']) newClient().connect(clientId, false, owner);
  newClient().connect('away', false, owner);
  const other = newClient();
  other.connect('other', false, owner);
  other.drop();
  t.equal(newClient().connect('here', false, owner), true);
  t.match(sessions.stats(), { persistent: 3, evicted: { 'address-full': 0 } });
});

t.test(
  'sessions that outlive their connection have a limit; clean ones and those that are there do not count',
  async (t) => {
    const { newClient, sessions } = await broker({ maxSessions: 2 });
    const [a, b, c] = [newClient(), newClient(), newClient()];
    a.connect('a');
    b.connect('b');
    t.equal(sessions.hasRoomFor('c', keptTerms), false);
    t.equal(sessions.hasRoomFor('a', keptTerms), true);
    t.equal(sessions.hasRoomFor('c', cleanTerms), true);
    c.connect('c', true);
    t.equal(sessions.hasRoomFor('c', keptTerms), false, 'not for one that is there, but clean');
    newClient().connect('a', true);
    t.equal(sessions.hasRoomFor('c', keptTerms), true);
    t.match(sessions.stats(), { refused: 2, persistent: 1, sessions: 3 });
  },
);

t.test('packet ids go round from 1 to 65,535 and never give one out that is in use', async (t) => {
  const { router, client } = await broker({ maxInflight: 2 });
  client.connect('c');
  router.subscribe('a', client.session!, 1);
  publish(router, 'stays');
  t.same(client.take(), ['stays#1']);
  for (let n = 2; n <= 65_535; n++) {
    publish(router, '');
    client.session!.acknowledge(n);
  }
  t.equal(client.take().at(-1), '#65535');
  publish(router, 'next');
  t.same(client.take(), ['next#2'], 'and 1 is still in use');
});

t.test('a window may be as wide as there are packet ids, and no wider', async (t) => {
  const { router, client } = await broker({ maxInflight: 65_535, maxMqueue: 10 });
  client.connect('c');
  router.subscribe('a', client.session!, 1);
  for (let n = 0; n < 65_540; n++) publish(router, '');
  t.equal(new Set(client.take()).size, 65_535);
  t.same(client.session!.pending, { inflight: 65_535, queued: 5, awaitingRel: 0 });
  client.session!.acknowledge(40_000);
  t.same(client.take(), ['#40000']);
  const router2 = await startedRouter();
  for (const maxInflight of [0, 65_536, 1.5])
    t.throws(() => new Sessions(router2, { maxInflight }), /1 to 65,535/);
});

t.test('a waiting message owns its bytes, once for all sessions', async (t) => {
  const { router, sessions, newClient } = await broker({ maxInflight: 1 });
  const clients = Array.from({ length: 3 }, newClient);
  for (const [n, client] of clients.entries()) {
    client.connect(`c${n}`);
    router.subscribe('a', client.session!, 1);
  }
  const payloads = new Set<Uint8Array>();
  const pool = Buffer.alloc(8_192, 'x');
  const frame = new Message('a', pool.subarray(0, 100), 0, 1);
  frame.wire = [pool];
  router.publish(frame);
  router.publish(frame);
  for (const client of clients) {
    client.sendInflight = ({ message }) => {
      payloads.add(message!.payload);
      t.equal(message!.wire, undefined, 'nor are its encodings kept');
    };
    client.session!.acknowledge(1);
  }
  t.equal(payloads.size, 1);
  for (const payload of payloads) t.equal(payload.buffer.byteLength, 100);
  t.equal(sessions.stats().busy, 3);
});

t.test('kept sessions of a store are there for a client that reconnects, and expire otherwise', async (t) => {
  class Restoring extends MemoryStore {
    override restore(total: FlowTotal) {
      return ['back', 'never'].map((clientId) => {
        const flow = this.create(clientId, false, total);
        flow.send(new InflightEntry(7, new Message('a', Buffer.from('in flight'), 0, 1), 1, 0));
        flow.enqueue({ message: new Message('a', Buffer.from('queued'), 0, 1), options: 1 });
        return { clientId, flow };
      });
    }
  }
  const router = await startedRouter();
  const sessions = new Sessions(router, { sessionExpirySec: 100 }, new Restoring());
  t.match(sessions.stats(), { sessions: 2, persistent: 2, connected: 0 });
  const client = new SessionClient(sessions);
  t.equal(client.connect('back'), true);
  t.same(client.take(), ['in flight#7+dup', 'queued#1']);
  sessions.tick(100);
  t.match(sessions.stats(), { sessions: 1, expired: 1, dropped: { 'session-ended': 2 } });
  client.session!.acknowledge(7);
  client.session!.acknowledge(1);
  t.match(sessions.stats(), { bytes: 0, busy: 0 });
});

t.test('a session whose client has moved to another node ends, and what waited is counted', async (t) => {
  const { router, sessions } = await broker();
  const closed: string[] = [];
  const connection = (name: string) =>
    ({ congested: false, sendInflight: () => {}, takenOver: () => closed.push(name) }) as never;
  const { session } = sessions.open('away', keptTerms, connection('away'));
  router.subscribe('news', session, 1);
  sessions.detach(session);
  for (const name of ['clean', 'kept']) {
    const opened = sessions.open(name, name === 'clean' ? cleanTerms : keptTerms, connection(name));
    router.subscribe('news', opened.session, 1);
    opened.session.resume();
  }
  publish(router, 'x', 1, 'news');
  t.same(
    ['away', 'clean', 'kept', 'unknown'].map((clientId) => sessions.move(clientId)),
    [true, true, true, false],
  );
  t.same(closed, ['clean', 'kept']);
  t.equal(router.logins, 0);
  t.match(sessions.stats(), {
    sessions: 0,
    connected: 0,
    persistent: 0,
    bytes: 0,
    busy: 0,
    moved: 3,
    takenOver: 2,
    dropped: { 'session-ended': 1, 'session-moved': 2 },
  });
});
