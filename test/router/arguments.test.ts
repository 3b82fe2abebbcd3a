import { once } from 'node:events';
import t from 'tap';
import { type Delivery, type Message, Router, Sessions, Subscriber } from '../../router/index.js';

/** Wrong arguments of JavaScript programs, which TypeScript would refuse. */

class Inbox extends Subscriber {
  readonly texts: string[] = [];

  override deliver(message: Message): Delivery {
    this.texts.push(Buffer.from(message.payload).toString());
    return 'sent';
  }
}

class Throwing extends Subscriber {
  override deliver(): Delivery {
    throw new Error('this inbox is broken');
  }
}

// biome-ignore lint/suspicious/noExplicitAny: the wrong types are what this is about
const wrong = (value: unknown) => value as any;

async function startedRouter(options = {}) {
  const router = new Router(options);
  await router.start();
  return router;
}

t.test('a value that is no subscriber is refused at login, and sends to the id go on', async (t) => {
  const router = await startedRouter();
  const inbox = new Inbox();
  router.login('q', inbox);
  for (const none of [null, undefined, {}, 'inbox', () => 'sent', { deliver: () => 'sent' }, class {}]) {
    t.throws(() => router.login('q', wrong(none)), {
      code: 'ERR_ENCKE_INVALID_ARGUMENT',
      message: /subscriber/,
    });
    t.throws(() => router.subscribe('#', wrong(none), 0), { code: 'ERR_ENCKE_INVALID_ARGUMENT' });
    t.throws(() => router.logout(wrong(none)), { code: 'ERR_ENCKE_INVALID_ARGUMENT' });
  }
  t.equal(router.send('q', 'Hello'), 1);
  t.same(inbox.texts, ['Hello']);
  t.match(router.stats(), { logins: 1, subscribers: 1 });
});

t.test('an id that is no string is refused with what it is', async (t) => {
  const router = await startedRouter();
  for (const [id, said] of [
    [123, /An id is a string\. Got number 123/],
    [null, /Got null/],
    [['a'], /Got an object of the class Array/],
    [Symbol('a'), /Got a symbol/],
  ] as const) {
    t.throws(() => router.login(wrong(id), new Inbox()), { message: said });
    t.throws(() => router.send(wrong(id), 'Hello'), { message: said });
  }
  t.throws(() => router.subscribe(wrong(7), new Inbox(), 0), { message: /topic filter is a string/ });
  t.throws(() => router.unsubscribe(wrong(7), new Inbox()), { message: /topic filter is a string/ });
  t.throws(() => router.subscribe('a', new Inbox(), wrong(3)), {
    message: /QoS is 0, 1 or 2\. Got number 3/,
  });
});

t.test('a payload that is neither text nor bytes is refused', async (t) => {
  const router = await startedRouter();
  for (const payload of [undefined, null, 5, { text: 'Hello' }, ['Hello'], new ArrayBuffer(3)]) {
    t.throws(() => router.send('a', wrong(payload)), {
      code: 'ERR_ENCKE_INVALID_ARGUMENT',
      message: /payload/,
    });
  }
  t.throws(() => router.publish(wrong({ id: 'a', payload: 'Hello' })), {
    message: /publish takes a Message/,
  });
  t.equal(router.stats().published, 0);
});

t.test('a limit that is not a whole number is refused, and named', async (t) => {
  const names = ['idBytesMax', 'topicLevelsMax', 'maxRetained', 'maxRetainedSize', 'retainedBytesTotalMax'];
  for (const name of names) {
    for (const value of [Number.NaN, -1, 1.5, '100']) {
      t.throws(() => new Router({ [name]: value }), { name: 'RangeError', message: new RegExp(name) });
    }
  }
  const router = await startedRouter();
  for (const name of ['maxMqueue', 'maxAwaitingRel', 'maxSessions', 'bytesTotalMax', 'sessionExpirySec']) {
    t.throws(() => new Sessions(router, { [name]: Number.NaN }), { message: new RegExp(name) });
  }
});

t.test('a subscriber of one router is refused at another, until it has logged out', async (t) => {
  const [one, other] = [await startedRouter(), await startedRouter()];
  for (const ids of [['a'], ['a', 'b'], ['a', 'b/+']]) {
    const inbox = new Inbox();
    for (const id of ids) one.subscribe(id, inbox, 0);
    t.throws(() => other.login('a', inbox), { message: /logged in at another router/ });
    other.logout(inbox);
    other.logout(inbox, 'a');
    t.match(other.stats(), { logins: 0, subscribers: 0 });
    t.match(one.stats(), { logins: ids.length, subscribers: 1 }, 'logging out elsewhere does nothing here');
    t.equal(one.send('a', 'Hello'), 1);
    one.logout(inbox);
    t.equal(one.send('a', 'Hello?'), 0);
    other.login('a', inbox);
    t.equal(other.send('a', 'And here'), 1);
    t.same(inbox.texts, ['Hello', 'And here']);
    other.logout(inbox);
    t.match(other.stats(), { logins: 0, subscribers: 0 });
  }
});

t.test('a deliver that throws is told, and everybody else gets the message', async (t) => {
  const told: [string, Subscriber, string][] = [];
  const onDeliverError = (error: Error, subscriber: Subscriber, { id }: Message) =>
    void told.push([error.message, subscriber, id]);
  const router = await startedRouter({ onDeliverError });
  const [first, broken, last, filtered] = [new Inbox(), new Throwing(), new Inbox(), new Inbox()];
  for (const subscriber of [first, broken, last]) router.login('a', subscriber);
  router.subscribe('+', filtered, 0);
  t.equal(router.send('a', 'Hello'), 3, 'it is not counted as delivered');
  t.same([first.texts, last.texts, filtered.texts], [['Hello'], ['Hello'], ['Hello']]);
  t.same(told, [['this inbox is broken', broken, 'a']]);
  t.equal(router.stats().dropped, 1);
  t.equal(router.send('a', 'again'), 3, 'the router goes on');
});

t.test('without onDeliverError the error is an uncaughtException, in a turn of its own', async (t) => {
  const router = await startedRouter();
  const inbox = new Inbox();
  router.login('a', new Throwing());
  router.login('a', inbox);
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  try {
    const uncaught = once(process, 'uncaughtException');
    t.equal(router.send('a', 'Hello'), 1);
    t.same(inbox.texts, ['Hello']);
    const [error] = await uncaught;
    t.equal(error.message, 'this inbox is broken');
  } finally {
    for (const listener of listeners) process.on('uncaughtException', listener);
  }
});
