import t from 'tap';
import { type Delivery, InvalidIdError, type Message, Router, Subscriber } from '../../router/index.js';

class Inbox extends Subscriber {
  readonly texts: string[] = [];
  answer: Delivery = 'sent';
  onDeliver: (() => void) | undefined;

  override deliver(message: Message): Delivery {
    this.texts.push(Buffer.from(message.payload).toString());
    this.onDeliver?.();
    return this.answer;
  }
}

async function startedRouter() {
  const router = new Router();
  await router.start();
  return router;
}

t.test('a message reaches everybody who is logged in as its id, and nobody else', async (t) => {
  const router = await startedRouter();
  const [a, b, other] = [new Inbox(), new Inbox(), new Inbox()];
  router.login('123', a);
  router.login('123', b);
  router.login('124', other);
  t.equal(router.send('123', 'Hello'), 2);
  t.same([a.texts, b.texts, other.texts], [['Hello'], ['Hello'], []]);
});

t.test('text that UTF-8 cannot carry is refused, and not sent as other text', async (t) => {
  const router = await startedRouter();
  const inbox = new Inbox();
  router.login('123', inbox);
  t.throws(() => router.send('123', 'half \ud83d'), RangeError);
  t.equal(router.send('123', 'whole \u{1f680}'), 1);
  t.same(inbox.texts, ['whole \u{1f680}']);
});

t.test('a message to an id where nobody is logged in is delivered to 0 and gone', async (t) => {
  const router = await startedRouter();
  t.equal(router.send('123', 'Hello'), 0);
  const late = new Inbox();
  router.login('123', late);
  t.same(late.texts, []);
});

t.test('one subscriber may be logged in as many ids', async (t) => {
  const router = await startedRouter();
  const inbox = new Inbox();
  for (const id of ['a', 'b', 'c']) router.login(id, inbox);
  for (const id of ['a', 'b', 'c', 'd']) router.send(id, `to ${id}`);
  t.same(inbox.texts, ['to a', 'to b', 'to c']);
  t.match(router.stats(), { ids: 3, logins: 3, subscribers: 1 });
});

t.test('logging in twice is the same as once', async (t) => {
  const router = await startedRouter();
  const [inbox, company] = [new Inbox(), new Inbox()];
  router.login('a', inbox);
  router.login('a', inbox);
  t.equal(router.send('a', 'x'), 1);
  router.login('a', company);
  router.login('a', company);
  t.equal(router.send('a', 'x'), 2);
  t.match(router.stats(), { ids: 1, logins: 2, subscribers: 2 });
});

t.test('logging out of one id leaves the others', async (t) => {
  const router = await startedRouter();
  const inbox = new Inbox();
  for (const id of ['a', 'b', 'c']) router.login(id, inbox);
  router.logout(inbox, 'b');
  t.same(
    ['a', 'b', 'c'].map((id) => router.send(id, id)),
    [1, 0, 1],
  );
  t.match(router.stats(), { ids: 2, logins: 2, subscribers: 1 });
});

t.test('logging out, by one id or whole, leaves nothing behind', async (t) => {
  const router = await startedRouter();
  const inboxes = Array.from({ length: 5 }, () => new Inbox());
  for (const inbox of inboxes) for (const id of ['a', 'b', 'c']) router.login(id, inbox);
  t.match(router.stats(), { ids: 3, logins: 15, subscribers: 5 });
  for (const [n, inbox] of inboxes.entries()) {
    if (n % 2 === 0) router.logout(inbox);
    else for (const id of ['c', 'a', 'b']) router.logout(inbox, id);
  }
  t.match(router.stats(), { ids: 0, logins: 0, subscribers: 0 });
  t.ok(inboxes.every((inbox) => inbox.logins === undefined));
});

t.test('logging out who is not logged in does nothing', async (t) => {
  const router = await startedRouter();
  const [inbox, stranger] = [new Inbox(), new Inbox()];
  router.login('a', inbox);
  router.logout(stranger);
  router.logout(stranger, 'a');
  router.logout(inbox, 'b');
  t.equal(router.send('a', 'x'), 1);
});

