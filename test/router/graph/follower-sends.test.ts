import t from 'tap';
import { Graph, Message, noLocal, Router, Subscriber } from '../../../router/index.js';
import { until } from '../../until.js';
import { Inbox, startedRouter, textOf } from '../inbox.js';

/** Notes the id under which each message came, and whom it is about. */
class Notes extends Subscriber {
  readonly notes: string[] = [];
  onDeliver: ((message: Message) => void) | undefined;

  override deliver(message: Message) {
    this.notes.push(`${message.id} ${message.properties?.about ?? '-'} ${textOf(message)}`);
    this.onDeliver?.(message);
    return 'sent' as const;
  }
}

function loggedIn<Kind extends Subscriber>(router: Router, subscriber: Kind, ...ids: string[]): Kind {
  for (const id of ids) router.subscribe(id, subscriber, 1);
  return subscriber;
}

t.test('a send to followers goes to the id and to all that follow it', async (t) => {
  const router = await startedRouter();
  await router.graph.addSubscriptions([
    ['a', 'star'],
    ['b', 'star'],
    ['away', 'star'],
    ['star', 'other'],
  ]);
  const [a, b, star, other] = ['a', 'b', 'star', 'other'].map((id) => loggedIn(router, new Notes(), id));
  t.equal(await router.sendToFollowers('star', 'Hello'), 3);
  t.same(a!.notes, ['a star Hello']);
  t.same(b!.notes, ['b star Hello']);
  t.same(star!.notes, ['star - Hello'], 'its own message is as any');
  t.same(other!.notes, [], 'the ids that it follows get nothing');
  t.equal(router.send('star', 'alone'), 1);
  t.same(a!.notes.length, 1);
  t.equal(await router.sendToFollowers('nobody', 'x'), 0);
  t.match(router.stats().graph, {
    ids: 5,
    edges: 4,
    sends: { underWay: 0, sent: 2, delivered: 3, refused: 0 },
  });
});

t.test('each connection gets it once, however many of its ids match', async (t) => {
  const router = await startedRouter();
  for (const id of ['a', 'b', 'c']) router.graph.add(id, 'star');
  const two = loggedIn(router, new Notes(), 'a', 'b', 'x');
  const own = loggedIn(router, new Notes(), 'star', 'a');
  const wild = loggedIn(router, new Notes(), '#');
  const wildToo = loggedIn(router, new Notes(), 'x/#', 'c');
  const filter = loggedIn(router, new Notes(), '+', 'c');
  t.equal(await router.sendToFollowers('star', 'x'), 5);
  t.equal(two.notes.length, 1);
  t.same(own.notes, ['star - x'], 'the id itself comes first');
  t.same(wild.notes, ['star - x'], 'a filter gets what it is for, once');
  t.same(filter.notes, ['star - x']);
  t.same(wildToo.notes, ['c star x']);
});

t.test('QoS is the highest of all ids that match, and no more than that of the message', async (t) => {
  const router = await startedRouter();
  for (const id of ['a', 'b', 'c']) router.graph.add(id, 'star');
  const inbox = new Inbox();
  router.subscribe('a', inbox, 0);
  router.subscribe('b', inbox, 1);
  router.subscribe('c', inbox, 1);
  router.subscribe('x', inbox, 2);
  await router.sendToFollowers('star', 'at 0');
  t.same(inbox.texts, ['at 0']);
  await new Promise<unknown>((onOutcome) => {
    router.publish(new Message('star', Buffer.from('at 2'), 0, 2), { onOutcome, followers: true });
  });
  t.same(inbox.texts, ['at 0', 'at 2@1']);
});

t.test('No Local holds for followers', async (t) => {
  const router = await startedRouter();
  router.graph.add('a', 'star');
  class Client extends Notes {
    override readonly clientId = 'me';
  }
  const client = new Client();
  router.subscribe('a', client, noLocal);
  const message = new Message('star', Buffer.from('x'), 0, 0, false, 0, 'me');
  await new Promise<unknown>((onOutcome) => router.publish(message, { onOutcome, followers: true }));
  t.same(client.notes, []);
});

t.test('messages to followers have no place in the history of the follower', async (t) => {
  const router = await startedRouter();
  router.graph.add('a', 'star');
  const a = loggedIn(router, new Notes(), 'a');
  let offset = -1;
  a.onDeliver = (message) => {
    offset = message.offset;
  };
  await router.sendToFollowers('star', 'x');
  t.equal(offset, 0);
  t.same(router.history.position(['star', 'a']), [1, 0]);
});

t.test('a user with many followers does not stop the loop, and sends to an id stay in order', async (t) => {
  const router = await startedRouter();
  const followers = 60_000;
  for (let n = 0; n < followers; n++) router.graph.add(`${n}`, 'star');
  const inboxes = Array.from({ length: 6000 }, (_, n) => loggedIn(router, new Inbox(), `${n * 10}`));
  router.graph.add('fan', 'small');
  const fan = loggedIn(router, new Inbox(), 'fan');
  let turns = 0;
  let over = false;
  const turn = () => {
    turns++;
    if (!over) setImmediate(turn);
  };
  setImmediate(turn);
  const sends = ['one', 'two', 'three'].map((text) => router.sendToFollowers('star', text));
  t.equal(router.stats().graph.sends.underWay, 3);
  const small = router.sendToFollowers('small', 'between');
  t.equal(await small, 1);
  t.ok(router.stats().graph.sends.underWay > 0, 'one with few followers does not wait for all of the others');
  t.same(await Promise.all(sends), [6000, 6000, 6000]);
  over = true;
  t.ok(turns > 6, `${turns} turns of the loop`);
  t.same(fan.texts, ['between']);
  t.ok(inboxes.every(({ texts }) => texts.join() === 'one,two,three'));
});

