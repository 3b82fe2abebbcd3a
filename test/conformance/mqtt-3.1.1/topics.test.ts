import t, { type Test } from 'tap';
import { closesAtOnce, closesLater, isQuiet } from './assertions.js';
import { connect, publish, subscribe, unsubscribe } from './packet-bytes.js';
import { publication } from './received-packet.js';
import { fresh, startServer } from './server.js';

/** Chapter 4.7: topic names and topic filters. */

const server = await startServer();
t.teardown(() => server.stop());

/** Which of these topics reach a subscriber with this filter; `@` stands for a level that no other test uses. */
async function matched(t: Test, filter: string, topics: readonly string[]): Promise<string[]> {
  const unique = fresh('t');
  const client = await server.client(t);
  await client.subscribe(filter.replace('@', unique));
  await client.untilPong(); // what others left retained
  const publisher = await server.publisher(t);
  publisher.send(...topics.map((topic) => publish(topic.replace('@', unique), 'x')));
  await publisher.untilPong();
  const messages = await client.untilPong();
  return messages.map((packet) =>
    packet.type === 'PUBLISH' ? packet.topic.replace(unique, '@') : packet.type,
  );
}

t.test('[MQTT-4.7.1-1] wildcards are for filters: a topic name with one closes the connection', async (t) => {
  for (const topic of ['+', '#', 'a/+', 'a/#', '+/a', 'a+b', 'a/b#']) {
    await closesLater(t, server, publish(topic, 'x'), `PUBLISH to ${topic}`);
    await closesAtOnce(
      t,
      server,
      connect({ clientId: 'w', will: { topic, payload: '' } }),
      `will to ${topic}`,
    );
  }
});

t.test('[MQTT-4.7.1-2] # stands alone in the last level, and matches the rest, its parent too', async (t) => {
  for (const filter of ['a#', 'a/b#', '#/a', 'a/#/b', '##', 'a/##', '/#a', '#/'])
    await closesLater(t, server, subscribe(1, [filter, 0]), filter);
  const topics = ['@/a', '@/a/', '@/a/b', '@/a/b/c', '@', '@/b', '@/ab', '/@/a'];
  t.strictSame(await matched(t, '@/a/#', topics), ['@/a', '@/a/', '@/a/b', '@/a/b/c']);
  t.strictSame(await matched(t, '@/#', topics), topics.slice(0, 7));
  t.strictSame(await matched(t, '#', topics), topics);
  t.strictSame(await matched(t, '/#', topics), ['/@/a']);
});

t.test('[MQTT-4.7.1-3] + stands alone in its level, anywhere, and matches exactly one', async (t) => {
  for (const filter of ['a+', '+a', 'a/b+', 'a/+b/c', '++', 'a/++'])
    await closesLater(t, server, subscribe(1, [filter, 0]), filter);
  const topics = ['@', '@/', '@/a', '@/a/b', '@/b/b', '@//b', '@/a/b/c', '/@', '/@/a', 'a/@'];
  t.strictSame(await matched(t, '@/+', topics), ['@/', '@/a']);
  t.strictSame(await matched(t, '@/+/b', topics), ['@/a/b', '@/b/b', '@//b']);
  t.strictSame(await matched(t, '+/@', topics), ['/@', 'a/@']);
  t.strictSame(await matched(t, '+', topics), ['@']);
  t.strictSame(await matched(t, '+/+', topics), ['@/', '@/a', '/@', 'a/@']);
  t.strictSame(await matched(t, '/+', topics), ['/@']);
  t.strictSame(await matched(t, '@/+/#', topics), ['@/', '@/a', '@/a/b', '@/b/b', '@//b', '@/a/b/c']);
  t.strictSame(await matched(t, '@/+/+/c', topics), ['@/a/b/c']);
});

t.test(
  '[MQTT-4.7.2-1] a filter that begins with a wildcard does not match topics that begin with $',
  async (t) => {
    const topics = ['$@/a', '$@', '@/$a', '@/a'];
    t.strictSame(await matched(t, '#', topics), ['@/$a', '@/a']);
    t.strictSame(await matched(t, '+/a', topics), ['@/a']);
    t.strictSame(await matched(t, '+/#', topics), ['@/$a', '@/a']);
    t.strictSame(await matched(t, '+', topics), []);
    t.strictSame(await matched(t, '@/+', topics), ['@/$a', '@/a'], 'further down a $ is nothing special');
    t.strictSame(await matched(t, '$@/#', topics), ['$@/a', '$@'], 'asked for by name they come');
    t.strictSame(await matched(t, '$@/+', topics), ['$@/a']);
  },
);

t.test('[MQTT-4.7.3-1] an empty topic name or filter closes the connection', async (t) => {
  await closesLater(t, server, publish('', 'x'), 'PUBLISH');
  await closesLater(t, server, publish('', 'x', { qos: 1, id: 1 }), 'PUBLISH at QoS 1');
  await closesLater(t, server, subscribe(1, ['', 0]), 'SUBSCRIBE');
  await closesLater(t, server, subscribe(1, ['a', 0], ['', 0]), 'SUBSCRIBE, the second filter');
  await closesLater(t, server, unsubscribe(1, ''), 'UNSUBSCRIBE');
  await closesAtOnce(t, server, connect({ clientId: 'w', will: { topic: '', payload: 'x' } }), 'will');
});

t.test('[MQTT-4.7.3-2] a NUL in a topic name or filter closes the connection', async (t) => {
  await closesLater(t, server, publish('a\0', 'x'), 'PUBLISH');
  await closesLater(t, server, subscribe(1, ['\0/+', 0]), 'SUBSCRIBE');
  await closesLater(t, server, unsubscribe(1, 'a/\0'), 'UNSUBSCRIBE');
});

t.test('[MQTT-4.7.3-4] topics are compared byte by byte: nothing is normalized or replaced', async (t) => {
  const base = fresh('Byte');
  const names = [
    'é',
    'e\u0301',
    'É',
    'a',
    'A',
    ' a',
    'a ',
    'a/',
    '/a',
    'a//b',
    'a/b',
    '%61',
    'ﬁ',
    'fi',
    '..',
    'a/../a',
  ];
  const clients = await Promise.all(names.map(() => server.client(t)));
  for (const [index, name] of names.entries()) await clients[index]!.subscribe(`${base}/${name}`);
  const publisher = await server.publisher(t);
  for (const name of names) await publisher.publish(`${base}/${name}`, name);
  for (const [index, name] of names.entries()) {
    const topic = `${base}/${name}`;
    t.strictSame(await clients[index]!.untilPong(), [publication(topic, name)], JSON.stringify(name));
  }
});

t.test('a topic may be a lone slash, or begin and end with one', async (t) => {
  const client = await server.client(t);
  for (const topic of ['/', '//', `/${fresh('s')}/`]) {
    await client.subscribe(topic);
    await (await server.publisher(t)).publish(topic, 'x');
    t.strictSame(await client.next(), publication(topic, 'x'));
  }
  await isQuiet(t, client, 'each came once');
});
