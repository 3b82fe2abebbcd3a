import t from 'tap';
import { oneProcessFile } from '../../one-process.js';
import { isClosed, isQuiet } from './assertions.js';
import { connect, pingreq, publish } from './packet-bytes.js';
import { fresh, startServer } from './server.js';

oneProcessFile('clocks of one connection; nothing crosses');

/** Chapter 3.1.2.10, keep-alive; 3.12, PINGREQ; and what else runs by the clock. */

const server = await startServer(['--mqtt-idle-timeout', '2', '--mqtt-session-expiry', '1']);
t.teardown(() => server.stop());

t.test('[MQTT-3.1.2-24] a client that is silent for 1.5 times its keep-alive is disconnected', async (t) => {
  for (const keepAliveSec of [1, 2]) {
    const client = await server.client(t, { keepAliveSec });
    const startMs = performance.now();
    await isClosed(t, client, `keep-alive ${keepAliveSec}`);
    const tookMs = performance.now() - startMs;
    t.ok(tookMs > 1500 * keepAliveSec - 50, `not before its time: ${Math.round(tookMs)} ms`);
    t.ok(tookMs < 30_000, `nor long after: ${Math.round(tookMs)} ms`);
  }
});

t.test(
  '[MQTT-3.1.2-24] every kind of packet keeps a client alive, and a keep-alive of 0 needs none',
  async (t) => {
    const clock = await server.client(t, { keepAliveSec: 2 });
    const pinging = await server.client(t, { keepAliveSec: 1 });
    const publishing = await server.client(t, { keepAliveSec: 1 });
    const silent = await server.client(t, { keepAliveSec: 0 });
    const beat = setInterval(() => {
      pinging.send(pingreq());
      publishing.send(publish('elsewhere', 'x'));
    }, 300);
    await isClosed(t, clock, 'the clock has run out');
    clearInterval(beat);
    await isQuiet(t, publishing, 'a client that publishes is still there');
    t.notOk(pinging.closed, 'one that pings too');
    await isQuiet(t, silent, 'and one without a keep-alive');
  },
);

t.test('[MQTT-3.12.4-1] every PINGREQ is answered by a PINGRESP', async (t) => {
  const client = await server.client(t);
  for (let count = 0; count < 3; count++) client.send(pingreq());
  for (let count = 0; count < 3; count++) t.equal((await client.nextBytes()).toString('hex'), 'd000');
});

t.test('a connection that does not say CONNECT in time is closed', server.onlyOurs, async (t) => {
  const silent = await server.open(t);
  const slow = await server.open(t);
  const startMs = performance.now();
  const bytes = connect({ clientId: 'slow' });
  slow.send(bytes.subarray(0, 5));
  await isClosed(t, silent, 'nothing said');
  await isClosed(t, slow, 'not all said');
  const tookMs = performance.now() - startMs;
  t.ok(tookMs > 950 && tookMs < 30_000, `after ${Math.round(tookMs)} ms`);
});

t.test('[MQTT-4.1.0-2] a session lasts as long as its connection, whatever its expiry', async (t) => {
  const clientId = fresh('lasting');
  const topic = fresh('lasting');
  const lasting = await server.client(t, { clientId, clean: false });
  await lasting.subscribe(topic, 1);
  const gone = { clientId: fresh('gone'), clean: false };
  await (await server.client(t, gone)).disconnect();
  const clock = await server.client(t, { keepAliveSec: 2 });
  await isClosed(t, clock, 'the expiry has passed three times over');
  if (!server.foreign)
    t.equal((await server.connect(t, gone)).connack.sessionPresent, false, 'offline: expired');
  await isQuiet(t, lasting, 'connected: as before');
  const { client, connack } = await server.connect(t, { clientId, clean: false });
  t.equal(connack.sessionPresent, true, 'and its state is there for the next connection');
  await (await server.publisher(t)).publish(topic, 'x');
  t.match(await client.next(), { payload: 'x' });
});
