import t from 'tap';
import {
  cleanTerms,
  keptTerms,
  Message,
  Sessions,
  type SessionsOptions,
  type SessionTerms,
} from '../../router/index.js';
import { ExpiryBuckets } from '../../router/session/expiry-buckets.js';
import { SeededRandom } from '../seeded-random.js';
import { startedRouter } from './inbox.js';
import { SessionClient } from './session-client.js';

/** Beginning anew, ending with the connection, and an expiry of one's own: MQTT 5 asks for each by itself, 3.1.1 for two at once. */

async function broker(options?: SessionsOptions) {
  const router = await startedRouter();
  const sessions = new Sessions(router, options);
  return {
    router,
    sessions,
    client: new SessionClient(sessions),
    newClient: () => new SessionClient(sessions),
  };
}

const startsClean: SessionTerms = { startClean: true, endsWithConnection: false };
const endsWithConnection: SessionTerms = { startClean: false, endsWithConnection: true };

t.test('clean session is both bits, or none of them', async (t) => {
  t.same(cleanTerms, { startClean: true, endsWithConnection: true });
  t.same(keptTerms, { startClean: false, endsWithConnection: false });
});

t.test('a client that starts clean begins anew, and its session is kept for later', async (t) => {
  const { router, sessions, client } = await broker();
  client.connectWith(keptTerms, 'c');
  router.subscribe('a', client.session!, 1);
  client.drop();
  router.publish(new Message('a', Buffer.from('old'), 0, 1));
  t.equal(client.connectWith(startsClean, 'c'), false);
  t.same(client.take(), []);
  t.match(sessions.stats(), { sessions: 1, persistent: 1, discarded: 1, dropped: { 'session-ended': 1 } });
  t.equal(router.logins, 0);
  router.subscribe('a', client.session!, 1);
  client.drop();
  router.publish(new Message('a', Buffer.from('new'), 0, 1));
  t.equal(client.connectWith(keptTerms, 'c'), true);
  t.same(client.take(), ['new#1']);
});

t.test('a session that was kept may end with the connection that finds it', async (t) => {
  const { router, sessions, client } = await broker();
  client.connectWith(keptTerms, 'c');
  const { clientsBytes } = sessions.stats();
  router.subscribe('a', client.session!, 1);
  client.drop();
  router.publish(new Message('a', Buffer.from('x'), 0, 1));
  t.equal(client.connectWith(endsWithConnection, 'c'), true, 'it is found');
  t.same(client.take(), ['x#1']);
  const stats = sessions.stats();
  t.match(stats, { sessions: 1, persistent: 0 });
  t.ok(stats.clientsBytes < clientsBytes, 'and counted as one that is not kept');
  client.drop();
  t.match(sessions.stats(), { sessions: 0, persistent: 0, clientsBytes: 0, dropped: { 'session-ended': 1 } });
  t.equal(router.logins, 0);
  t.equal(client.connectWith(keptTerms, 'c'), false);
});

t.test('a client may change its mind while it is connected', async (t) => {
  const { sessions, client } = await broker({ sessionExpirySec: 100 });
  client.connectWith(keptTerms, 'c');
  sessions.setTerms(client.session!, true);
  sessions.setTerms(client.session!, false, 7);
  t.match(sessions.stats(), { persistent: 1 });
  t.equal(sessions.away.expiryOf(client.session!), 7);
  client.drop();
  sessions.tick(6);
  t.match(sessions.stats(), { sessions: 1 });
  sessions.tick(7);
  t.match(sessions.stats(), { sessions: 0, persistent: 0, clientsBytes: 0, expired: 1 });
});

t.test('there is room for one that ends with its connection where no more are kept', async (t) => {
  const { sessions, client, newClient } = await broker({ maxSessions: 1 });
  client.connectWith(keptTerms, 'kept');
  t.equal(sessions.hasRoomFor('other', keptTerms), false);
  t.equal(sessions.hasRoomFor('other', startsClean), false);
  t.equal(sessions.hasRoomFor('kept', startsClean), true, 'it takes the place of the one that ends');
  t.equal(sessions.hasRoomFor('other', endsWithConnection), true);
  newClient().connectWith(endsWithConnection, 'other');
  t.equal(sessions.hasRoomFor('other', keptTerms), false);
});

