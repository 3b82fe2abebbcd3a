import t from 'tap';
import { oneProcessFile } from '../../one-process.js';
import { SeededRandom } from '../../seeded-random.js';
import { until } from '../../until.js';
import { Wire } from '../raw-wire.js';
import { cursorNow, numbered, poll, publish, startQuietly } from './ask-poll.js';

oneProcessFile(
  'which offsets are good is known of one process alone; of two nodes they are places in the stream of all ids',
);

/** Bad cursors of every kind: a clear 400, or `recovered: false`; never a crash, and never somebody else's messages. */

const gateway = await startQuietly(['--message-bytes-max', '1000']);
t.teardown(() => gateway.kill());
const { port } = gateway;
const random = new SeededRandom();
t.comment(`ENCKE_TEST_SEED=${random.seed} repeats this`);

await publish(gateway, 'mine', numbered(30));
await publish(gateway, 'too', numbered(5));
await publish(gateway, 'others', ['not yours']);
const good = await cursorNow(port, '/mine');
const epoch = good.split(':')[0]!;

const characters = [...'abcXYZ019-_:,.;=&?#%+ /\\"\'<>{}', '\u00e9', '\u{1f600}', '\0', '\n', '\t'];
const numbers = ['0', '1', '29', '30', '31', '99', '4294967295', '4294967296', '9007199254740991', '9007199254740992',
  '1e3', '-1', '00', '01', '1.5', '0x1', 'NaN', 'Infinity', '', ' 1', '9'.repeat(400)]; // biome-ignore format: a list

function randomCursor(): string {
  const kind = random.below(5);
  if (kind === 0) return Array.from({ length: random.below(60) }, () => random.pick(characters)).join('');
  const shown = random.pick([
    epoch,
    epoch,
    'AAAAAAAA',
    'aaaaaaa',
    '',
    '*',
    'x'.repeat(33),
    epoch.toUpperCase(),
  ]);
  if (kind === 1) return `${shown}:${random.pick(numbers)}`;
  if (kind === 2) return `${shown}:${random.pick(numbers)},${random.pick(numbers)}`;
  if (kind === 3)
    return `${shown}:${Array.from({ length: random.below(80) }, () => random.below(40)).join(',')}`;
  const at = random.below(good.length);
  return good.slice(0, at) + random.pick(characters) + good.slice(at + random.below(2));
}

t.test('random cursors on polls', async (t) => {
  const wire = await Wire.open(port);
  const statuses: Record<number, number> = {};
  for (let n = 0; n < 2000; n++) {
    const cursor = randomCursor();
    const several = random.chance(0.4);
    const path = several ? '/poll?id=mine&id=too&' : '/poll/mine?';
    wire.ask(`${path}timeout=0&cursor=${encodeURIComponent(cursor)}`);
    await wire.untilComplete();
    statuses[wire.status] = (statuses[wire.status] ?? 0) + 1;
    const what = `${path} ${JSON.stringify(cursor)}: ${wire.status}`;
    if (wire.status === 400) {
      if (!/^\S.{20,200}\.\n$/.test(wire.text)) t.fail(`${what} ${wire.text}`);
      continue;
    }
    if (wire.status === 204) {
      const read = new RegExp(`^(|${epoch}:(30|30,5))$`);
      if (!read.test(cursor)) t.fail(`${what} is nothing`);
      continue;
    }
    if (wire.status !== 200) t.fail(what);
    const { messages, recovered } = wire.json;
    for (const { id } of messages)
      if (id !== 'mine' && !(several && id === 'too')) t.fail(`${what} gives ${id}`);
    if (recovered && !cursor.startsWith(`${epoch}:`)) t.fail(`${what} is recovered`);
    if (!recovered && messages.length < (several ? 5 : 30)) t.fail(`${what} lacks what is left`);
  }
  await wire.close();
  t.comment(JSON.stringify(statuses));
  t.ok(statuses[400]! > 100 && statuses[200]! > 100);
});

t.test('random bytes as Last-Event-ID and If-None-Match', async (t) => {
  for (let n = 0; n < 400; n++) {
    const bytes = Buffer.from(Array.from({ length: 1 + random.below(80) }, () => random.below(256)));
    const name = random.pick(['Last-Event-ID', 'If-None-Match']);
    const wire = await Wire.open(port);
    wire.socket.write(
      Buffer.concat([
        Buffer.from(`GET /poll/mine?timeout=0 HTTP/1.1\r\nHost: localhost\r\n${name}: `),
        bytes,
        Buffer.from('\r\n\r\n'),
      ]),
    );
    // Bytes with a line break are no header, and may leave uWS waiting for the rest of it.
    await until(
      'it is answered',
      () => wire.complete || wire.closed || bytes.includes(13) || bytes.includes(10),
    );
    if (wire.complete && ![200, 204, 304, 400].includes(wire.status))
      t.fail(`${name} ${bytes.toString('hex')}: ${wire.status}`);
    await wire.close();
  }
  t.equal((await gateway.stats()).router.logins, 0);
});

t.test('a sentence for each kind of mistake', async (t) => {
  for (const [cursor, sentence] of [
    ['x', /A cursor is epoch:offset/],
    ['!:1', /before the colon/],
    [`${epoch}:x`, /An offset in a cursor/],
    [`${epoch}:9007199254740992`, /An offset in a cursor/],
    [`${epoch}:1,2`, /one offset for each id/],
    ['9'.repeat(100), /longer than any/],
  ] as const) {
    const answer = await poll(port, `poll/mine?cursor=${cursor}`);
    t.equal(answer.status, 400);
    t.match(answer.wire.text, sentence);
  }
  for (const [cursor, count] of [
    [`${epoch}:31`, 30],
    ['AAAAAAAA:30', 30],
    [`${epoch}:9007199254740991`, 30],
  ] as const) {
    const answer = await poll(port, `poll/mine?cursor=${cursor}`);
    t.equal(answer.recovered, false);
    t.equal(answer.texts.length, count);
  }
  t.ok(gateway.alive);
  t.equal(gateway.log, '');
});
