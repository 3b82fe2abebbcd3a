/** The tools' own MQTT codec against bytes from the standards: MQTT 3.1.1, and RFC 6455 for the frames. */
import t from 'tap';
import { FrameReader, type ReaderEvents } from '../../msggen/mqtt/frame-reader.js';
import { FrameWriter } from '../../msggen/mqtt/frame-writer.js';
import {
  connectPacket,
  connectRefusal,
  lengthBytes,
  noPublication,
  parsePublish,
  subscribePacket,
  writeLength,
} from '../../msggen/mqtt/packets.js';
import { acceptOf, newKey, upgradeRequest, whyNotUpgraded } from '../../msggen/mqtt/upgrade.js';
import { SeededRandom } from '../seeded-random.js';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const fromHex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

t.test('the handshake of RFC 6455, 1.3', async (t) => {
  t.equal(acceptOf('dGhlIHNhbXBsZSBub25jZQ=='), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
  t.match(newKey(), /^[A-Za-z0-9+/]{22}==$/);
  const request = upgradeRequest('127.0.0.1:8000', '/mqtt', 'dGhlIHNhbXBsZSBub25jZQ==');
  t.match(request, /^GET \/mqtt HTTP\/1\.1\r\nHost: 127\.0\.0\.1:8000\r\n/);
  t.match(
    request,
    /\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n$/,
  );
});

t.test('an answer that opens no WebSocket for MQTT is told from one that does', async (t) => {
  const accept = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'upgrade: WebSocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept:${accept}`,
    'Sec-WebSocket-Protocol:  mqtt ',
  ];
  const why = (changed: string[]) => whyNotUpgraded(`${changed.join('\r\n')}\r\n\r\n`, accept);
  t.equal(why(lines), undefined);
  t.equal(why(['HTTP/1.1 404 Not Found', 'Content-Length: 0']), 'HTTP 404');
  t.equal(why(lines.filter((_, i) => i !== 1)), 'HTTP 101 without an upgrade');
  t.equal(why(lines.with(3, 'Sec-WebSocket-Accept: x')), 'wrong Sec-WebSocket-Accept');
  t.equal(why(lines.slice(0, 4)), 'no subprotocol mqtt');
  t.equal(why([...lines, 'Sec-WebSocket-Extensions: permessage-deflate']), 'an extension nobody asked for');
});

t.test('CONNECT: the example of MQTT 3.1.1, 3.1.2, and the payload in its order', async (t) => {
  const packet = connectPacket({
    clientId: 'A\u{2A6D4}',
    cleanSession: true,
    keepAliveSec: 10,
    username: 'u',
    password: 'pw',
  });
  // The example sets will flag and will QoS 1 besides: CE instead of C2. The client id is the string of 1.5.3.
  t.equal(
    hex(packet),
    hex(fromHex('10 18  00 04 4d 51 54 54  04  c2  00 0a  00 05 41 f0 aa 9b 94  00 01 75  00 02 70 77')),
  );
  const plain = connectPacket({ clientId: 'a', cleanSession: false, keepAliveSec: 300 });
  t.equal(hex(plain), hex(fromHex('10 0d 00 04 4d 51 54 54 04 00 01 2c 00 01 61')));
  t.equal(connectRefusal(5), 'CONNACK 5, not authorized');
});

t.test('SUBSCRIBE: the example of 3.8, one filter a packet', async (t) => {
  t.equal(hex(subscribePacket(10, 'a/b', 1)), hex(fromHex('82 08 00 0a 00 03 61 2f 62 01')));
  t.equal(hex(subscribePacket(10, 'c/d', 2)), hex(fromHex('82 08 00 0a 00 03 63 2f 64 02')));
});

t.test('remaining lengths: the table and the examples of 2.2.3', async (t) => {
  for (const [length, bytes] of [
    [0, '00'],
    [64, '40'],
    [127, '7f'],
    [128, '80 01'],
    [321, 'c1 02'],
    [16_383, 'ff 7f'],
    [16_384, '80 80 01'],
    [2_097_151, 'ff ff 7f'],
    [2_097_152, '80 80 80 01'],
    [268_435_455, 'ff ff ff 7f'],
  ] as const) {
    const written = Buffer.alloc(4);
    const end = writeLength(written, 0, length);
    t.equal(hex(written.subarray(0, end)), hex(fromHex(bytes)), `${length}`);
    t.equal(lengthBytes(length), end);
  }
});

t.test('PUBLISH: the example of 3.3.2 is read', async (t) => {
  const packet = fromHex('3b 0a 00 03 61 2f 62 00 0a 68 69 21');
  const publication = noPublication();
  t.ok(parsePublish(packet[0]!, packet, 2, packet.length, publication));
  t.same(publication, {
    qos: 1,
    dup: true,
    retain: true,
    packetId: 10,
    topicStart: 4,
    topicEnd: 7,
    payloadStart: 9,
  });
  t.ok(parsePublish(0x30, packet, 2, packet.length, publication), 'without a packet id');
  t.match(publication, { qos: 0, packetId: 0, payloadStart: 7 });
});

