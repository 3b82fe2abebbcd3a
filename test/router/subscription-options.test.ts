import t from 'tap';
import {
  type DeliveryOptions,
  Message,
  MessageProperties,
  noLocal,
  type Qos,
  qosIn,
  type Router,
  retainAsPublished,
  retainSet,
  SessionGate,
  Sessions,
  Subscriber,
  type SubscriptionOptions,
} from '../../router/index.js';
import { SeededRandom } from '../seeded-random.js';
import { startedRouter, textOf } from './inbox.js';
import { naiveMatch } from './naive-matcher.js';
import { SessionClient } from './session-client.js';

/** No Local and Retain As Published, at the router: no transport asks for them yet. */

/** A subscriber with a client id, or without; it notes `text`, `@qos` where that is not 0, and `+retain`. */
class Client extends Subscriber {
  override readonly clientId: string;
  readonly texts: string[] = [];

  constructor(clientId: string) {
    super();
    this.clientId = clientId;
  }

  override deliver(message: Message, options: DeliveryOptions) {
    const qos = qosIn(options);
    this.texts.push(
      textOf(message) + (qos > 0 ? `@${qos}` : '') + ((options & retainSet) !== 0 ? '+retain' : ''),
    );
    return 'sent' as const;
  }

  take(): string[] {
    return this.texts.splice(0);
  }
}

interface Publication {
  id?: string;
  text?: string;
  qos?: Qos;
  retain?: boolean;
  /** null = it came by HTTP */
  publisher?: string | null;
}

function publish(router: Router, publication: Publication): number {
  const { id = 'a/b', text = 'x', qos = 1, retain = false, publisher = 'me' } = publication;
  return router.publish(new Message(id, Buffer.from(text), 0, qos, retain, 0, publisher ?? undefined));
}

t.test('with No Local a client does not get what it has published itself, and all else', async (t) => {
  const router = await startedRouter();
  const [me, other, local] = [new Client('me'), new Client('other'), new Client('me')];
  router.subscribe('a/b', me, 1 | noLocal);
  router.subscribe('a/+', other, 1 | noLocal);
  router.subscribe('a/#', local, 1);
  t.equal(publish(router, { text: 'mine' }), 2);
  t.equal(publish(router, { text: 'its', publisher: 'other' }), 2);
  t.equal(publish(router, { text: 'by HTTP', publisher: null }), 3);
  t.same(me.take(), ['its@1', 'by HTTP@1']);
  t.same(other.take(), ['mine@1', 'by HTTP@1']);
  t.same(local.take(), ['mine@1', 'its@1', 'by HTTP@1'], 'the client id alone keeps nothing back');
});

t.test('a subscriber without a client id gets everything, with No Local too', async (t) => {
  const router = await startedRouter();
  const client = new Client('me');
  const nobody = new (class extends Subscriber {
    count = 0;
    override deliver() {
      this.count++;
      return 'sent' as const;
    }
  })();
  router.subscribe('a/b', nobody, noLocal);
  router.subscribe('a/b', client, noLocal);
  publish(router, {});
  publish(router, { publisher: null });
  t.same([nobody.count, client.take()], [2, ['x']]);
});

t.test('of overlapping filters, those with No Local do not count for its own', async (t) => {
  const router = await startedRouter();
  const me = new Client('me');
  router.subscribe('a/b', me, 2 | noLocal);
  router.subscribe('a/+', me, 1);
  router.subscribe('a/#', me, 0);
  publish(router, { qos: 2 });
  t.same(me.take(), ['x@1'], 'once, at the highest QoS of the others');
  publish(router, { qos: 2, publisher: 'other' });
  t.same(me.take(), ['x@2']);
  router.unsubscribe('a/+', me);
  router.unsubscribe('a/#', me);
  router.subscribe('#', me, 1 | noLocal);
  t.equal(publish(router, { qos: 2 }), 0, 'all of them have it');
  t.same(me.take(), []);
});

