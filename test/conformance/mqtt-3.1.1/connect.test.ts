import t from 'tap';
import { oneProcessFile } from '../../one-process.js';
import { closesAtOnce, isClosed, isQuiet } from './assertions.js';
import {
  connect,
  disconnect,
  field,
  hex,
  packet,
  pingreq,
  puback,
  publish,
  subscribe,
  uint16,
  unsubscribe,
} from './packet-bytes.js';
import { fresh, startServer } from './server.js';

oneProcessFile('one connection and its server; nothing crosses');

/** Chapter 3.1, CONNECT: its place, its variable header, and what of its payload must be there. */

const server = await startServer();
t.teardown(() => server.stop());

/** A CONNECT with these flags and these fields, whether they fit together or not. */
function connectOf(flags: number, ...fields: (string | Buffer)[]): Buffer {
  return packet(0x10, field('MQTT'), Buffer.from([4, flags]), uint16(0), ...fields.map(field));
}

t.test('[MQTT-3.1.0-1] a connection that begins with anything but CONNECT is closed', async (t) => {
  const first = {
    PUBLISH: publish('a', 'x'),
    PUBACK: puback(1),
    SUBSCRIBE: subscribe(1, ['a', 0]),
    UNSUBSCRIBE: unsubscribe(1, 'a'),
    PINGREQ: pingreq(),
    DISCONNECT: disconnect(),
    HTTP: Buffer.from('GET / HTTP/1.1\r\n'.padEnd(0x45 + 2)),
  };
  for (const [name, bytes] of Object.entries(first)) await closesAtOnce(t, server, bytes, name);
});

t.test('[MQTT-3.1.0-2] a second CONNECT closes the connection', async (t) => {
  const clientId = fresh('twice');
  const client = await server.client(t, { clientId });
  client.send(connect({ clientId }));
  await isClosed(t, client, 'a second CONNECT');
  const hurried = await server.open(t);
  hurried.send(connect({ clientId }), connect({ clientId }));
  t.strictSame(
    (await hurried.untilClosed()).slice(1),
    [],
    'also when both come at once, and it is answered by no second CONNACK',
  );
});

t.test('[MQTT-3.1.2-1] a wrong protocol name closes the connection', async (t) => {
  for (const protocolName of ['mqtt', 'MQTT ', 'MQT', '', 'MQTTT', 'MQIsdq', 'HTTP'])
    await closesAtOnce(t, server, connect({ clientId: 'x', protocolName }), JSON.stringify(protocolName));
});

t.test('[MQTT-3.1.2-2] an unknown protocol level gets return code 1, then the end', async (t) => {
  const levels: [string, number][] = [
    ['MQTT', 0],
    ['MQTT', 6],
    ['MQTT', 127],
    ['MQIsdp', 2],
    ['MQIsdp', 4],
    ...(server.foreign
      ? []
      : ([
          ['MQTT', 3],
          ['MQTT', 5],
          ['MQTT', 0x84],
          ['MQTT', 255],
        ] as [string, number][])),
  ];
  for (const [protocolName, protocolLevel] of levels) {
    const { client, connack } = await server.connect(t, {
      clientId: fresh('l'),
      protocolName,
      protocolLevel,
    });
    t.strictSame(
      connack,
      { type: 'CONNACK', sessionPresent: false, returnCode: 1 },
      `${protocolName} ${protocolLevel}`,
    );
    await isClosed(t, client, `${protocolName} ${protocolLevel}`);
  }
});

t.test('an MQTT 5 client is told that its protocol level is unknown', server.onlyOurs, async (t) => {
  const client = await server.open(t);
  const properties = hex('05 11 00 00 00 3c');
  client.send(packet(0x10, field('MQTT'), Buffer.from([5, 2]), uint16(60), properties, field('five')));
  t.strictSame(await client.next(), { type: 'CONNACK', sessionPresent: false, returnCode: 1 });
  await isClosed(t, client, 'level 5');
});

t.test('[MQTT-3.1.2-3] the reserved connect flag closes the connection', async (t) => {
  await closesAtOnce(t, server, connect({ clientId: 'x', flags: 0x03 }), 'with clean session');
  await closesAtOnce(t, server, connect({ clientId: 'x', flags: 0x01 }), 'without');
});

t.test('[MQTT-3.1.2-18] without the user name flag there is no user name', async (t) => {
  await closesAtOnce(t, server, connectOf(0x02, 'id', 'user'), 'a field too many');
});

t.test('[MQTT-3.1.2-19] with the user name flag there is a user name', async (t) => {
  await closesAtOnce(t, server, connectOf(0x82, 'id'), 'a field too few');
  t.ok(await server.client(t, { userName: 'user' }), 'a user name without a password is fine');
  t.ok(await server.client(t, { userName: '' }), 'and so is an empty one');
});

t.test('[MQTT-3.1.2-20] without the password flag there is no password', async (t) => {
  await closesAtOnce(t, server, connectOf(0x82, 'id', 'user', 'secret'), 'a field too many');
});

