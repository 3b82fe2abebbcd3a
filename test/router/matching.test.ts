import t from 'tap';
import { InvalidFilterError, Message, type Qos, Router } from '../../router/index.js';
import { TopicTree } from '../../router/topic-tree.js';
import { cpuMs } from '../cpu-time.js';
import { SeededRandom } from '../seeded-random.js';
import { Inbox, startedRouter, textOf } from './inbox.js';
import { naiveMatch } from './naive-matcher.js';

function message(id: string, text: string, qos: Qos = 0): Message {
  return new Message(id, Buffer.from(text), 0, qos);
}

t.test('a subscriber gets what its filters match, beside those who are logged in as the id', async (t) => {
  const router = await startedRouter();
  const [exact, plus, hash, other] = [new Inbox(), new Inbox(), new Inbox(), new Inbox()];
  router.login('room/7/chat', exact);
  router.subscribe('room/+/chat', plus, 0);
  router.subscribe('room/#', hash, 0);
  router.subscribe('room/+', other, 0);
  t.equal(router.send('room/7/chat', 'Hello'), 3);
  t.same(
    [exact, plus, hash, other].map(({ texts }) => texts),
    [['Hello'], ['Hello'], ['Hello'], []],
  );
  t.equal(router.count('room/7/chat'), 3);
  t.match(router.stats(), { ids: 1, filters: 3, logins: 4, subscribers: 4 });
});

t.test('overlapping filters of one subscriber are one delivery, at the highest QoS', async (t) => {
  const router = await startedRouter();
  const [inbox, company] = [new Inbox(), new Inbox()];
  router.subscribe('a/b', inbox, 0);
  router.subscribe('a/+', inbox, 2);
  router.subscribe('a/#', inbox, 1);
  router.subscribe('#', company, 1);
  t.equal(router.publish(message('a/b', 'x', 2)), 2);
  t.same([inbox.texts, company.texts], [['x@2'], ['x@1']]);
  t.equal(router.count('a/b'), 2);
  router.unsubscribe('a/+', inbox);
  router.publish(message('a/b', 'y', 2));
  t.same(inbox.texts, ['x@2', 'y@1']);
});

t.test('the QoS of a delivery is the lower of what is sent and what is granted', async (t) => {
  const router = await startedRouter();
  const inboxes = ([0, 1, 2] as const).map((granted) => {
    const inbox = new Inbox();
    router.subscribe('a', inbox, granted);
    return inbox;
  });
  for (const qos of [0, 1, 2] as const) router.publish(message('a', 'x', qos));
  t.same(
    inboxes.map(({ texts }) => texts),
    [
      ['x', 'x', 'x'],
      ['x', 'x@1', 'x@1'],
      ['x', 'x@1', 'x@2'],
    ],
  );
});

t.test('subscribing again replaces the QoS; it stays one subscription', async (t) => {
  const router = await startedRouter();
  const inboxes = Array.from({ length: 30 }, () => new Inbox());
  for (const filter of ['a', '+']) {
    for (const qos of [1, 0, 2] as const) for (const inbox of inboxes) router.subscribe(filter, inbox, qos);
  }
  t.equal(router.publish(message('a', 'x', 2)), 30);
  t.ok(inboxes.every(({ texts }) => texts.length === 1 && texts[0] === 'x@2'));
  t.match(router.stats(), { logins: 60, subscribers: 30, ids: 1, filters: 1 });
  router.login('a', inboxes[0]!);
  router.subscribe('+', inboxes[0]!, 1);
  router.publish(message('a', 'y', 2));
  t.equal(inboxes[0]!.texts.at(-1), 'y@1', 'a login is a subscription at QoS 0');
});

t.test(
  'topics that begin with $ do not match filters that begin with a wildcard [MQTT-4.7.2-1]',
  async (t) => {
    const router = await startedRouter();
    const [everything, anyFirst, system] = [new Inbox(), new Inbox(), new Inbox()];
    router.subscribe('#', everything, 0);
    router.subscribe('+/uptime', anyFirst, 0);
    router.subscribe('$SYS/#', system, 0);
    t.equal(router.send('$SYS/uptime', 'x'), 1);
    t.equal(router.send('a/$SYS', 'y'), 1);
    t.same([everything.texts, anyFirst.texts, system.texts], [['y'], [], ['x']]);
  },
);

t.test('unsubscribing says whether there was anything, and leaves nothing behind', async (t) => {
  const router = await startedRouter();
  const inbox = new Inbox();
  for (const filter of ['a/+/c', 'a/#', 'a']) router.subscribe(filter, inbox, 1);
  t.equal(router.loginsOf(inbox), 3);
  t.same(
    ['a/+/c', 'a', 'a/+', 'b'].map((filter) => router.isLoggedIn(filter, inbox)),
    [true, true, false, false],
  );
  t.equal(router.unsubscribe('a/+/d', inbox), false);
  t.equal(router.unsubscribe('a/+', inbox), false);
  t.equal(router.unsubscribe('a/+/c', new Inbox()), false);
  t.equal(router.unsubscribe('a/+/c', inbox), true);
  t.equal(router.unsubscribe('a/+/c', inbox), false);
  t.equal(router.send('a/b/c', 'x'), 1);
  router.logout(inbox);
  t.match(router.stats(), { ids: 0, filters: 0, logins: 0, subscribers: 0 });
  t.equal(inbox.logins, undefined);
  t.equal(router.loginsOf(inbox), 0);
});