t.test('with Retain As Published RETAIN is as it was published; without, it is 0', async (t) => {
  const router = await startedRouter();
  const [asPublished, plain, both] = [new Client('1'), new Client('2'), new Client('3')];
  router.subscribe('a/b', asPublished, 1 | retainAsPublished);
  router.subscribe('a/b', plain, 1);
  router.subscribe('a/b', both, 2);
  router.subscribe('a/#', both, retainAsPublished);
  publish(router, { retain: true });
  publish(router, { retain: false, text: 'y', qos: 0 });
  t.same(asPublished.take(), ['x@1+retain', 'y']);
  t.same(plain.take(), ['x@1', 'y']);
  t.same(both.take(), ['x@1+retain', 'y'], 'of overlapping filters one is enough');
});

t.test('subscribing again replaces all options; they are told', async (t) => {
  const router = await startedRouter();
  const me = new Client('me');
  router.subscribe('a/b', me, 1);
  const bare = router.loginsBytes;
  for (const options of [noLocal, 2 | noLocal | retainAsPublished, retainAsPublished, 1]) {
    router.subscribe('a/b', me, options);
    t.same(router.subscriptionsOf(me), [{ filter: 'a/b', options }]);
    const isLocal = (options & noLocal) === 0;
    t.equal(publish(router, {}), isLocal ? 1 : 0, `${options}`);
  }
  t.equal(router.loginsBytes, bare);
  for (const wrong of [3, 7, 16, -1, 1.5, Number.NaN, '1', undefined])
    t.throws(() => router.subscribe('a/b', me, wrong as number), { message: /QoS is 0, 1 or 2/ }, `${wrong}`);
});

t.test('retained messages that a client has published are not for its filters with No Local', async (t) => {
  const router = await startedRouter();
  const [me, other] = [new Client('me'), new Client('other')];
  publish(router, { id: 'a/mine', text: 'mine', retain: true });
  publish(router, { id: 'a/its', text: 'its', retain: true, publisher: 'other' });
  publish(router, { id: 'a/none', text: 'none', retain: true, publisher: null });
  const found = (filter: string, subscriber?: Subscriber) => {
    const walk = router.walkRetained(filter, subscriber);
    const texts: string[] = [];
    for (walk.seek(Infinity); !walk.done; walk.seek(Infinity)) {
      t.type(walk.qos, 'number');
      texts.push(textOf(walk.take()));
    }
    return texts.sort();
  };
  router.subscribe('a/#', me, 1 | noLocal);
  router.subscribe('+/mine', me, 1);
  router.subscribe('a/#', other, 1 | noLocal);
  t.same(found('a/#', me), ['its', 'none']);
  t.same(found('+/mine', me), ['mine'], 'this filter is without No Local');
  t.same(found('a/#', other), ['mine', 'none']);
  t.same(found('a/#'), ['its', 'mine', 'none']);
});

t.test('the publisher and the properties are with what is kept', async (t) => {
  const router = await startedRouter();
  const properties = new MessageProperties({
    isText: true,
    contentType: 'text/plain',
    correlationData: Buffer.from('7'),
    userProperties: [['name', 'value']],
  });
  const before = router.stats().retainedBytes;
  const message = new Message('a', Buffer.from('x'), 1, 1, true, 0, 'me', properties);
  router.publish(message);
  const [retained] = router.retainedFor('a');
  t.same([retained!.publisher, retained!.properties], ['me', properties]);
  t.ok(router.stats().retainedBytes - before > properties.bytes, 'and counted');
  const [kept] = router.history.resume(['a'], { since: 'oldest' }, 10).messages;
  t.same([kept!.publisher, kept!.properties, kept!.retain], ['me', properties, true]);
  t.equal(message.kept().properties, properties, 'shared, as nobody changes them');
  t.throws(() => Object.assign(properties, { contentType: 'x' }), TypeError);
  t.throws(() => (properties.userProperties as unknown[]).push(1), TypeError);
  router.publish(new Message('a', Buffer.alloc(0), 1, 1, true));
  t.equal(router.stats().retainedBytes, before);
});

t.test('while nobody has No Local, the publisher goes no further with what is not retained', async (t) => {
  const router = await startedRouter();
  const me = new Client('me');
  const publisherOf = (retain: boolean) => {
    const message = new Message('a', Buffer.from('x'), 0, 1, retain, 0, 'me');
    router.publish(message);
    return message.publisher;
  };
  t.same([publisherOf(false), publisherOf(true)], [undefined, 'me']);
  router.subscribe('elsewhere', me, noLocal);
  router.subscribe('elsewhere', me, 1 | noLocal);
  t.equal(publisherOf(false), 'me');
  router.subscribe('elsewhere', me, 1);
  t.equal(publisherOf(false), undefined);
  router.subscribe('b/#', me, noLocal);
  router.logout(me);
  t.equal(publisherOf(false), undefined);
});

