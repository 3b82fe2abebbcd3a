import t, { type Test } from 'tap';
import { oneProcessFile } from '../../one-process.js';
import { closesAtOnce, isClosed } from './assertions.js';
import { type Connect, connect, publish, subscribe } from './packet-bytes.js';
import { fresh, startServer } from './server.js';

oneProcessFile('one connection and its server; nothing crosses');

/** Chapter 3.2, CONNACK. The server of this file wants a token as the password. */

const token = 'a-token-of-this-file';
const server = await startServer(['--mqtt-token', token]);
t.teardown(() => server.stop());
const credentials = { userName: 'u', password: token };

async function connackTo(t: Test, options: Connect) {
  const { client, connack } = await server.connect(t, { ...credentials, ...options });
  return { client, sessionPresent: connack.sessionPresent, returnCode: connack.returnCode };
}

/** A client id whose session is waiting for its return. */
async function storedSession(t: Test): Promise<string> {
  const clientId = fresh('stored');
  const { client } = await connackTo(t, { clientId, clean: false });
  await client.disconnect();
  return clientId;
}

t.test('[MQTT-3.2.0-1] the first packet of the server is the CONNACK, whatever else is due', async (t) => {
  const topic = fresh('first');
  const clientId = fresh('first');
  const session = { ...credentials, clientId, clean: false };
  const { client } = await connackTo(t, session);
  await client.subscribe(topic, 1);
  await client.disconnect();
  const { client: publisher } = await connackTo(t, { clientId: fresh('p') });
  await publisher.publish(topic, 'waiting');
  const back = await server.open(t);
  back.send(connect(session), subscribe(1, [topic, 1]), publish(topic, 'own', { qos: 1, id: 2 }));
  t.strictSame(await back.next(), { type: 'CONNACK', sessionPresent: true, returnCode: 0 });
  const rest = new Set((await back.untilPong()).map(({ type }) => type));
  t.ok(rest.has('PUBLISH') && rest.has('SUBACK') && rest.has('PUBACK'), 'the others come after it');
});

t.test('[MQTT-3.2.2-1] clean session 1 is never told of a session', async (t) => {
  const clientId = await storedSession(t);
  t.match(await connackTo(t, { clientId, clean: true }), { sessionPresent: false, returnCode: 0 });
});

t.test('[MQTT-3.2.2-2] clean session 0 is told when there is a session', async (t) => {
  const clientId = await storedSession(t);
  t.match(await connackTo(t, { clientId, clean: false }), { sessionPresent: true, returnCode: 0 }, 'stored');
  t.match(
    await connackTo(t, { clientId, clean: false }),
    { sessionPresent: true, returnCode: 0 },
    'taken over',
  );
});

t.test('[MQTT-3.2.2-3] clean session 0 is told when there is none', async (t) => {
  const clientId = fresh('none');
  t.match(
    await connackTo(t, { clientId, clean: false }),
    { sessionPresent: false, returnCode: 0 },
    'never was',
  );
  const { client } = await connackTo(t, { clientId, clean: true });
  await client.disconnect();
  t.match(
    await connackTo(t, { clientId, clean: false }),
    { sessionPresent: false, returnCode: 0 },
    'discarded',
  );
});

t.test('[MQTT-3.2.2-4] a refusal never says that there is a session', async (t) => {
  const clientId = await storedSession(t);
  t.match(await connackTo(t, { clientId, clean: false, protocolLevel: 99 }), {
    sessionPresent: false,
    returnCode: 1,
  });
  if (!server.foreign)
    t.match(await connackTo(t, { clientId, clean: false, password: 'wrong' }), {
      sessionPresent: false,
      returnCode: 4,
    });
  t.match(
    await connackTo(t, { clientId, clean: false }),
    { sessionPresent: true, returnCode: 0 },
    'it is still there',
  );
});

t.test('[MQTT-3.2.2-5] a refusal ends the connection', async (t) => {
  const refusals: [string, Connect, number][] = [
    ['unknown level', { clientId: 'x', protocolLevel: 99 }, 1],
    ['identifier rejected', { clientId: '', clean: false }, 2],
  ];
  for (const [why, options, code] of refusals) {
    const { client, returnCode } = await connackTo(t, options);
    t.equal(returnCode, code, why);
    await isClosed(t, client, why);
  }
});

t.test(
  '[MQTT-3.2.2-5] a wrong password is refused with code 4, a missing one with code 5',
  server.onlyOurs,
  async (t) => {
    const refusals: [Connect, number][] = [
      [{ clientId: 'x', userName: 'u', password: 'wrong' }, 4],
      [{ clientId: 'x', userName: 'u', password: '' }, 4],
      [{ clientId: 'x', userName: 'u' }, 5],
      [{ clientId: 'x' }, 5],
    ];
    for (const [options, returnCode] of refusals) {
      const { client, connack } = await server.connect(t, options);
      t.strictSame(connack, { type: 'CONNACK', sessionPresent: false, returnCode });
      await isClosed(t, client, `code ${returnCode}`);
    }
  },
);

t.test('[MQTT-3.2.2-6] what no return code fits is closed without a CONNACK', async (t) => {
  const broken = { 'reserved flag': 0xc3, 'will QoS 3': 0xda, 'password without user name': 0x42 };
  for (const [why, flags] of Object.entries(broken))
    await closesAtOnce(t, server, connect({ clientId: 'x', ...credentials, flags }), why);
});
