import t from 'tap';
import { oneProcessFile } from '../../one-process.js';
import { closesAtOnce, closesLater, isQuiet } from './assertions.js';
import { connect, hex, publish, subscribe, unsubscribe } from './packet-bytes.js';
import { publication } from './received-packet.js';
import { fresh, startServer } from './server.js';

oneProcessFile('bytes of strings; nothing crosses but what topics has');

/** Chapter 1.5: strings. */

const server = await startServer();
t.teardown(() => server.stop());

/** Each way a string can carry these bytes to a server. */
const places: [string, 'first' | 'later', (text: Buffer) => Buffer][] = [
  ['a client id', 'first', (clientId) => connect({ clientId })],
  ['a will topic', 'first', (topic) => connect({ clientId: 'w', will: { topic, payload: '' } })],
  ['a user name', 'first', (userName) => connect({ clientId: 'u', userName })],
  ['a topic name', 'later', (topic) => publish(topic, 'x')],
  ['a filter to subscribe to', 'later', (filter) => subscribe(1, [filter, 0])],
  ['a filter to unsubscribe from', 'later', (filter) => unsubscribe(1, filter)],
];

const illFormed: [string, string][] = [
  ['a byte that UTF-8 has no use for', 'ff'],
  ['a continuation byte alone', '80'],
  ['a sequence without its continuation', 'c3 28'],
  ['a sequence cut short', '61 e2 82'],
  ['NUL in two bytes', 'c0 80'],
  ['a slash in three bytes', 'e0 80 af'],
  ['the surrogate U+D800', 'ed a0 80'],
  ['the surrogate U+DFFF', 'ed bf bf'],
  ['a code point past U+10FFFF', 'f4 90 80 80'],
  ['a sequence of five bytes', 'f8 88 80 80 80'],
];

t.test('[MQTT-1.5.3-1] a string that is not well-formed UTF-8 closes the connection', async (t) => {
  for (const [place, when, build] of places) {
    const closes = when === 'first' ? closesAtOnce : closesLater;
    for (const [what, bytes] of illFormed) await closes(t, server, build(hex(bytes)), `${what} in ${place}`);
  }
});

t.test('[MQTT-1.5.3-2] a NUL in a string closes the connection', async (t) => {
  for (const [place, when, build] of places) {
    const closes = when === 'first' ? closesAtOnce : closesLater;
    await closes(t, server, build(Buffer.from('a\0b')), `NUL within ${place}`);
    await closes(t, server, build(Buffer.from('\0')), `NUL alone in ${place}`);
  }
});

t.test('[MQTT-1.5.3-3] a byte order mark is a character of the topic, and stays', async (t) => {
  const topic = fresh('bom');
  const marked = await server.client(t);
  const plain = await server.client(t);
  await marked.subscribe(`\uFEFF${topic}`);
  await plain.subscribe(topic);
  const publisher = await server.publisher(t);
  await publisher.publish(`\uFEFF${topic}`, '\uFEFFx');
  const arrived = await marked.nextBytes();
  t.ok(arrived.includes(Buffer.from(`\uFEFF${topic}\uFEFFx`)), 'as three bytes, in topic and payload');
  await isQuiet(t, plain, 'the topic without it is another one');
});

t.test('characters of one to four bytes make strings like any other', async (t) => {
  const topic = `${fresh('')}/é/€/😀`;
  const client = await server.client(t, { clientId: fresh('客户端😀') });
  await client.subscribe(topic);
  const publisher = await server.publisher(t);
  await publisher.publish(topic, 'é€😀');
  t.strictSame(await client.next(), publication(topic, 'é€😀'));
});