t.test(
  'an expiry of its own counts from when the client goes; all others have that of the setting',
  async (t) => {
    const { sessions, newClient } = await broker({ sessionExpirySec: 100 });
    const expiries = { soon: 10, late: 1_000, never: Number.POSITIVE_INFINITY, usual: undefined };
    const clients = Object.entries(expiries).map(([clientId, expirySec]) => {
      const client = newClient();
      client.connectWith({ ...keptTerms, ...(expirySec && { expirySec }) }, clientId);
      return client;
    });
    sessions.tick(5);
    for (const client of clients) client.drop();
    const left = (nowSec: number) => {
      sessions.tick(nowSec);
      return Object.keys(expiries).filter((clientId) => sessions.find(clientId) !== undefined);
    };
    t.same(left(14), ['soon', 'late', 'never', 'usual']);
    t.same(left(15), ['late', 'never', 'usual']);
    t.same(left(104), ['late', 'never', 'usual']);
    t.same(left(105), ['late', 'never']);
    t.same(left(1_004), ['late', 'never']);
    t.same(left(1_005), ['never']);
    t.same(left(1_000_000), ['never']);
    const back = newClient();
    t.equal(back.connectWith(keptTerms, 'never'), true);
    t.equal(sessions.away.expiryOf(back.session!), undefined, 'and each connection says it anew');
    back.drop();
    t.same(left(1_000_100), []);
    t.match(sessions.stats(), { sessions: 0, clientsBytes: 0, expired: 4 });
  },
);

t.test('where sessions expire never, those with an expiry of their own do', async (t) => {
  const { sessions, client, newClient } = await broker({ sessionExpirySec: 0 });
  const other = newClient();
  client.connectWith({ ...keptTerms, expirySec: 1 }, 'one');
  other.connectWith(keptTerms, 'other');
  client.drop();
  other.drop();
  sessions.tick(1);
  t.match(sessions.stats(), { sessions: 1, expired: 1 });
  sessions.tick(1_000_000_000);
  t.match(sessions.stats(), { sessions: 1, expired: 1 });
});

t.test('it goes with the session to another node', async (t) => {
  const { router, sessions, client } = await broker({ sessionExpirySec: 100 });
  const there = new Sessions(router, { sessionExpirySec: 100 });
  client.connectWith({ ...keptTerms, expirySec: 10 }, 'c');
  const departing = sessions.depart('c')!;
  const adopted = there.adopt('c', undefined, sessions.away.expiryOf(departing))!;
  adopted.put(departing.take());
  sessions.departed(departing);
  t.match(sessions.stats(), { sessions: 0, clientsBytes: 0 });
  t.equal(there.away.expiryOf(adopted), 10);
  there.tick(9);
  t.equal(there.find('c'), adopted);
  there.tick(10);
  t.equal(there.find('c'), undefined);
});

t.test('due items are the ones that a search of all finds', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed}`);
  const buckets = new ExpiryBuckets<number>();
  const placed = new Map<number, { sec: number; place: ReturnType<typeof buckets.add> }>();
  const end = (item: number) => {
    const { place, sec } = placed.get(item)!;
    buckets.remove(place, sec);
    placed.delete(item);
  };
  let nowSec = 0;
  for (let item = 0; item < 20_000; item++) {
    const sec = nowSec + random.below(50); // due at once, too
    placed.set(item, { sec, place: buckets.add(item, sec) });
    if (random.chance(0.3)) end(random.pick([...placed.keys()].slice(0, 5)));
    if (!random.chance(0.2)) continue;
    nowSec += random.below(4);
    const wanted = [...placed].filter(([, { sec }]) => sec <= nowSec).map(([each]) => each);
    const found: number[] = [];
    for (let due = buckets.due(nowSec); due !== undefined; due = buckets.due(nowSec)) {
      found.push(due);
      end(due);
    }
    if (found.sort((one, other) => one - other).join() !== wanted.join()) return t.fail(`item ${item}`);
  }
  t.ok(placed.size > 0);
});
