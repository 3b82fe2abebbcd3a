import t from 'tap';
import type { GatewayProcess } from '../../gateway-process.js';
import { until } from '../../until.js';
import { cursorNow, numbered, poll, pollAll, publish } from '../history/ask-poll.js';
import { readEventStream } from '../history/events.js';
import { ask, openStream, Wire } from '../raw-wire.js';
import { HistoryNodes, LineReader } from './history-nodes.js';

const nodes = await HistoryNodes.start(2, [
  '--history-rules',
  'private/# 0 0;short/# 5 60;young/# 100 2;# 100 60',
]);
t.teardown(() => nodes.stop());
const [one, two] = nodes.list as [GatewayProcess, GatewayProcess];

t.test('a message of one node comes to streams of both, with one cursor, and is counted', async (t) => {
  const here = await LineReader.open(one, '/stream/both');
  const there = await LineReader.open(two, '/stream/both');
  t.equal(await one.send('both', 'm1'), 2);
  await here.untilTexts(1);
  await there.untilTexts(1);
  t.equal(here.cursor, there.cursor);
  await Promise.all([here.close(), there.close()]);
});

t.test('a poll goes on at another node, with the cursor of the first', async (t) => {
  const start = await cursorNow(one.port, '/poll');
  t.equal(start.split(':')[0], (await cursorNow(two.port, '/poll')).split(':')[0], 'the epoch is one');
  await publish(one, 'poll', numbered(3));
  await publish(two, 'poll', numbered(3, 4));
  const all = await poll(two.port, `poll/poll?cursor=${start}&timeout=0`);
  t.same([all.recovered, all.texts], [true, numbered(6)]);
  const last = await poll(one.port, `poll/poll?cursor=${all.cursor}&timeout=0`);
  t.same([last.status, last.texts], [204, []]);
  await one.send('poll', 'm7');
  const seventh = await poll(two.port, `poll/poll?cursor=${last.cursor}&timeout=0`);
  t.same([seventh.recovered, seventh.texts], [true, ['m7']]);
});

t.test('a poll that waits at one node is answered with what is sent to the other', async (t) => {
  const cursor = await cursorNow(one.port, '/wait');
  const waiting = poll(two.port, `poll/wait?cursor=${cursor}&timeout=10`);
  await until('it waits', async () => (await two.stats()).router.logins > 0);
  await one.send('wait', 'm1');
  t.same((await waiting).texts, ['m1']);
  t.same((await poll(one.port, `poll/wait?cursor=${cursor}&timeout=0`)).texts, ['m1']);
});

async function openEvents(path: string, cursor: string): Promise<Wire> {
  const wire = await Wire.open(one.port);
  wire.ask(path, { headers: { 'Last-Event-ID': cursor } });
  return wire;
}

t.test('lines and events go on at another node: first what was missed, then what is new', async (t) => {
  await publish(one, 'lines', numbered(5));
  const first = await LineReader.open(one, '/stream/lines?since=oldest');
  await until('all is there', () => first.texts.length === 5);
  const { cursor } = first.lines[2];
  await first.close();
  await two.send('lines', 'm6');
  const second = await LineReader.open(two, `/stream/lines?cursor=${cursor}`);
  await one.send('lines', 'm7');
  await until('all has come', () => second.texts.length === 5);
  t.equal(second.lines[0].recovered, true);
  t.same(second.texts, numbered(5, 3));
  await second.close();
  const events = await openEvents('/events/lines', cursor);
  await events.saw('m7');
  const read = () => readEventStream(events.body).events;
  await until('all is dispatched', () => read().length >= 5);
  t.same(
    read().map(({ type, data }) => (type === 'message' ? data : data.replaceAll('"', ''))),
    ['{recovered:true}', ...numbered(4, 3)].concat(read().length > 5 ? ['m7'] : []),
  );
  await events.close();
});