t.test('the tree has no nodes where it has no filters', async (t) => {
  const tree = new TopicTree();
  const filters = ['#', 'a/+/c', 'a/+', 'a/b/c/d/#', `${'x/'.repeat(100)}y`, '+/+', '', '/'];
  for (const filter of filters) tree.set(filter, new Inbox());
  t.equal(tree.size, filters.length);
  for (const filter of filters.reverse()) tree.delete(filter);
  t.equal(tree.size, 0);
  t.equal(tree.root.children, undefined);
  t.equal(tree.delete('a/b'), undefined);
});

t.test('a filter that is none is refused by name, and so is one with too many levels', async (t) => {
  const router = await startedRouter({ topicLevelsMax: 4 });
  const inbox = new Inbox();
  t.throws(() => router.subscribe('a/#/b', inbox, 0), {
    name: 'InvalidFilterError',
    problem: 'hash-not-last',
  });
  t.throws(() => router.subscribe('a/b/c/d/#', inbox, 0), InvalidFilterError);
  t.throws(() => router.login('a/b/c/d/e', inbox), { name: 'InvalidIdError', problem: 'too-many-levels' });
  router.subscribe('a/b/c/#', inbox, 0);
  t.match(router.stats(), { filters: 1, logins: 1 });
});

t.test('a limit that is set high enough admits ids and filters of 30,000 levels', async (t) => {
  const router = await startedRouter({ topicLevelsMax: 65_535, idBytesMax: 65_535 });
  const inboxes = [new Inbox(), new Inbox(), new Inbox()];
  const deep = '/'.repeat(30_000);
  router.subscribe(`${deep}#`, inboxes[0]!, 0);
  router.subscribe(`+${'/+'.repeat(30_000)}`, inboxes[1]!, 0);
  router.login(deep, inboxes[2]!);
  t.equal(router.send(deep, 'x'), 3);
  router.publish(new Message(deep, Buffer.from('kept'), 0, 0, true));
  t.same(router.retainedFor('#').map(textOf), ['kept']);
  t.equal(router.retainedFor(`${'/+'.repeat(30_000)}`).length, 1);
  for (const inbox of inboxes) router.logout(inbox);
  router.publish(new Message(deep, Buffer.from(''), 0, 0, true));
  t.match(router.stats(), { filters: 0, ids: 0, retained: 0, retainedBytes: 0 });
});

t.test('a message published from inside a deliver comes after, to everybody, in order', async (t) => {
  const router = await startedRouter();
  const inboxes = Array.from({ length: 3 }, () => new Inbox());
  for (const inbox of inboxes) router.subscribe('#', inbox, 0);
  let wills = 0;
  inboxes[0]!.onDeliver = ({ id }) => {
    if (id === 'a') t.equal(router.send('will', `will ${++wills}`), 0);
    if (id === 'will' && wills < 3) router.send('will', `will ${++wills}`);
  };
  t.equal(router.send('a', 'Hello'), 3, 'the answer is about this message only');
  for (const { texts } of inboxes) t.same(texts, ['Hello', 'will 1', 'will 2', 'will 3']);
  t.match(router.stats(), { published: 4, delivered: 12 });
});

t.test('a deliver that throws does not keep the router from the next message', async (t) => {
  const told: unknown[] = [];
  const router = new Router({ onDeliverError: (error) => told.push(error) });
  await router.start();
  const inbox = new Inbox();
  router.subscribe('+', inbox, 0);
  inbox.onDeliver = () => {
    throw new Error('a bug');
  };
  t.equal(router.send('a', 'x'), 0);
  t.match(told, [/a bug/]);
  inbox.onDeliver = undefined;
  t.equal(router.send('a', 'y'), 1);
});

t.test('a client with 50,000 subscriptions leaves them one by one in no time', async (t) => {
  const router = await startedRouter();
  const inbox = new Inbox();
  const filters = Array.from({ length: 50_000 }, (_, n) => (n % 2 ? `id/${n}` : `id/${n}/#`));
  for (const filter of filters) router.subscribe(filter, inbox, 1);
  const startedMs = cpuMs();
  for (const filter of filters.reverse()) router.unsubscribe(filter, inbox);
  const tookMs = cpuMs() - startedMs;
  t.ok(tookMs < 2_000, `${tookMs.toFixed(0)} ms, where the square would take minutes`);
  t.match(router.stats(), { logins: 0, subscribers: 0, ids: 0, filters: 0 });
  t.equal(inbox.logins, undefined);
});

const levels = ['a', 'b', 'c', '', '$x', 'a long level of its own'];

function randomId(random: SeededRandom): string {
  const id = Array.from({ length: 1 + random.below(4) }, () => random.pick(levels)).join('/');
  return id === '' ? '/' : id;
}

