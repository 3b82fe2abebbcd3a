import t, { type Test } from 'tap';
import type { RedisEngine } from '../../../../router/engine/redis/engine.js';
import { HistoryRules } from '../../../../router/history/history-rules.js';
import { Message, MessageProperties, noLocal, Router, Subscriber } from '../../../../router/index.js';
import { RedisServer } from '../../../redis-server.js';
import { until } from '../../../until.js';
import { redisEngineAt } from './engine-parts.js';

/** The publisher and the properties of messages in Redis. */

const name = 'encke';
const properties = new MessageProperties({ contentType: 'text/plain', userProperties: [['a', 'b']] });
const messageOf = (text: string, retain = false) =>
  new Message('a', Buffer.from(text), 0, 1, retain, 0, 'publisher', properties);

interface Rig {
  server: RedisServer;
  engine: RedisEngine;
  received: Message[];
  /** Publishes, and waits until it is back. */
  publish(message: Message): Promise<Message>;
}

async function rig(t: Test): Promise<Rig> {
  const server = await RedisServer.start();
  const engine = redisEngineAt([server.url], {
    name,
    rules: new HistoryRules([{ filter: '#', messages: 10, ageSec: 60 }]),
  });
  t.teardown(async () => {
    await engine.stop();
    await server.stop();
  });
  await engine.open();
  const received: Message[] = [];
  await engine.start((message) => received.push(message));
  engine.addInterest('a');
  await new Promise<void>((resolve) => engine.whenInterested(resolve));
  const publish = async (message: Message) => {
    const before = received.length;
    engine.publish(message);
    await until('it is back', () => received.length > before);
    return received.at(-1)!;
  };
  return { server, engine, received, publish };
}

t.test('they come back from Redis, and are in history', async (t) => {
  const { engine, publish } = await rig(t);
  const full = await publish(messageOf('one'));
  t.same([full.publisher, full.properties, full.retain], ['publisher', properties, false]);
  t.equal(Buffer.from(full.payload).toString(), 'one');
  const loaded = await engine.history.load(0, 'a', 0, performance.now() + 10_000);
  t.same(
    loaded!.messages.map((message) => [
      message.publisher,
      message.properties,
      `${Buffer.from(message.payload)}`,
    ]),
    [['publisher', properties, 'one']],
  );
});

t.test('a message that has them is retained where it is to be, and an empty one clears', async (t) => {
  const { server, publish } = await rig(t);
  const redis = server.client();
  const count = () => redis.hlen(`${name}:r:m`);
  await publish(messageOf('not retained'));
  t.equal(await count(), 0);
  await publish(messageOf('retained', true));
  t.equal(await count(), 1);
  const other = redisEngineAt([server.url], { name });
  t.teardown(() => other.stop());
  const copies: Message[] = [];
  await other.open();
  await other.start(() => 0, {
    keep: (message: Message) => copies.push(message),
    forget() {},
    walk: () => undefined as never,
  });
  t.same(
    copies.map(({ publisher, properties: given, retain }) => [publisher, given, retain]),
    [['publisher', properties, true]],
    'a node that comes later has all of it',
  );
  await publish(messageOf('', true));
  t.equal(await count(), 0);
});

t.test(
  'No Local holds where a message comes back over Redis, and on every node for what is retained',
  async (t) => {
    const server = await RedisServer.start();
    t.teardown(() => server.stop());
    const routerOf = async () => {
      const engine = redisEngineAt([server.url], { name });
      await engine.open();
      const router = new Router({ engine });
      await router.start();
      t.teardown(() => router.stop());
      return router;
    };
    class Client extends Subscriber {
      override readonly clientId = 'me';
      readonly texts: string[] = [];
      override deliver({ payload }: Message) {
        this.texts.push(`${Buffer.from(payload)}`);
        return 'sent' as const;
      }
    }
    const [near, me, everything] = [await routerOf(), new Client(), new Client()];
    near.subscribe('a/#', me, 1 | noLocal);
    near.subscribe('#', everything, 1);
    await new Promise<void>((resolve) => near.whenInterested(resolve));
    for (const [id, publisher, retain] of [
      ['a/1', 'me', true],
      ['a/2', 'other', true],
      ['a/3', 'me', false],
      ['a/4', undefined, false],
    ] as const)
      near.publish(new Message(id, Buffer.from(id), 0, 1, retain, 0, publisher));
    await until('all have come', () => everything.texts.length === 4);
    t.same(me.texts, ['a/2', 'a/4']);
    const [far, again] = [await routerOf(), new Client()];
    far.subscribe('a/#', again, 1 | noLocal);
    const walk = far.walkRetained('a/#', again);
    const found: string[] = [];
    for (walk.seek(Infinity); !walk.done; walk.seek(Infinity)) found.push(walk.take().id);
    t.same(found, ['a/2']);
    t.equal(far.retainedFor('a/#').length, 2);
  },
);
