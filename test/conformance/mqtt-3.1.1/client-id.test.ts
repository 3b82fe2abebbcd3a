import t from 'tap';
import { oneProcessFile } from '../../one-process.js';
import { closesAtOnce, isClosed, isQuiet } from './assertions.js';
import { connect, hex } from './packet-bytes.js';
import { fresh, startServer } from './server.js';

oneProcessFile('one connection and its server; nothing crosses');

/** Chapter 3.1.3: client ids, and the other strings of CONNECT. */

const server = await startServer(['--mqtt-max-client-id-length', '64']);
t.teardown(() => server.stop());

t.test('[MQTT-3.1.3-2] a session belongs to its client id, to the letter', async (t) => {
  const clientId = fresh('Session');
  const topic = fresh('session');
  const client = await server.client(t, { clientId, clean: false });
  await client.subscribe(topic, 1);
  await client.disconnect();
  for (const other of [clientId.toLowerCase(), `${clientId} `, clientId.slice(0, -1)]) {
    const { connack } = await server.connect(t, { clientId: other, clean: false });
    t.equal(connack.sessionPresent, false, `${other} has no session`);
  }
  const { connack } = await server.connect(t, { clientId, clean: false });
  t.equal(connack.sessionPresent, true, `${clientId} has`);
});

t.test('[MQTT-3.1.3-4] a client id that is not UTF-8 closes the connection', async (t) => {
  await closesAtOnce(t, server, connect({ clientId: hex('61 ff') }), 'without a CONNACK');
});

t.test('[MQTT-3.1.3-5] ids of 1 to 23 digits and Latin letters are accepted', async (t) => {
  const characters = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
  for (let length = 1; length <= 23; length++)
    t.ok(await server.client(t, { clientId: characters.slice(length, 2 * length) }), `${length} characters`);
  for (let start = 0; start < characters.length; start += 23)
    t.ok(await server.client(t, { clientId: characters.slice(start, start + 23) }));
});

t.test('[MQTT-3.1.3-6] an empty client id gets one of its own', async (t) => {
  const topic = fresh('generated');
  const clients = [await server.client(t, { clientId: '' }), await server.client(t, { clientId: '' })];
  for (const client of clients) await client.subscribe(topic);
  await (await server.publisher(t)).publish(topic, 'x');
  for (const client of clients) {
    t.match(await client.next(), { payload: 'x' }, 'two of them are two clients');
    await isQuiet(t, client, 'each by itself');
  }
});

t.test('[MQTT-3.1.3-8] an empty client id without clean session is rejected with code 2', async (t) => {
  const { client, connack } = await server.connect(t, { clientId: '', clean: false });
  t.strictSame(connack, { type: 'CONNACK', sessionPresent: false, returnCode: 2 });
  await isClosed(t, client, 'identifier rejected');
});

t.test('[MQTT-3.1.3-9] an id over the limit is rejected with code 2', server.onlyOurs, async (t) => {
  t.ok(await server.client(t, { clientId: 'x'.repeat(64) }), '64 bytes are allowed here');
  for (const clientId of ['x'.repeat(65), 'é'.repeat(33), 'x'.repeat(2000)]) {
    const { client, connack } = await server.connect(t, { clientId });
    t.strictSame(connack, { type: 'CONNACK', sessionPresent: false, returnCode: 2 });
    await isClosed(t, client, `${Buffer.byteLength(clientId)} bytes`);
  }
});

t.test('[MQTT-3.1.3-10] a will topic that is not UTF-8 closes the connection', async (t) => {
  const will = { topic: hex('61 c0 80'), payload: '' };
  await closesAtOnce(t, server, connect({ clientId: 'w', will }), 'without a CONNACK');
});

t.test('[MQTT-3.1.3-11] a user name that is not UTF-8 closes the connection', async (t) => {
  await closesAtOnce(t, server, connect({ clientId: 'u', userName: hex('ed a0 80') }), 'without a CONNACK');
});
