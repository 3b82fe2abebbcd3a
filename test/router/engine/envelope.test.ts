import t from 'tap';
import {
  decodeEnvelope,
  encodeEnvelope,
  envelopeBytes,
  envelopeVersion,
  messageOf,
} from '../../../router/engine/nats/envelope.js';
import { Message } from '../../../router/index.js';
import { SeededRandom } from '../../seeded-random.js';

const largest = 2 ** 48 - 1;

t.test('every field survives', async (t) => {
  const payloads = [new Uint8Array(0), Uint8Array.of(0), Buffer.from('ü\0\n'), Buffer.alloc(70_000, 255)];
  for (const payload of payloads)
    for (const qos of [0, 1, 2] as const)
      for (const retain of [false, true])
        for (const counted of [false, true])
          for (const number of [1, 255, 2 ** 32, largest]) {
            const retainOnly = counted;
            const message = new Message('a', payload, 1_700_000_000_123 + number / 1e6, qos, retain);
            const bytes = encodeEnvelope(message, {
              run: number,
              sequence: largest + 1 - number,
              counted,
              retainOnly,
            });
            t.same(decodeEnvelope(bytes), {
              run: number,
              sequence: largest + 1 - number,
              counted,
              retainOnly,
            });
            const {
              id,
              timeMs,
              qos: qosThere,
              retain: retainThere,
              payload: there,
              offset,
            } = messageOf('b', bytes);
            t.same([id, timeMs, qosThere, retainThere, offset], ['b', message.timeMs, qos, retain, 0]);
            t.equal(Buffer.compare(there, payload), 0);
          }
});

t.test('it is as its picture says, byte for byte', async (t) => {
  const message = new Message('a', Buffer.from('hi'), 1, 2, true);
  const bytes = Buffer.from(
    encodeEnvelope(message, { run: 0x010203040506, sequence: 7, counted: true, retainOnly: false }),
  );
  t.equal(bytes.toString('hex'), '010e010203040506000000000007' + '3ff0000000000000' + '6869');
  t.equal(bytes.length, envelopeBytes + 2);
});

t.test('the payload is a copy: what was read from the socket is let go of', async (t) => {
  const message = new Message('a', Buffer.from('hello'), 1);
  const read = Buffer.concat([
    Buffer.from('MSG …'),
    encodeEnvelope(message, { run: 1, sequence: 1, counted: false, retainOnly: false }),
  ]);
  const data = read.subarray(read.length - envelopeBytes - 5);
  const { payload } = messageOf('a', data);
  read.fill(0);
  t.equal(String(payload), 'hello');
});

t.test('other versions, what is too short, and what no node of this version says are refused', async (t) => {
  const good = encodeEnvelope(new Message('a', Buffer.from('x'), 1), {
    run: 1,
    sequence: 1,
    counted: false,
    retainOnly: false,
  });
  const changed = (change: (bytes: Buffer) => void) => {
    const bytes = Buffer.from(good);
    change(bytes);
    return decodeEnvelope(bytes);
  };
  t.ok(decodeEnvelope(good));
  for (let length = 0; length < envelopeBytes; length++)
    t.equal(decodeEnvelope(good.subarray(0, length)), undefined, `${length} bytes`);
  for (let version = 0; version < 256; version++)
    if (version !== envelopeVersion)
      t.equal(
        changed((bytes) => bytes.writeUInt8(version, 0)),
        undefined,
      );
  t.equal(
    changed((bytes) => bytes.writeUInt8(3, 1)),
    undefined,
    'QoS 3',
  );
  for (let bit = 32; bit < 256; bit *= 2)
    t.equal(
      changed((bytes) => bytes.writeUInt8(bit, 1)),
      undefined,
    );
  t.equal(
    changed((bytes) => bytes.writeUIntBE(0, 2, 6)),
    undefined,
    'run 0',
  );
  t.equal(
    changed((bytes) => bytes.writeUIntBE(0, 8, 6)),
    undefined,
    'sequence 0',
  );
  for (const timeMs of [Number.NaN, Infinity, -Infinity, -1])
    t.equal(
      changed((bytes) => bytes.writeDoubleBE(timeMs, 14)),
      undefined,
      `time ${timeMs}`,
    );
});

t.test('whatever bytes come, it is refused or a message with legal fields', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed} repeats this`);
  let read = 0;
  for (let i = 0; i < 50_000; i++) {
    const bytes = Uint8Array.from({ length: random.below(60) }, () => random.below(256));
    if (bytes.length > 1 && random.chance(0.8)) {
      bytes[0] = envelopeVersion;
      bytes[1] = random.below(32);
    }
    const envelope = decodeEnvelope(bytes);
    if (envelope === undefined) continue;
    read++;
    const { qos, timeMs } = messageOf('a', bytes);
    if (![0, 1, 2].includes(qos) || !(timeMs >= 0 && timeMs < Infinity))
      t.fail(Buffer.from(bytes).toString('hex'));
    if (envelope.run < 1 || envelope.sequence < 1) t.fail(Buffer.from(bytes).toString('hex'));
  }
  t.ok(read > 1_000, `${read} could be read`);
});