t.test('a session has its options over an absence, and over a move to another node', async (t) => {
  const router = await startedRouter();
  const sessions = new Sessions(router);
  const client = new SessionClient(sessions);
  client.connect('me');
  router.subscribe('a/#', client.session!, 1 | noLocal | retainAsPublished);
  publish(router, { text: 'mine' });
  publish(router, { text: 'kept', retain: true, publisher: 'other' });
  t.same(client.take(), ['kept#1+retained']);
  client.drop();
  publish(router, { text: 'mine' });
  publish(router, { text: 'away', retain: true, publisher: 'other' });
  const session = sessions.find('me')!;
  const gate = new SessionGate(() => true, session);
  for (const { filter, options } of router.subscriptionsOf(session)) router.subscribe(filter, gate, options);
  router.logout(session);
  publish(router, { text: 'mine' });
  publish(router, { text: 'moving', publisher: 'other' });
  client.connect('me');
  t.same(client.take(), ['kept#1+dup+retained', 'away#2+retained', 'moving#3']);
});

const choices: SubscriptionOptions[] = [0, 1, 2].flatMap((qos) =>
  [0, noLocal, retainAsPublished, noLocal | retainAsPublished].map((more) => qos | more),
);

t.test('random subscriptions with options are served as a naive router serves them', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed}`);
  const router = await startedRouter();
  const filters = ['a/b', 'a/+', 'a/#', '+/b', '#', 'c'];
  const clients = Array.from({ length: 60 }, (_, n) => new Client(`c${n % 20}`));
  const model = new Map(clients.map((client) => [client, new Map<string, SubscriptionOptions>()]));
  for (let step = 0; step < 20_000; step++) {
    const client = random.pick(clients);
    const subscribed = model.get(client)!;
    const what = random.below(10);
    if (what < 5) {
      // Now many on each filter, now few, so that all forms of an audience come and go.
      const [filter, options] = [random.pick(filters), random.pick(choices)];
      router.subscribe(filter, client, options);
      subscribed.set(filter, options);
    } else if (what < 6) {
      const filter = random.pick(filters);
      if (router.unsubscribe(filter, client) !== subscribed.delete(filter)) return t.fail(`step ${step}`);
    } else if (what < 7) {
      const leaving = random.chance(0.02) ? clients : [client];
      for (const each of leaving) router.logout(each);
      for (const each of leaving) model.get(each)!.clear();
    } else {
      const [id, qos, retain] = [random.pick(['a/b', 'c', 'a']), random.below(3) as Qos, random.chance(0.5)];
      const publisher = random.pick([null, 'c1', 'c2', 'c19']);
      publish(router, { id, qos, retain, publisher });
      for (const each of clients) {
        const wanted = expected(each, model.get(each)!, { id, qos, retain, publisher });
        const got = each.take();
        if (got.join() !== wanted.join())
          return t.fail(`step ${step}: ${each.clientId} got [${got}], not [${wanted}]`);
      }
    }
  }
  const left = [...model].flatMap(([client]) => router.subscriptionsOf(client));
  t.equal(router.logins, left.length);
  for (const client of clients) router.logout(client);
  t.match(router.stats(), { logins: 0, ids: 0, filters: 0, subscribers: 0, loginsBytes: 0 });
});

function expected(
  { clientId }: Client,
  subscribed: ReadonlyMap<string, SubscriptionOptions>,
  message: { id: string; qos: Qos; retain: boolean; publisher: string | null },
): string[] {
  const granted = [...subscribed]
    .filter(([filter]) => naiveMatch(filter, message.id))
    .map(([, options]) => options)
    .filter((options) => (options & noLocal) === 0 || message.publisher !== clientId);
  if (granted.length === 0) return [];
  const qos = Math.min(message.qos, Math.max(...granted.map(qosIn)));
  const retain = message.retain && granted.some((options) => (options & retainAsPublished) !== 0);
  return [`x${qos > 0 ? `@${qos}` : ''}${retain ? '+retain' : ''}`];
}