t.test('several ids are one cursor, each at its place, also those without history', async (t) => {
  const ids = '?id=s/a&id=s/b&id=short/c';
  const start = await cursorNow(one.port, ids);
  t.equal(start.split(',').length, 3);
  await publish(one, 's/a', ['a1']);
  await publish(two, 's/b', ['b1']);
  await publish(one, 'short/c', ['c1']);
  await publish(two, 's/a', ['a2']);
  const all = await poll(two.port, `poll${ids}&cursor=${start}&timeout=0`);
  t.same([all.recovered, all.texts.filter((text) => text !== 'c1')], [true, ['a1', 'b1', 'a2']]);
  t.ok(all.texts.includes('c1'));
  await one.send('s/b', 'b2');
  const rest = await poll(one.port, `poll${ids}&cursor=${all.cursor}&timeout=0`);
  t.same([rest.recovered, rest.texts], [true, ['b2']]);
  const stream = await LineReader.open(two, `/stream${ids}&cursor=${start}`);
  await until('all has come', () => stream.texts.length === 5);
  const after = stream.lines.find(({ data }) => data === 'a2').cursor;
  await stream.close();
  t.same((await poll(one.port, `poll${ids}&cursor=${after}&timeout=0`)).texts.at(-1), 'b2');
  const mixed = await poll(one.port, 'poll?id=s/a&id=private/x&since=oldest&timeout=0');
  const again = await poll(two.port, `poll?id=s/a&id=private/x&cursor=${mixed.cursor}&timeout=0`);
  t.equal(again.wire.header('Encke-Recovered'), 'false', 'of an id without history nobody knows');
});

t.test('since counts messages of the id, whatever others are sent between them', async (t) => {
  for (let n = 1; n <= 5; n++) {
    await publish(one, 'since', [`m${n}`]);
    await publish(one, 'noise', numbered(7));
  }
  t.same((await poll(two.port, 'poll/since?since=2&timeout=0')).texts, ['m4', 'm5']);
  t.same((await poll(two.port, 'poll/since?since=9&timeout=0')).texts, numbered(5));
  t.same((await poll(two.port, 'poll/since?since=oldest&timeout=0')).texts, numbered(5));
  t.equal((await poll(two.port, 'poll/since?since=now&timeout=0')).status, 204);
});

t.test('a cursor of now has nothing that was sent before, at a node that has heard of nothing', async (t) => {
  await publish(one, 'before', numbered(20));
  const cursor = await cursorNow(two.port, '/before');
  await publish(one, 'before', ['after']);
  const { recovered, texts } = await poll(one.port, `poll/before?cursor=${cursor}&timeout=0`);
  t.same([recovered, texts], [true, ['after']]);
});

t.test('messages sent after a stream has its greeting arrive, from every node', async (t) => {
  for (let n = 0; n < 60; n++) {
    const stream = await openStream(two.port, `/stream/fresh${n}`);
    t.equal(await one.send(`fresh${n}`, 'at once'), 1);
    await stream.saw('at once');
    await stream.close();
  }
});

t.test('a history that is shorter than what was missed is told, with what is left', async (t) => {
  const start = await cursorNow(one.port, '/short/x');
  await publish(one, 'short/x', numbered(5));
  const all = await poll(two.port, `poll/short/x?cursor=${start}&timeout=0`);
  t.same([all.recovered, all.texts], [true, numbered(5)], 'as many as are kept are all');
  await publish(one, 'short/x', ['m6']);
  const late = await poll(two.port, `poll/short/x?cursor=${start}&timeout=0`);
  t.same([late.recovered, late.texts], [false, numbered(5, 2)]);
  t.same((await poll(one.port, `poll/short/x?cursor=${late.cursor}&timeout=0`)).status, 204);
  await publish(one, 'long', numbered(250));
  const paged = await pollAll(two.port, '/long', `cursor=${start}`);
  t.equal(paged[0]!.recovered, false);
  t.same(
    paged.flatMap(({ texts }) => texts),
    numbered(100, 151),
  );
});

