import { Command } from 'ioredis';
import t from 'tap';
import { PublishCallWriter, readCopy } from '../../../../router/engine/redis/message-format.js';
import { Message, type Qos } from '../../../../router/index.js';
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

t.test('what is none of ours on a channel is not read', async (t) => {
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