function randomFilter(random: SeededRandom): string {
  const parts = randomId(random)
    .split('/')
    .map((level) => (random.chance(0.3) ? '+' : level));
  if (random.chance(0.3)) parts.push('#');
  else if (random.chance(0.1)) return '#';
  return parts.join('/');
}

t.test('random subscriptions are matched as a naive matcher matches them', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed}`);
  const router = await startedRouter();
  const inboxes = Array.from({ length: 40 }, () => new Inbox());
  const model = new Map(inboxes.map((inbox) => [inbox, new Map<string, Qos>()]));
  for (let step = 0; step < 20_000; step++) {
    const inbox = random.pick(inboxes);
    const filters = model.get(inbox)!;
    const what = random.below(10);
    if (what < 4) {
      const [filter, qos] = [randomFilter(random), random.below(3) as Qos];
      router.subscribe(filter, inbox, qos);
      filters.set(filter, qos);
    } else if (what < 6) {
      const filter = random.chance(0.8)
        ? (random.pick([...filters.keys(), 'none']) as string)
        : randomFilter(random);
      if (router.unsubscribe(filter, inbox) !== filters.delete(filter))
        return t.fail(`step ${step}: ${filter}`);
    } else if (what < 7 && random.chance(0.3)) {
      router.logout(inbox);
      filters.clear();
    } else {
      const [id, qos] = [randomId(random), random.below(3) as Qos];
      const expected = new Map<Inbox, Qos>();
      for (const [each, subscriptions] of model) {
        const granted = [...subscriptions].filter(([filter]) => naiveMatch(filter, id)).map(([, one]) => one);
        if (granted.length > 0) expected.set(each, Math.min(qos, Math.max(...granted)) as Qos);
      }
      const counted = router.count(id);
      const taken = router.publish(message(id, 'x', qos));
      if (taken !== expected.size || counted !== expected.size) {
        return t.fail(`step ${step}: ${id} reached ${taken}, counted ${counted}, not ${expected.size}`);
      }
      for (const each of inboxes) {
        const wanted = expected.has(each) ? [expected.get(each) === 0 ? 'x' : `x@${expected.get(each)}`] : [];
        if (each.texts.join() !== wanted.join()) {
          return t.fail(`step ${step}: ${id} at ${qos} came as ${each.texts}, not ${wanted}`);
        }
        each.texts.length = 0;
      }
    }
  }
  const all = [...model.values()].flatMap((filters) => [...filters.keys()]);
  t.match(router.stats(), {
    logins: all.length,
    ids: new Set(all.filter((filter) => !/[+#]/.test(filter))).size,
    filters: new Set(all.filter((filter) => /[+#]/.test(filter))).size,
    subscribers: [...model.values()].filter(({ size }) => size > 0).length,
  });
  for (const inbox of inboxes) router.logout(inbox);
  t.match(router.stats(), { logins: 0, ids: 0, filters: 0, subscribers: 0 });
});

t.test(
  'a subscriber that leaves during a fan-out gets nothing after; all others get the message once',
  async (t) => {
    const random = new SeededRandom();
    t.comment(`ENCKE_TEST_SEED=${random.seed}`);
    for (let round = 0; round < 2_000; round++) {
      const router = await startedRouter();
      const inboxes = Array.from({ length: 1 + random.below(60) }, () => new Inbox());
      const leaving = random.pick([0.2, 0.5, 0.9]);
      const matching = ['a/b', 'a/+', '+/b', '#', 'a/#', '+/+', 'a/b/#'];
      const subscribed = new Map(inboxes.map((inbox) => [inbox, new Set<string>()]));
      for (const inbox of inboxes) {
        for (const filter of matching) {
          if (!random.chance(0.4)) continue;
          router.subscribe(filter, inbox, random.below(3) as Qos);
          subscribed.get(inbox)!.add(filter);
        }
        inbox.onDeliver = () => {
          if (subscribed.get(inbox)!.size === 0) t.fail(`round ${round}: one that had left`);
          while (random.chance(leaving)) {
            const leaver = random.pick(inboxes);
            const filters = subscribed.get(leaver)!;
            if (random.chance(0.5)) {
              router.logout(leaver);
              filters.clear();
            } else {
              const filter = random.pick(matching);
              router.unsubscribe(filter, leaver);
              filters.delete(filter);
            }
          }
        };
      }
      const before = inboxes.filter((inbox) => subscribed.get(inbox)!.size > 0);
      router.send('a/b', 'x');
      for (const inbox of before) {
        const stayed = subscribed.get(inbox)!.size > 0;
        if (inbox.texts.length > 1) return t.fail(`round ${round}: delivered twice`);
        if (stayed && inbox.texts.length === 0) return t.fail(`round ${round}: not delivered`);
      }
      for (const inbox of inboxes) router.logout(inbox);
      const { logins, ids, filters, subscribers } = router.stats();
      if (logins + ids + filters + subscribers > 0)
        return t.fail(`round ${round}: something was left behind`);
    }
    t.pass('2,000 rounds');
  },
);