t.test('a quiet id is not told of a gap because another one is busy', async (t) => {
  const start = await cursorNow(one.port, '/quiet');
  await publish(one, 'quiet', ['q1']);
  for (let round = 0; round < 10; round++) await publish(two, 'busy', numbered(300));
  const { recovered, texts } = await poll(two.port, `poll/quiet?cursor=${start}&timeout=0`);
  t.same([recovered, texts], [true, ['q1']]);
});

t.test('past its age a message is gone, and that is told', async (t) => {
  const start = await cursorNow(one.port, '/young/x');
  await publish(one, 'young/x', ['m1']);
  t.same((await poll(one.port, `poll/young/x?cursor=${start}&timeout=0`)).texts, ['m1']);
  const gone = async () => {
    const { recovered, texts } = await poll(two.port, `poll/young/x?cursor=${start}&timeout=0`);
    return recovered !== true && texts.length === 0;
  };
  await until('it is gone', async () => gone(), 40_000);
});

t.test(
  'bad cursors of every kind are a 400 or recovered: false, on a node that never gave one',
  async (t) => {
    await publish(one, 'bad', numbered(3));
    const epoch = (await cursorNow(one.port, '/bad')).split(':')[0];
    const cursors = ['AAAAAAAA:1', `${epoch}:999999999`, `${epoch}:9007199254740991`, 'AAAAAAAA:0'];
    for (const cursor of cursors) {
      const { status, recovered, texts } = await poll(two.port, `poll/bad?cursor=${cursor}&timeout=0`);
      t.same([status, recovered, texts], [200, false, numbered(3)], cursor);
    }
    for (const cursor of ['x', `${epoch}:`, `${epoch}:1,2`, `${epoch}:-1`, `${epoch}:1e3`]) {
      t.equal((await poll(two.port, `poll/bad?cursor=${cursor}&timeout=0`)).status, 400, cursor);
    }
    const stranger = await poll(two.port, `poll/bad?cursor=${epoch}:0&timeout=0`);
    t.ok(
      stranger.texts.every((text) => numbered(3).includes(text)),
      "never somebody else's messages",
    );
  },
);

t.test('while both nodes are sent to, who changes between them has neither a gap nor a double', async (t) => {
  let sent = 0;
  let over = false;
  const publisher = (async () => {
    for (; !over; sent += 5) await publish(sent % 2 === 0 ? one : two, 'busy2', numbered(5, sent + 1));
  })();
  const seen: string[] = [];
  let cursor = await cursorNow(one.port, '/busy2');
  for (let round = 0; round < 60; round++) {
    const node = round % 2 === 0 ? one : two;
    if (round % 3 === 0) {
      const answer = await poll(node.port, `poll/busy2?cursor=${cursor}&timeout=5`);
      t.not(answer.recovered, false);
      seen.push(...answer.texts);
      cursor = answer.cursor;
      continue;
    }
    const stream = await LineReader.open(node, `/stream/busy2?cursor=${cursor}`);
    const enough = stream.texts.length + 10;
    await until('it goes on', () => stream.texts.length >= enough);
    t.same(stream.lines[0].recovered, true);
    seen.push(...stream.texts);
    cursor = stream.cursor;
    await stream.close();
  }
  over = true;
  await publisher;
  t.same(seen, numbered(seen.length, Number(seen[0]!.slice(1))));
  t.ok(seen.length > 300, `${seen.length} messages`);
});

t.test('?wait=0 is accepted at once, and says nothing of a count', async (t) => {
  for (const id of ['accepted', 'private/accepted']) {
    const stream = await openStream(two.port, `/stream/${id}`);
    const { status, text } = await ask(one.apiPort, `/send/${id}?wait=0`, { method: 'POST', body: 'm1' });
    t.same([status, text], [202, '{"accepted":true}']);
    await stream.saw('m1');
    await stream.close();
  }
});

t.test('nobody is left, and nothing was logged', async (t) => {
  for (const node of nodes.list) {
    await until('all are gone', async () => (await node.stats()).router.logins === 0);
    t.equal(node.log, '');
  }
});