t.test('malformed bytes are not read as a PUBLISH', async (t) => {
  for (const [what, packet] of [
    ['QoS 3', '36 07 00 03 61 2f 62 00 0a'],
    ['DUP at QoS 0', '38 05 00 03 61 2f 62'],
    ['no topic', '30 02 00 00'],
    ['a topic longer than the packet', '30 05 00 04 61 2f 62'],
    ['half a packet id', '32 06 00 03 61 2f 62 00'],
    ['packet id 0', '32 07 00 03 61 2f 62 00 00'],
    ['a packet of one byte', '30 01 00'],
  ] as const) {
    const bytes = fromHex(packet);
    t.notOk(parsePublish(bytes[0]!, bytes, 2, bytes.length, noPublication()), what);
  }
});

/** Takes a masked frame apart. */
function unmasked(frame: Buffer): { head: number; payload: Buffer; rest: Buffer } {
  let size = frame[1]! & 0x7f;
  let at = 2;
  if (size === 126) [size, at] = [frame.readUInt16BE(2), 4];
  if (size === 127) [size, at] = [Number(frame.readBigUInt64BE(2)), 10];
  const key = frame.subarray(at, at + 4);
  const payload = Buffer.from(frame.subarray(at + 4, at + 4 + size).map((byte, i) => byte ^ key[i % 4]!));
  return { head: frame[0]!, payload, rest: frame.subarray(at + 4 + size) };
}

t.test('frames are masked, with another key each time, at any size', async (t) => {
  const writer = new FrameWriter();
  const keys = new Set<string>();
  for (const size of [0, 1, 2, 3, 4, 5, 60, 130, 70_000]) {
    writer.publish('ä', 'x'.repeat(size), 1, 0x1234, true);
    t.ok(writer.length > size);
    const frame = writer.take();
    t.equal(writer.length, 0);
    t.ok((frame[1]! & 0x80) !== 0, 'the mask bit');
    const { head, payload, rest } = unmasked(frame);
    t.equal(head, 0x82, 'a final binary frame');
    t.equal(rest.length, 0);
    const remaining = Buffer.alloc(4);
    const length = remaining.subarray(0, writeLength(remaining, 0, 2 + 2 + 2 + size));
    const body = Buffer.concat([fromHex('00 02 c3 a4 12 34'), Buffer.alloc(size, 'x')]);
    t.ok(payload.equals(Buffer.concat([Buffer.of(0x33), length, body])), `${size} bytes`);
    const keyAt = frame[1] === 0xfe ? 4 : frame[1] === 0xff ? 10 : 2;
    keys.add(hex(frame.subarray(keyAt, keyAt + 4)));
  }
  t.equal(keys.size, 9);
});

t.test('gathered packets go out together, in order', async (t) => {
  const writer = new FrameWriter();
  writer.acknowledge(0x40, 0xfffe);
  writer.pong(Buffer.from('Hello'));
  writer.close(1000);
  const puback = unmasked(writer.take());
  t.equal(hex(puback.payload), '4002fffe');
  const pong = unmasked(puback.rest);
  t.match(pong, { head: 0x8a, payload: Buffer.from('Hello') });
  const close = unmasked(pong.rest);
  t.equal(close.head, 0x88);
  t.equal(hex(close.payload), '03e8');
});

const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';
const HEAD = Buffer.from(
  `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${ACCEPT}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n`,
);

class Heard implements ReaderEvents {
  readonly said: string[] = [];

  upgraded(): void {
    this.said.push('open');
  }

  refused(_connection: number, reason: string): void {
    this.said.push(`refused: ${reason}`);
  }

  packet(_connection: number, head: number, bytes: Buffer, start: number, end: number): void {
    const body = hex(bytes.subarray(start, end));
    this.said.push(`${head.toString(16)} ${body.length > 100 ? `${body.length / 2} bytes` : body}`);
  }

  pinged(_connection: number, payload: Buffer): void {
    this.said.push(`ping ${payload}`);
  }

  ended(_connection: number, reason: string): void {
    this.said.push(`ended: ${reason}`);
  }
}

function heardFrom(bytes: Buffer, cutAt: () => number): string[] {
  const heard = new Heard();
  const reader = new FrameReader(2, ACCEPT, heard);
  // All reads share one buffer, as in the real thing: what the reader keeps it has to copy.
  const shared = Buffer.alloc(bytes.length + 1);
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + cutAt());
    reader.receive(1, shared, bytes.copy(shared, 0, at, end));
    shared.fill(0xee);
    at = end;
  }
  return heard.said;
}

