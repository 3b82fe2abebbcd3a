import t from 'tap';
import { cursorAt } from '../../one-process.js';
import { until } from '../../until.js';
import { ask, batchOf, Wire } from '../raw-wire.js';
import { cursorNow, numbered, poll, publish, startQuietly } from './ask-poll.js';

const gateway = await startQuietly(['--history-rules', 'private/# 0 0;# 100 60']);
t.teardown(() => gateway.kill());
const { port, apiPort } = gateway;

// biome-ignore lint/suspicious/noExplicitAny: lines of JSON, as they are
function linesOf(wire: Wire): any[] {
  const text = wire.text;
  return text
    .slice(0, text.lastIndexOf('\n'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

const textsOf = (wire: Wire): string[] =>
  linesOf(wire).flatMap(({ data }) => (data === undefined ? [] : [data]));

async function open(path: string, from = port): Promise<Wire> {
  const wire = await Wire.open(from);
  wire.ask(path);
  await until(`${path} is open`, () => wire.chunks.length > 0);
  return wire;
}

t.test(
  'a stream of lines that comes back is told first what became of it, then gets what it missed, then what is new',
  async (t) => {
    await publish(gateway, 'lines', numbered(5));
    const all = await open('/stream/lines?since=oldest');
    await until('all is there', () => textsOf(all).length === 5);
    t.same(Object.keys(linesOf(all)[0]), ['recovered']);
    t.same(textsOf(all), numbered(5));
    const { cursor } = linesOf(all)[2]!;
    await all.close();
    const back = await open(`/stream/lines?cursor=${cursor}`);
    await gateway.send('lines', 'm6');
    await back.saw('m6');
    await until('its line is ended', () => textsOf(back).length === 4);
    t.same(linesOf(back)[0], { recovered: true });
    t.same(textsOf(back), numbered(4, 3));
    await back.close();
    const now = linesOf(back).at(-1)!.cursor;
    const nothing = await open(`/stream/lines?cursor=${now}`);
    t.same(
      linesOf(nothing),
      [{ recovered: true, cursor: now }],
      'where nothing follows, the cursor is there, too',
    );
    await nothing.close();
    const other = await open('/stream/lines?cursor=AAAAAAAA:3');
    await until('all that is left', () => textsOf(other).length === 6);
    t.same(linesOf(other)[0], { recovered: false });
    await other.close();
    const two = await open('/stream/lines?since=2');
    await until('two', () => textsOf(two).length === 2);
    t.same(textsOf(two), ['m5', 'm6']);
    await two.close();
  },
);

t.test('a Comet page says what it has recovered', async (t) => {
  await publish(gateway, 'page', numbered(120));
  for (const [query, sentence] of [
    ['since=1', 'Resumed with 1 message from before.</i>'],
    ['since=oldest', 'Resumed with 100 messages from before.</i>'],
    ['cursor=AAAAAAAA:1', 'Resumed with 100 messages from before. Others are gone.</i>'],
  ] as const) {
    const wire = await open(`/test/page?${query}`);
    await wire.saw(sentence);
    await wire.saw("'m120'");
    t.match(wire.text, query === 'since=1' ? "Recvd msg #1: 'm120'" : "Recvd msg #1: 'm21'");
    await wire.close();
  }
  const plain = await open('/test/page');
  t.notMatch(plain.text, /Resumed/);
  await plain.close();
});

t.test('a resume of 100 small messages is one write', async (t) => {
  const texts = Array.from({ length: 100 }, (_, n) => `m${n} ${'x'.repeat(20)}`);
  await publish(gateway, 'write', texts);
  for (const path of [
    '/test/write',
    '/stream/write',
    '/events/write',
    '/poll/write',
    '/stream?id=write&id=w2',
  ]) {
    const wire = await open(`${path}${path.includes('?') ? '&' : '?'}since=oldest`);
    await wire.saw(texts[99]!);
    // Where the reader is late, it finds both at once.
    const most = path.startsWith('/poll') ? 1 : 2;
    t.ok(wire.reads.length <= most, `${path}: the greeting, and all messages, in ${wire.reads.length} reads`);
    await wire.close();
  }
});

t.test('while messages go on, a stream that resumes has neither a gap nor a double', async (t) => {
  let sent = 0;
  let over = false;
  const publisher = (async () => {
    for (; !over; sent += 5) {
      const texts = numbered(5, sent + 1);
      await publish(gateway, 'busy', texts);
    }
  })();
  t.teardown(() => {
    over = true;
  });
  await until('some are there', () => sent > 50);
  for (let round = 0; round < 40; round++) {
    const path = round % 2 === 0 ? '/stream/busy?since=oldest' : '/stream?id=busy&id=quiet&since=oldest';
    const wire = await open(path);
    await until('it goes on', () => textsOf(wire).length > 130);
    const numbers = textsOf(wire).map((text) => Number(text.slice(1)));
    const odd = numbers.findIndex((number, n) => number !== numbers[0]! + n);
    t.equal(odd, -1, `in order from ${numbers[0]}`);
    await wire.close();
  }
  over = true;
  await publisher;
});

t.test('6 MB are caught up with at the pace of the reader, while messages go on', async (t) => {
  const body = 'x'.repeat(65_000);
  const large = (n: number) => `${n} ${body}`;
  const id = 'catch';
  const rest = '&id=catch2&id=private/beside';
  for (let n = 0; n < 100; n++) await gateway.send(id, large(n));
  const before = gateway.rssBytes;
  const wires = await Promise.all(Array.from({ length: 10 }, () => Wire.open(port)));
  for (const [n, wire] of wires.entries()) {
    wire.ask(n % 2 === 0 ? `/stream/${id}?since=oldest` : `/stream?id=${id}${rest}&since=oldest`);
  }
  for (const wire of wires.slice(0, 4)) wire.stall();
  // Within the history's age and count, 30 more push out 30 of those that the slow ones have not got to yet, or have.
  for (const wire of wires.slice(4)) await wire.saw('"99 x', 20_000);
  for (let n = 100; n < 110; n++) await gateway.send(id, large(n));
  for (const wire of wires.slice(4)) {
    await wire.saw('"109 x', 20_000);
    await until('its line is ended', () => wire.text.endsWith('\n'));
    t.same(
      textsOf(wire).map((text) => Number(text.split(' ')[0])),
      Array.from({ length: 110 }, (_, n) => n),
    );
  }
  await gateway.send('private/beside', 'live');
  for (const wire of wires.slice(4).filter((_, n) => n % 2 === 1)) await wire.saw('live');
  const grown = gateway.rssBytes - before;
  t.comment(`grown by ${(grown / 2 ** 20).toFixed(1)} MiB`);
  for (const wire of wires.slice(0, 4)) wire.resume();
  for (const wire of wires.slice(0, 4)) {
    await until(
      'it is through, or cut',
      () => wire.closed || wire.chunks.some((chunk) => chunk.includes('"109 x')),
      20_000,
    );
    const numbers = textsOf(wire)
      .map((text) => Number(text.split(' ')[0]))
      .filter((n) => !Number.isNaN(n));
    t.same(
      numbers,
      Array.from({ length: numbers.length }, (_, n) => n),
      'in order, whatever became of it',
    );
    if (!wire.closed) t.equal(numbers.length, 110);
  }
  await Promise.all(wires.map((wire) => wire.close()));
});

t.test('a reader that is slower than the history is long is cut, and told when it reconnects', async (t) => {
  const slow = await startQuietly();
  t.teardown(() => slow.kill());
  const body = 'x'.repeat(65_000);
  for (let n = 0; n < 100; n++) await slow.send('slow', `${n} ${body}`);
  const wire = await Wire.open(slow.port);
  wire.stall();
  wire.ask('/stream/slow?since=oldest');
  await until('it is open', async () => (await slow.stats()).connections.open === 1);
  for (let n = 100; n < 300; n++) await slow.send('slow', `${n} ${body}`);
  wire.resume();
  await until('it is cut', async () => (await slow.stats()).connections.closed['slow-consumer'] === 1);
  await wire.untilClosed();
  const whole = linesOf(wire).filter(({ cursor }) => cursor !== undefined);
  const numbers = whole.map(({ data }) => Number(data.split(' ')[0]));
  t.same(
    numbers,
    Array.from({ length: numbers.length }, (_, n) => n),
  );
  t.ok(numbers.length < 200);
  const back = await poll(slow.port, `poll/slow?cursor=${whole.at(-1)!.cursor}`);
  t.equal(back.recovered, false);
  t.match(back.texts[0], /^200 /, 'with what is left');
});

t.test(
  'messages published one by one and in batches, over HTTP and at both doors, are one sequence',
  async (t) => {
    const start = await cursorNow(port, '/seq');
    await gateway.send('seq', 'm1');
    await publish(gateway, 'seq', ['m2', 'm3']);
    await ask(apiPort, '/send', { method: 'POST', body: batchOf([{ id: 'seq', data: 'm4' }]) });
    const answer = await poll(port, `poll/seq?cursor=${start}`);
    t.same(answer.texts, numbered(4));
    t.match(answer.cursor, cursorAt(4));
  },
);

t.test('ids without history have no cursor, whatever was asked for', async (t) => {
  for (const [path, recovered] of [
    ['since=oldest', true],
    ['since=now', true],
    ['cursor=aaaaaaaa:7', false],
  ] as const) {
    const lines = await Wire.open(port);
    lines.ask(`/stream/private/none?${path}`);
    await until('it is greeted', () => lines.text.includes('\n'));
    t.equal(lines.text, `{"recovered":${recovered}}\n`, path);
    const events = await Wire.open(port);
    events.ask(`/events/private/none?${path}`);
    await until('it is greeted', () => events.text.includes('\n\n'));
    t.match(events.text, `data: {"recovered":${recovered}}\n`);
    t.notMatch(events.text, /^id:/m, path);
    await Promise.all([lines.close(), events.close()]);
  }
});

t.test('and nothing is left of any stream', async (t) => {
  await until('none is open', async () => (await gateway.stats()).connections.open === 0);
  t.match((await gateway.stats()).router, { ids: 0, logins: 0, subscribers: 0 });
});