t.test('edges and logins may change while a send is under way', async (t) => {
  const router = await startedRouter();
  for (let n = 0; n < 20_000; n++) router.graph.add(`${n}`, 'star');
  const stays = Array.from({ length: 5000 }, (_, n) => loggedIn(router, new Inbox(), `${n}`));
  const leaves = Array.from({ length: 5000 }, (_, n) => loggedIn(router, new Inbox(), `${5000 + n}`));
  const send = router.sendToFollowers('star', 'x');
  for (let n = 5000; n < 10_000; n++) router.graph.remove(`${n}`, 'star');
  for (let n = 0; n < 20_000; n++) router.graph.add(`new/${n}`, 'star');
  for (const inbox of leaves) router.logout(inbox);
  const delivered = await send;
  t.ok(stays.every(({ texts }) => texts.length === 1));
  t.ok(leaves.every(({ texts }) => texts.length <= 1));
  t.equal(
    delivered,
    [...stays, ...leaves].reduce((sum, { texts }) => sum + texts.length, 0),
  );
});

t.test('a subscriber may log out, and send, while it is delivered to', async (t) => {
  const router = await startedRouter();
  for (const id of ['a', 'b']) router.graph.add(id, 'star');
  router.graph.add('b', 'echo');
  const a = loggedIn(router, new Notes(), 'a');
  const b = [loggedIn(router, new Notes(), 'b'), loggedIn(router, new Notes(), 'b')];
  let echoed: Promise<number> | undefined;
  const first = [a, ...b];
  for (const one of first)
    one.onDeliver = () => {
      if (echoed !== undefined) return;
      for (const other of first) if (other !== one) router.logout(other);
      router.send('star', 'not now');
      echoed = router.sendToFollowers('echo', 'later');
    };
  t.equal(await router.sendToFollowers('star', 'x'), 1);
  await echoed;
  t.equal(a.notes.length + b[0]!.notes.length + b[1]!.notes.length, echoedCount(first));
});

function echoedCount(all: Notes[]): number {
  const one = all.find(({ notes }) => notes.length > 0)!;
  return one.notes.some((note) => note.endsWith('later')) ? 2 : 1;
}

t.test('a message with a key is sent once, to followers too', async (t) => {
  const router = await startedRouter();
  router.graph.add('a', 'star');
  const a = loggedIn(router, new Inbox(), 'a');
  const send = () =>
    new Promise<unknown>((onOutcome) => {
      const wants = { onOutcome, followers: true, count: true, idempotencyKey: 'k' };
      router.publish(new Message('star', Buffer.from('x'), 0), wants);
    });
  const all = await Promise.all([send(), send()]);
  t.match(all, [{ delivered: 1 }, { delivered: 1, repeated: true }]);
  t.same(a.texts, ['x']);
});

t.test('a sender that does not wait for the count is answered at once', async (t) => {
  const router = await startedRouter();
  for (let n = 0; n < 20_000; n++) router.graph.add(`${n}`, 'star');
  for (let n = 0; n < 3000; n++) loggedIn(router, new Inbox(), `${n}`);
  const outcomes: unknown[] = [];
  const message = new Message('star', Buffer.from('x'), 0);
  router.publish(message, { onOutcome: (outcome) => outcomes.push(outcome), followers: true });
  t.match(outcomes, [{ carried: 'yes' }]);
  t.equal(router.stats().graph.sends.underWay, 1);
  await until('it is through', () => router.stats().graph.sends.underWay === 0);
  t.equal(router.stats().graph.sends.delivered, 3000);
  t.equal(outcomes.length, 1);
});

t.test('followerSendsBytesMax: what is under way has a limit, and the rest is refused', async (t) => {
  const router = await startedRouter({ followerSendsBytesMax: 10_000 });
  for (let n = 0; n < 20_000; n++) router.graph.add(`${n}`, 'star');
  const all = await Promise.allSettled(
    Array.from({ length: 20 }, () => router.sendToFollowers('star', 'x'.repeat(1000))),
  );
  const refused = all.filter(({ status }) => status === 'rejected');
  t.ok(refused.length > 5 && refused.length < 20, `${refused.length} refused`);
  t.match((refused[0] as PromiseRejectedResult).reason.message, /follower-sends-bytes-max/);
  t.equal(router.stats().graph.sends.refused, refused.length);
  await until('all are through', () => router.stats().graph.sends.underWayBytes === 0);
  t.equal(await router.sendToFollowers('star', 'x'), 0);
});

t.test('sendToFollowers: ids whose messages go to followers unless a send says otherwise', async (t) => {
  const graph = new Graph();
  await graph.addSubscriptions([
    ['a', 'user/7'],
    ['a', 'room/7'],
  ]);
  const router = new Router({ graph, sendToFollowers: ['user/+'] });
  await router.start();
  const a = loggedIn(router, new Inbox(), 'a');
  const publish = (id: string, text: string, followers?: boolean) =>
    router.publish(new Message(id, Buffer.from(text), 0), {
      onOutcome: () => undefined,
      ...(followers === undefined ? {} : { followers }),
    });
  publish('user/7', 'by rule');
  publish('user/7', 'to the id alone', false);
  publish('room/7', 'no rule');
  publish('room/7', 'asked for', true);
  router.send('user/7', 'a plain send');
  await until('all came', () => a.texts.length >= 3);
  t.same(a.texts, ['by rule', 'asked for', 'a plain send']);
  t.throws(() => new Router({ sendToFollowers: ['a/#/b'] }), { code: 'ERR_ENCKE_INVALID_FILTER' });
});