t.test('[MQTT-3.1.2-21] with the password flag there is a password', async (t) => {
  await closesAtOnce(t, server, connectOf(0xc2, 'id', 'user'), 'a field too few');
  t.ok(await server.client(t, { userName: 'user', password: hex('00 ff c0 80') }), 'of any bytes');
});

t.test('[MQTT-3.1.2-22] a password without a user name closes the connection', async (t) => {
  await closesAtOnce(t, server, connectOf(0x42, 'id', 'secret'), 'password flag without user name flag');
});

t.test(
  '[MQTT-3.1.3-1] the fields are read as client id, will topic, will message, user, password',
  async (t) => {
    const topic = fresh('order');
    const clientId = fresh('order');
    const witness = await server.client(t);
    await witness.subscribe(topic);
    const will = { topic, payload: 'message' };
    const client = await server.client(t, { clientId, clean: false, will, userName: 'u', password: 'p' });
    await client.drop();
    t.match(await witness.next(), { topic, payload: 'message' }, 'will topic and will message');
    const { connack } = await server.connect(t, { clientId, clean: false });
    t.equal(connack.sessionPresent, true, 'client id');
  },
);

t.test('[MQTT-3.1.3-3] a CONNECT without a client id closes the connection', async (t) => {
  await closesAtOnce(t, server, connectOf(0x02), 'no payload');
  await closesAtOnce(t, server, Buffer.concat([connectOf(0x02).fill(11, 1, 2), hex('00')]), 'half a length');
});

t.test(
  '[MQTT-3.1.4-1] a CONNECT that is not laid out as it must be is closed without a CONNACK',
  async (t) => {
    const right = connect({
      clientId: 'abc',
      will: { topic: 't', payload: 'm' },
      userName: 'u',
      password: 'p',
    });
    for (let cut = 3; cut < right.length; cut++) {
      const shorter = Buffer.from(right.subarray(0, cut));
      shorter[1] = cut - 2;
      await closesAtOnce(t, server, shorter, `ends after ${cut} of ${right.length} bytes`);
    }
    await closesAtOnce(t, server, packet(0x10, right.subarray(2), hex('00')), 'a byte too many');
    await closesAtOnce(t, server, packet(0x10, right.subarray(2), field('x')), 'a field too many');
    await closesAtOnce(t, server, hex('10 00'), 'nothing at all');
  },
);

t.test(
  '[MQTT-3.1.4-2] a client id that is connected already is taken over: the old one is closed',
  async (t) => {
    const clientId = fresh('taken');
    const topic = fresh('taken');
    for (const clean of [true, false]) {
      const first = await server.client(t, { clientId, clean });
      await first.subscribe(topic, 1);
      const second = await server.client(t, { clientId, clean });
      await isClosed(t, first, `taken over, clean session ${clean}`);
      await second.subscribe(topic, 1);
      await (await server.publisher(t)).publish(topic, 'x');
      t.match(await second.next(), { type: 'PUBLISH', payload: 'x' });
      await isQuiet(t, second, 'the new connection receives once');
    }
  },
);

t.test('[MQTT-3.1.4-3] clean session is heeded on every CONNECT, a taken-over one too', async (t) => {
  const clientId = fresh('clean');
  const topic = fresh('clean');
  const old = await server.client(t, { clientId, clean: false });
  await old.subscribe(topic, 1);
  const kept = await server.client(t, { clientId, clean: false });
  const publisher = await server.publisher(t);
  await publisher.publish(topic, 'kept');
  t.match(await kept.next(), { payload: 'kept' }, 'clean session 0 goes on with the subscriptions');
  const clean = await server.client(t, { clientId, clean: true });
  await publisher.publish(topic, 'gone');
  await isQuiet(t, clean, 'clean session 1 begins without');
});

t.test('[MQTT-3.1.4-4] a good CONNECT is answered by a CONNACK with return code 0', async (t) => {
  const client = await server.open(t);
  client.send(hex('10 0f 00 04 4d 51 54 54 04 02 00 3c 00 03 61 62 63'));
  t.equal((await client.nextBytes()).toString('hex'), '20020000');
});

t.test('[MQTT-3.1.4-5] what follows a CONNECT that is refused is not looked at', async (t) => {
  const topic = fresh('refused');
  const witness = await server.client(t);
  await witness.subscribe(topic);
  const refused = {
    'unknown level': connect({ clientId: 'x', protocolName: 'MQTT', protocolLevel: 99 }),
    'rejected client id': connect({ clientId: '', clean: false }),
    'reserved flag': connect({ clientId: 'x', flags: 0x03 }),
  };
  for (const [why, bytes] of Object.entries(refused)) {
    const client = await server.open(t);
    client.send(bytes, publish(topic, why, { qos: 1, id: 1, retain: true }), pingreq());
    const answers = await client.untilClosed();
    t.ok(
      answers.every(({ type }) => type === 'CONNACK'),
      why,
    );
    await isQuiet(t, witness, why);
  }
});