const PACKETS = Buffer.concat([
  fromHex('20 02 01 00'),
  fromHex('90 03 00 0a 01'),
  fromHex('32 0a 00 03 61 2f 62 00 0a 68 69 21'),
  fromHex('d0 00'),
  Buffer.concat([fromHex('30 ac 02 00 01 61'), Buffer.alloc(297, 'y')]),
  fromHex('62 02 00 07'),
]);
const PACKETS_HEARD = ['20 0100', '90 000a01', '32 0003612f62000a686921', 'd0 ', '30 300 bytes', '62 0007'];

function frame(head: number, payload: Buffer): Buffer {
  const size =
    payload.length < 126
      ? Buffer.of(payload.length)
      : Buffer.of(126, payload.length >> 8, payload.length & 255);
  return Buffer.concat([Buffer.of(head), size, payload]);
}

t.test('packets are read however frames and reads cut them', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed}`);
  for (const frameBytes of [1, 2, 3, 7, 100, PACKETS.length]) {
    const frames: Buffer[] = [HEAD];
    for (let at = 0; at < PACKETS.length; at += frameBytes) {
      const isLast = at + frameBytes >= PACKETS.length;
      // One message in fragments: binary, continuations, the last one final (RFC 6455, 5.4).
      const head = (isLast ? 0x80 : 0) | (at === 0 ? 2 : 0);
      frames.push(frame(head, PACKETS.subarray(at, at + frameBytes)));
    }
    frames.push(fromHex('89 05 48 65 6c 6c 6f'), fromHex('8a 00'), frame(0x88, fromHex('03 f0 62 79 65')));
    const bytes = Buffer.concat(frames);
    const expected = ['open', ...PACKETS_HEARD, 'ping Hello', 'ended: WebSocket 1008, bye'];
    for (let size = 1; size <= 40; size++)
      t.same(
        heardFrom(bytes, () => size),
        expected,
        `reads of ${size}`,
      );
    for (let run = 0; run < 50; run++)
      t.same(
        heardFrom(bytes, () => 1 + random.below(300)),
        expected,
      );
  }
});

t.test('big frames: the examples of RFC 6455, 5.7', async (t) => {
  const packet = (payloadBytes: number) => {
    const length = Buffer.alloc(4);
    const end = writeLength(length, 0, payloadBytes);
    return Buffer.concat([Buffer.of(0x30), length.subarray(0, end), Buffer.alloc(payloadBytes, 'z')]);
  };
  const k256 = Buffer.concat([fromHex('82 7e 01 00'), packet(253)]);
  const k64 = Buffer.concat([fromHex('82 7f 00 00 00 00 00 01 00 00'), packet(65_532)]);
  const heard = heardFrom(Buffer.concat([HEAD, k256, k64]), () => 1460);
  t.same(heard, ['open', '30 253 bytes', '30 65532 bytes']);
});

t.test('a violation by the server ends the connection, and nothing after it is read', async (t) => {
  for (const [bytes, reason] of [
    ['82 85 37 fa 21 3d 7f 9f 4d 51 58', 'protocol error: a masked frame'],
    ['81 05 48 65 6c 6c 6f', 'protocol error: a text frame'],
    ['c2 02 d0 00', 'protocol error: reserved bits in a frame'],
    ['83 00', 'protocol error: opcode 3'],
    ['82 06 30 80 80 80 80 01', 'protocol error: a remaining length of five bytes'],
    ['88 00', 'WebSocket closed'],
    ['88 02 03 e8', 'WebSocket 1000'],
  ] as const) {
    const heard = heardFrom(Buffer.concat([HEAD, fromHex(bytes), fromHex('82 02 d0 00')]), () => 3);
    t.same(heard, ['open', `ended: ${reason}`], bytes);
  }
});

t.test('a server that refuses the upgrade, or speaks no HTTP', async (t) => {
  const refusal = Buffer.from('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n');
  t.same(
    heardFrom(refusal, () => 7),
    ['refused: HTTP 503'],
  );
  t.same(
    heardFrom(Buffer.alloc(20_000, 'x'), () => 9000),
    ['refused: no HTTP'],
  );
});

t.test('a connection that was forgotten begins anew', async (t) => {
  const heard = new Heard();
  const reader = new FrameReader(1, ACCEPT, heard);
  const receive = (bytes: Buffer) => reader.receive(0, bytes, bytes.length);
  receive(Buffer.concat([HEAD, fromHex('82 05 20')]));
  reader.forget(0);
  receive(Buffer.concat([HEAD, fromHex('82 01 20 82 03 02 00')]));
  reader.stop(0);
  receive(fromHex('00'));
  t.same(heard.said, ['open', 'open'], 'nothing is left of the half frame and the half packet');
});
