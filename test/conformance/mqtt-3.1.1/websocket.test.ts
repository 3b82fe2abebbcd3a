import t from 'tap';
import { ask } from '../../gateway/raw-wire.js';
import { oneProcessFile } from '../../one-process.js';
import { isClosed, isQuiet } from './assertions.js';
import { connect, disconnect, hex, pingreq, publish, subscribe } from './packet-bytes.js';
import { opcodes, upgradeHeaders } from './raw-mqtt.js';
import { publication } from './received-packet.js';
import { fresh, startServer } from './server.js';

oneProcessFile('one connection and its server; nothing crosses');

/** Chapter 6: WebSocket as the transport. */

const server = await startServer();
t.teardown(() => server.stop());
const { port, path } = server.endpoint;

t.test('[MQTT-6.0.0-1] packets go in binary frames: a text frame closes the connection', async (t) => {
  const first = await server.open(t);
  first.sendFrame(opcodes.text, connect({ clientId: 'text' }));
  await isClosed(t, first, 'a CONNECT in a text frame');
  const later = await server.client(t);
  later.sendFrame(opcodes.text, publish('a', 'x'));
  await isClosed(t, later, 'a PUBLISH in a text frame');
  if (!server.foreign) t.strictSame([first.closeCode, later.closeCode], [1003, 1003]);
  const broken = await server.client(t);
  broken.sendFrame(opcodes.text, pingreq());
  await isClosed(t, broken, 'a PINGREQ in a text frame, whose bytes are no text');
});

t.test('[MQTT-6.0.0-2] packets come in frames of one byte', async (t) => {
  const topic = fresh('byte');
  const client = await server.open(t);
  const packets = [
    connect({ clientId: fresh('byte') }),
    subscribe(1, [topic, 1]),
    publish(topic, 'x'.repeat(300)),
  ];
  for (const byte of Buffer.concat(packets)) client.send(Buffer.from([byte]));
  t.strictSame(await client.next(), { type: 'CONNACK', sessionPresent: false, returnCode: 0 });
  t.strictSame(await client.next(), { type: 'SUBACK', id: 1, returnCodes: [1] });
  t.strictSame(await client.next(), publication(topic, 'x'.repeat(300)));
});

t.test('[MQTT-6.0.0-2] many packets come in one frame', async (t) => {
  const topic = fresh('many');
  const client = await server.open(t);
  const messages = Array.from({ length: 50 }, (_, index) => publish(topic, `${index}`));
  client.send(connect({ clientId: fresh('many') }), subscribe(1, [topic, 0]), ...messages);
  t.match(await client.next(), { type: 'CONNACK' });
  const rest = await client.untilPong();
  t.strictSame(
    rest.filter(({ type }) => type === 'PUBLISH'),
    messages.map((_, index) => publication(topic, `${index}`)),
  );
  t.equal(rest.filter(({ type }) => type === 'SUBACK').length, 1);
});

t.test('[MQTT-6.0.0-2] packets are cut by frames at any place', async (t) => {
  const topic = fresh('cut');
  const client = await server.client(t);
  await client.subscribe(topic);
  const bytes = Buffer.concat([
    publish(topic, 'first'),
    publish(topic, 'y'.repeat(200)),
    publish(topic, 'last'),
  ]);
  for (let cut = 1; cut < bytes.length; cut += 3) {
    client.send(bytes.subarray(0, cut));
    client.send(bytes.subarray(cut));
    const payloads = (await client.nextPublishes(3)).map(({ payload }) => payload);
    t.strictSame(payloads, ['first', 'y'.repeat(200), 'last'], `after ${cut} bytes`);
  }
});

t.test(
  '[MQTT-6.0.0-2] messages are cut into continuation frames, with pings and empty frames between',
  async (t) => {
    const topic = fresh('fragments');
    const client = await server.client(t);
    await client.subscribe(topic);
    const bytes = Buffer.concat([publish(topic, 'one'), publish(topic, 'two')]);
    client.sendFrame(opcodes.binary, bytes.subarray(0, 4), false);
    client.sendFrame(opcodes.ping, Buffer.from('between'));
    client.sendFrame(opcodes.continuation, bytes.subarray(4, 20), false);
    client.sendFrame(opcodes.continuation, Buffer.alloc(0), false);
    client.sendFrame(opcodes.continuation, bytes.subarray(20), true);
    client.send(Buffer.alloc(0));
    t.match(await client.nextPublishes(2), [{ payload: 'one' }, { payload: 'two' }]);
    await isQuiet(t, client, 'and nothing else');
    t.strictSame(client.pongs, ['between'], 'the ping is answered');
  },
);

t.test('[MQTT-6.0.0-4] the subprotocol that the server selects is mqtt', async (t) => {
  for (const offered of [
    ['mqtt'],
    ['mqtt', 'mqttv3.1'],
    ['mqttv3.1', 'mqtt'],
    ['chat', 'mqtt'],
    ['mqtt', 'chat'],
  ]) {
    const client = await server.open(t, offered);
    t.equal(client.header('Sec-WebSocket-Protocol'), 'mqtt', offered.join(', '));
    client.send(connect({ clientId: fresh('sub') }));
    t.match(await client.next(), { type: 'CONNACK', returnCode: 0 });
  }
});

t.test('mqttv3.1, the name that came before, is selected when it alone is offered', async (t) => {
  const client = await server.open(t, ['mqttv3.1']);
  t.equal(client.header('Sec-WebSocket-Protocol'), 'mqttv3.1');
  client.send(connect({ clientId: fresh('old'), protocolName: 'MQIsdp', protocolLevel: 3 }));
  t.match(await client.next(), { type: 'CONNACK', returnCode: 0 });
});

t.test(
  '[MQTT-6.0.0-3] an upgrade that does not offer mqtt is refused with 400',
  server.onlyOurs,
  async (t) => {
    for (const offered of [[], ['chat'], ['MQTT'], ['mqtt5', 'xmqtt'], ['mqttv3.11']]) {
      const { status, text } = await ask(port, path, { headers: upgradeHeaders(offered) });
      t.equal(status, 400, offered.join(', ') || 'no subprotocol');
      t.match(text, /mqtt/, 'the answer says what to offer');
    }
  },
);

t.test('a request without an upgrade is told to upgrade: 426', server.onlyOurs, async (t) => {
  const answer = await ask(port, path);
  t.equal(answer.status, 426);
  t.match(answer.header('Upgrade'), /websocket/i);
});

t.test('the close code says what was wrong', server.onlyOurs, async (t) => {
  const closeCodes: [string, Buffer, number][] = [
    ['a packet that is none', hex('f0 00'), 1002],
    ['a second CONNECT', connect({ clientId: 'x' }), 1002],
    ['not UTF-8', publish(hex('ff'), 'x'), 1002],
    ['too large', hex('30 ff ff ff 7f'), 1009],
    ['DISCONNECT', disconnect(), 1000],
  ];
  for (const [what, bytes, code] of closeCodes) {
    const client = await server.client(t);
    client.send(bytes);
    await client.untilClosed();
    t.equal(client.closeCode, code, what);
  }
  const clientId = fresh('taken');
  const old = await server.client(t, { clientId });
  await server.client(t, { clientId });
  await old.untilClosed();
  t.equal(old.closeCode, 1008, 'taken over');
});

t.test('a close frame is answered and ends the connection', async (t) => {
  const client = await server.client(t);
  client.sendFrame(opcodes.close, hex('03 e8'));
  await isClosed(t, client, 'closed by the client');
});
