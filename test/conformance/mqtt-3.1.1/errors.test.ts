import t from 'tap';
import { oneProcessFile } from '../../one-process.js';
import { closesLater, isClosed, isQuiet } from './assertions.js';
import { hex, packet, puback, pubcomp, publish, pubrec, uint16 } from './packet-bytes.js';
import { fresh, startServer } from './server.js';

oneProcessFile('one connection and its server; nothing crosses');

/** Chapter 4.8: what breaks the protocol ends its connection, and no other one. */

const server = await startServer();
t.teardown(() => server.stop());

const violations: [string, Buffer][] = [
  ['packet type 0', hex('00 00')],
  ['packet type 15', hex('f0 00')],
  ['a CONNACK', hex('20 02 00 00')],
  ['a SUBACK', hex('90 03 00 01 00')],
  ['an UNSUBACK', hex('b0 02 00 01')],
  ['a PINGRESP', hex('d0 00')],
  ['a PINGREQ with a body', packet(0xc0, hex('00'))],
  ['a PUBACK without an identifier', packet(0x40)],
  ['a PUBACK with half of one', packet(0x40, hex('00'))],
  ['a PUBACK with more than one', packet(0x40, uint16(1), uint16(1))],
  ['a PUBREC with more than an identifier', packet(0x50, uint16(1), hex('00'))],
  ['a PUBREL with more than an identifier', packet(0x62, uint16(1), hex('00'))],
  ['a PUBCOMP without an identifier', packet(0x70)],
  ['a length of five bytes', hex('30 ff ff ff ff 01')],
];

t.test('[MQTT-4.8.0-1] a violation of the protocol closes the connection it came on', async (t) => {
  const topic = fresh('witness');
  const witness = await server.client(t);
  await witness.subscribe(topic, 1);
  for (const [what, bytes] of violations) await closesLater(t, server, bytes, what);
  await (await server.publisher(t)).publish(topic, 'x');
  t.match(await witness.untilPong(), [{ payload: 'x' }], 'other connections go on');
});

t.test(
  '[MQTT-4.8.0-1] what came whole before the violation counts, what comes after it does not',
  async (t) => {
    const topic = fresh('before');
    const witness = await server.client(t);
    await witness.subscribe(topic);
    const client = await server.client(t);
    client.send(publish(topic, 'before'), hex('f0 00'), publish(topic, 'after'));
    await isClosed(t, client, 'packet type 15');
    t.match(await witness.untilPong(), [{ payload: 'before' }]);
  },
);

t.test(
  '[MQTT-4.8.0-1] an acknowledgement that its message does not wait for closes the connection',
  async (t) => {
    const publisher = await server.publisher(t);
    const outOfTurn: [string, number, (id: number) => Buffer][] = [
      ['PUBREC for a message at QoS 1', 1, pubrec],
      ['PUBCOMP for a message at QoS 1', 1, pubcomp],
      ['PUBACK for a message at QoS 2', 2, puback],
      ['PUBCOMP for a message at QoS 2 without PUBREC before', 2, pubcomp],
      ['PUBACK after PUBREC', 2, (id) => Buffer.concat([pubrec(id), puback(id)])],
    ];
    for (const [what, qos, answer] of outOfTurn) {
      const session = { clientId: fresh('turn'), clean: false };
      const topic = fresh('turn');
      const client = await server.client(t, session);
      await client.subscribe(topic, qos);
      await publisher.publish(topic, 'x', { qos });
      const { id } = await client.nextPublish();
      client.send(answer(id));
      const last = (await client.untilClosed()).filter(({ type }) => type !== 'PUBREL');
      t.strictSame(last, [], `closed: ${what}`);
      if (!server.foreign) t.equal(`${client.closeCode} ${client.closeReason}`, '1002 protocol-error', what);
      const back = await server.client(t, session);
      const released = what.startsWith('PUBACK after');
      const expected = released ? { type: 'PUBREL', id } : { type: 'PUBLISH', id, dup: true };
      t.match(await back.next(), expected, 'and it goes on where it was when the client is back');
      back.send(...(qos === 1 ? [puback(id)] : released ? [pubcomp(id)] : [pubrec(id), pubcomp(id)]));
      await back.untilPong();
      await publisher.publish(topic, 'y', { qos });
      t.match(await back.nextPublish(), { payload: 'y' }, 'the place in the window is free');
    }
  },
);

t.test('an acknowledgement of nothing is no reason to close', async (t) => {
  const client = await server.client(t);
  client.send(puback(12_345), pubcomp(12_345));
  await isQuiet(t, client, 'PUBACK and PUBCOMP');
  client.send(pubrec(12_345));
  const answers = await client.untilPong();
  t.ok(
    answers.every((packet) => packet.type === 'PUBREL' && packet.id === 12_345),
    'a PUBREC is answered by a PUBREL or not at all',
  );
});

t.test('a packet over the limit of the server closes the connection', server.onlyOurs, async (t) => {
  const client = await server.client(t);
  client.send(publish('a', 'x'.repeat(65_533)));
  await isQuiet(t, client, '65,536 bytes after the fixed header are the default limit');
  client.send(publish('a', 'x'.repeat(65_534)));
  await isClosed(t, client, 'one more');
  await closesLater(t, server, hex('30 ff ff ff 7f'), 'announced, not sent');
});
