import t from 'tap';
import { oneProcessFile } from '../../one-process.js';
import { isClosed, isQuiet } from './assertions.js';
import { disconnect, hex, packet, pingreq, publish, subscribe } from './packet-bytes.js';
import { fresh, startServer } from './server.js';

oneProcessFile('one connection and its server; nothing crosses');

/** Chapter 3.14, DISCONNECT. That it discards the will stands with the will. */

const server = await startServer();
t.teardown(() => server.stop());

t.test(
  '[MQTT-3.14.1-1] a DISCONNECT with a reserved bit is none: the connection is closed, the will sent',
  async (t) => {
    for (const flags of [1, 2, 4, 8]) {
      const topic = fresh('will');
      const witness = await server.client(t);
      await witness.subscribe(topic);
      const client = await server.client(t, { will: { topic, payload: 'will' } });
      client.send(packet(0xe0 | flags));
      await isClosed(t, client, `flags ${flags}`);
      t.match(await witness.next(), { payload: 'will' });
    }
  },
);

t.test('[MQTT-3.14.4-1] after a DISCONNECT the server closes, should the client not do it', async (t) => {
  const client = await server.client(t);
  client.send(disconnect());
  await isClosed(t, client, 'DISCONNECT');
});

t.test('[MQTT-3.14.4-2] what a client sends after its DISCONNECT is not looked at', async (t) => {
  const topic = fresh('after');
  const witness = await server.client(t);
  await witness.subscribe(topic);
  const client = await server.client(t);
  client.send(
    publish(topic, 'before'),
    disconnect(),
    publish(topic, 'after'),
    subscribe(1, ['a', 0]),
    pingreq(),
  );
  await isClosed(t, client, 'and not answered');
  t.match(await witness.untilPong(), [{ payload: 'before' }]);
});

t.test('a DISCONNECT with a body closes the connection', async (t) => {
  const client = await server.client(t);
  client.send(packet(0xe0, hex('00')));
  await isClosed(t, client, 'it has none in 3.1.1');
  await isQuiet(t, await server.client(t), 'the server goes on');
});