t.test('a subscriber may log out, and others with it, while a message is being delivered', async (t) => {
  const router = await startedRouter();
  const inboxes = Array.from({ length: 10 }, () => new Inbox());
  for (const inbox of inboxes) {
    router.login('a', inbox);
    inbox.onDeliver = () => {
      for (const each of inboxes) router.logout(each);
    };
  }
  t.equal(router.send('a', 'x'), 1);
  t.match(router.stats(), { ids: 0, logins: 0, subscribers: 0 });
});

t.test('a refused delivery is not counted as delivered', async (t) => {
  const router = await startedRouter();
  const [taking, refusing] = [new Inbox(), new Inbox()];
  refusing.answer = 'dropped';
  router.login('a', taking);
  router.login('a', refusing);
  t.equal(router.send('a', 'x'), 1);
  t.match(router.stats(), { published: 1, delivered: 1, dropped: 1 });
});

t.test('random logins and logouts agree with a plain model of them', async (t) => {
  const seed = Number(process.env.ENCKE_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
  t.comment(`seed ${seed}`);
  const random = randomFrom(seed);
  const router = await startedRouter();
  const inboxes = Array.from({ length: 20 }, () => new Inbox());
  const model = new Set<string>();
  for (let step = 0; step < 20_000; step++) {
    const n = random(20);
    const id = `id-${random(15)}`;
    const what = random(10);
    if (what < 5) {
      router.login(id, inboxes[n]!);
      model.add(`${n} ${id}`);
    } else if (what < 9) {
      router.logout(inboxes[n]!, id);
      model.delete(`${n} ${id}`);
    } else {
      router.logout(inboxes[n]!);
      for (const pair of model) if (pair.startsWith(`${n} `)) model.delete(pair);
    }
    const expected = [...model].filter((pair) => pair.endsWith(` ${id}`)).length;
    if (router.count(id) !== expected)
      return t.fail(`step ${step}: ${id} has ${router.count(id)}, not ${expected}`);
  }
  const pairs = [...model].map((pair) => pair.split(' '));
  t.match(router.stats(), {
    logins: pairs.length,
    ids: new Set(pairs.map(([, id]) => id)).size,
    subscribers: new Set(pairs.map(([n]) => n)).size,
  });
});

t.test(
  'ids are MQTT topic names: any UTF-8 with levels, but no wildcards, no NUL, not empty, not too long',
  async (t) => {
    const router = new Router({ idBytesMax: 16 });
    await router.start();
    const inbox = new Inbox();
    for (const id of [
      '123',
      'user/123',
      '/',
      'ä/ö/日本',
      '$SYS',
      ' ',
      'x'.repeat(16),
      '\u{1f600}'.repeat(4),
    ]) {
      router.login(id, inbox);
      t.equal(router.send(id, 'x'), 1, id);
    }
    const bad = { '': 'empty', 'a/+': 'wildcard', '#': 'wildcard', 'a\0b': 'nul', '\ud800': 'not-unicode' };
    for (const [id, problem] of [
      ...Object.entries(bad),
      ['x'.repeat(17), 'too-long'],
      ['日'.repeat(6), 'too-long'],
    ]) {
      t.throws(() => router.login(id!, inbox), { name: 'InvalidIdError', problem });
      t.throws(() => router.send(id!, 'x'), InvalidIdError);
    }
  },
);

t.test('the engine hears of an id when its first subscriber comes and when its last one goes', async (t) => {
  const heard: string[] = [];
  const router = new Router({
    engine: {
      async start() {},
      async stop() {},
      publish: () => 0,
      trouble: undefined,
      cluster: undefined,
      stats: () => undefined,
      addInterest: (id) => heard.push(`+${id}`),
      removeInterest: (id) => heard.push(`-${id}`),
      whenInterested: (ready) => ready(),
    },
  });
  const [a, b] = [new Inbox(), new Inbox()];
  router.login('x', a);
  router.login('x', b);
  router.login('y', b);
  router.logout(a);
  router.logout(b, 'x');
  router.logout(b);
  t.same(heard, ['+x', '+y', '-x', '-y']);
});

/** A small linear congruential generator: repeatable by its seed. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
