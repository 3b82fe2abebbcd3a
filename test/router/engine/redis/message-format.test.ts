import { Command } from 'ioredis';
import t from 'tap';
import {
  bodyOf,
  messageInHistory,
  PublishCallWriter,
  readCopy,
} from '../../../../router/engine/redis/message-format.js';
import { Message, MessageProperties, type Qos } from '../../../../router/index.js';
import { SeededRandom } from '../../../seeded-random.js';

const run = '000123456789abcd';
const random = new SeededRandom();
t.comment(`ENCKE_TEST_SEED=${random.seed}`);

t.test('a call is what ioredis would have written', async (t) => {
  const writer = new PublishCallWriter('encke_0a1b2c3d_publish', run);
  for (let n = 0; n < 200; n++) {
    const messages = Array.from({ length: 1 + random.below(64) }, () => ({
      message: new Message(
        random.pick([
          'a',
          'user/1',
          'ü/日本',
          '\u{1F30D}',
          'x'.repeat(64),
          'y'.repeat(65),
          'z'.repeat(1_000),
        ]),
        Buffer.alloc(random.pick([0, 1, 9, 10, 99, 100, 1_000, 70_000]), random.below(256)),
        1,
        random.below(3) as Qos,
        random.below(2) === 1,
      ),
      rule: random.pick(['', '100:60000']),
      key: random.pick(['', 'a-key', '~'.repeat(70)]),
      number: random.pick([0, 1, 77, 4_294_967_295]),
    }));
    const args: (string | Buffer)[] = ['encke_0a1b2c3d_publish', '0', run, '7', `${n}`, '1764500000123'];
    for (const { message, rule, key, number } of messages) {
      const head = Buffer.alloc(number === 0 ? 1 : 13);
      if (number > 0) {
        head[0] = 1;
        head.write(run, 1, 'hex');
        head.writeUInt32BE(number, 9);
      }
      const body = Buffer.concat([Buffer.from([message.qos | (message.retain ? 4 : 0)]), message.payload]);
      args.push(message.id, rule, head, body, key);
      const copy = readCopy(Buffer.concat([Buffer.alloc(8), head, body]), message.id)!;
      const { qos, retain } = message;
      t.match(copy, { qos, retain, number, run: number === 0 ? undefined : run }, 'and is read as it was');
      if (!copy.payload.equals(message.payload)) t.fail('the payload is another one');
    }
    const written = writer.write(7, n, 1_764_500_000_123, messages).toWritable();
    const wanted = Buffer.from(new Command('FCALL', args).toWritable({} as never) as Buffer);
    if (!written.equals(wanted)) t.fail(`call ${n} differs`);
  }
});

t.test('foreign messages on a channel are not read', async (t) => {
  for (const bytes of [
    '',
    'x',
    'a foreign text',
    '\0'.repeat(9),
    `${'\0'.repeat(8)}\x02\0`,
    `${'\0'.repeat(8)}\0\x03`,
  ])
    t.equal(readCopy(Buffer.from(bytes, 'latin1'), 'a'), undefined, JSON.stringify(bytes));
  for (const length of [0, 5, 9, 10, 12])
    t.equal(readCopy(Buffer.alloc(length, 0xff), undefined), undefined, `${length} bytes with an id`);
  t.match(readCopy(Buffer.from(`${'\0'.repeat(8)}\0\x05hello`, 'latin1'), 'a'), {
    id: 'a',
    qos: 1,
    retain: true,
  });
});

const properties = new MessageProperties({
  isText: true,
  responseTopic: 'ä/b',
  userProperties: [['n', 'v']],
});
const full = new Message('a', Buffer.from('hello'), 5, 1, true, 0, 'client 7', properties);

/** The body in a call of one message. */
function bodyIn(message: Message): Buffer {
  const writer = new PublishCallWriter('f', run);
  const call = writer.write(1, 1, 1, [{ message, rule: '', key: '', number: 0 }]).toWritable();
  const parts = call.toString('latin1').split('\r\n$');
  return Buffer.from(parts.at(-2)!.replace(/^\d+\r\n/, ''), 'latin1');
}

t.test(
  'publisher and properties go with a message, and come back from a channel and from history',
  async (t) => {
    for (const message of [
      full,
      new Message('a', Buffer.from('hello'), 5, 1, true, 0, 'client 7'),
      new Message('a', Buffer.alloc(0), 5, 0, false, 0, undefined, properties),
    ]) {
      const body = bodyIn(message);
      t.same(body, bodyOf(message));
      const copy = readCopy(Buffer.concat([Buffer.alloc(8), Buffer.of(0), body]), 'a')!;
      const kept = messageInHistory('a', Buffer.concat([Buffer.from([0, 0, 0, 0, 0, 0, 0, 9]), body]));
      for (const read of [copy, kept]) {
        const { qos, retain, publisher } = message;
        t.match({ ...read }, { qos, retain });
        t.same([read.publisher, read.properties], [publisher, message.properties]);
        t.same(Buffer.from(read.payload), Buffer.from(message.payload));
      }
      t.equal(kept.offset, 9);
      for (let cut = 1; cut < 5; cut++)
        t.equal(
          readCopy(Buffer.concat([Buffer.alloc(9), body.subarray(0, cut)]), 'a'),
          undefined,
          'broken off',
        );
    }
  },
);

t.test(
  'of extras of a later version, and of fields that are not known, the payload is read all the same',
  async (t) => {
    const body = bodyIn(full);
    body[1] = 9;
    const copyOf = (bytes: Buffer) => readCopy(Buffer.concat([Buffer.alloc(9), bytes]), 'a')!;
    t.match(copyOf(body), { qos: 1, retain: true, publisher: undefined, properties: undefined });
    t.equal(copyOf(body).payload.toString(), 'hello');
    const unknown = Buffer.from([200, 0, 0, 0, 2, 1, 2, 1, 0, 0, 0, 1, 0x63]);
    const copy = copyOf(
      Buffer.concat([Buffer.from([8, 1, 0, 0, 0, unknown.length]), unknown, Buffer.from('x')]),
    );
    t.same([copy.publisher, copy.properties, copy.payload.toString()], ['c', undefined, 'x']);
    const good = bodyIn(full);
    for (let n = 0; n < 5_000; n++) {
      const bent = Buffer.from(good);
      bent[random.below(bent.length)] = random.below(256);
      readCopy(Buffer.concat([Buffer.alloc(9), bent]), 'a'); // throws nothing
    }
  },
);
