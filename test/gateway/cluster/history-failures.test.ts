import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import t, { type Test } from 'tap';
import { CuttableWay } from '../../cuttable-way.js';
import { startGateway } from '../../gateway-process.js';
import { NatsServer } from '../../nats-server.js';
import { until } from '../../until.js';
import { cursorNow, numbered, poll, publish } from '../history/ask-poll.js';
import { ask, batchOf, Wire } from '../raw-wire.js';
import { HistoryNodes, LineReader, sendCarried } from './history-nodes.js';

const rules = ['--history-rules', '# 100 60'];

async function nodesOf(t: Test, count: number, flags: readonly string[] = rules): Promise<HistoryNodes> {
  const nodes = await HistoryNodes.start(count, flags);
  t.teardown(() => {
    if (!t.passing()) for (const { log } of nodes.list) t.comment(log);
    return nodes.stop();
  });
  return nodes;
}

/** @param makeAnew as another node may have done already */
async function deleteStream(nats: NatsServer, makeAnew = false): Promise<void> {
  const connection = await connect({ servers: nats.url });
  const { streams } = await jetstreamManager(connection);
  const { config } = await streams.info('encke-history-0');
  await streams.delete('encke-history-0');
  if (makeAnew) await streams.add(config);
  await connection.close();
}

t.test('a node is killed, and its clients go on at another one with nothing lost', async (t) => {
  const nodes = await nodesOf(t, 3);
  const [one, two, three] = nodes.list as [never, never, never];
  const stream = await LineReader.open(two, '/stream/a');
  await publish(one, 'a', numbered(20));
  await stream.untilTexts(20);
  const sending = (async () => {
    for (let n = 21; n <= 60; n++) await sendCarried(one, 'a', `m${n}`);
  })();
  await stream.untilTexts(25);
  await nodes.list[1]!.kill('SIGKILL');
  await stream.wire.untilClosed();
  const { texts, cursor } = stream;
  const back = await LineReader.open(three, `/stream/a?cursor=${cursor}`);
  await sending;
  await back.untilTexts(60 - texts.length);
  t.equal(back.lines[0].recovered, true);
  t.same([...texts, ...back.texts], numbered(60));
});

t.test('NATS is killed and comes back: streams stay and go on, cursors hold', async (t) => {
  const nodes = await nodesOf(t, 2);
  const [one, two] = nodes.list as [never, never];
  const [here, there] = [await LineReader.open(one, '/stream/a'), await LineReader.open(two, '/stream/a')];
  await publish(one, 'a', numbered(5));
  await there.untilTexts(5);
  const { cursor } = there;
  await nodes.nats.kill();
  const refused = sendCarried(one, 'a', 'm6');
  await until('it is tried', () => here.texts.length > 5);
  await nodes.nats.restart();
  t.ok((await refused) > 0, 'told 503 while NATS was away');
  await there.untilTexts(6);
  t.same(there.texts, numbered(6), 'the other node has it once: what was refused was no message');
  t.same(here.texts.slice(0, 5), numbered(5));
  t.ok(
    here.texts.slice(5).every((text) => text === 'm6'),
    'and who is connected here got it each time',
  );
  for (const node of nodes.list) {
    const answer = await poll(node.port, `poll/a?cursor=${cursor}&timeout=0`);
    t.same([answer.recovered, answer.texts], [true, ['m6']]);
  }
  t.notOk(here.wire.closed || there.wire.closed);
});

t.test(
  'while NATS is away what does not fit into the answer of a poll is lost, and the poll says so',
  async (t) => {
    const nodes = await nodesOf(t, 1);
    const [node] = nodes.list;
    await nodes.nats.kill();
    await until('it knows', () => node!.log.includes('nats: lost'));
    const wire = await Wire.open(node!.port);
    wire.ask('/poll/a');
    await until('it waits', async () => (await node!.stats()).connections.open === 1);
    const body = batchOf(numbered(130).map((data) => ({ id: 'a', data })));
    t.equal((await ask(node!.apiPort, '/send', { method: 'POST', body })).status, 503);
    await wire.untilComplete();
    t.match(wire.json, { recovered: false, more: true });
    t.equal(wire.json.messages.length, 100);
    t.equal((await node!.stats()).messages.lost, 30);
  },
);

t.test('NATS comes back without what it had last: who had that is told', async (t) => {
  const nodes = await nodesOf(t, 2);
  const [one, two] = nodes.list as [never, never];
  await publish(one, 'a', numbered(5));
  const saved = await nodes.nats.save();
  const stream = await LineReader.open(two, '/stream/a?since=oldest');
  await sendCarried(one, 'a', 'm6');
  // Enough that the marks of two nodes that catch up do not fill their places.
  await publish(one, 'a', numbered(30, 7));
  await stream.untilTexts(36);
  await nodes.nats.restartFrom(saved);
  await stream.wire.untilClosed();
  const back = await LineReader.open(two, `/stream/a?cursor=${stream.cursor}`);
  t.equal(back.lines[0].recovered, false);
  await back.untilTexts(5); // written behind that line, at the end of the turn
  t.same(back.texts, numbered(5), 'with what is left');
  await sendCarried(one, 'a', 'new');
  await back.untilTexts(6);
  t.equal(back.texts.at(-1), 'new');
});

t.test(
  'a node that was cut off gives its streams what they have missed, in order, and then what is new',
  async (t) => {
    const nodes = await nodesOf(t, 1);
    const way = await CuttableWay.start(nodes.nats.port);
    t.teardown(() => way.stop());
    const one = nodes.list[0]!;
    const two = await nodes.add([], way.url);
    const stream = await LineReader.open(two, '/stream/a');
    const both = await LineReader.open(two, '/stream?id=a&id=b');
    await publish(one, 'a', numbered(3));
    await stream.untilTexts(3);
    for (let round = 0; round < 3; round++) {
      const before = stream.texts.length;
      way.cut();
      await until('it is noticed', async () => (await two.stats()).engine.connected === false);
      await publish(one, 'a', numbered(60, before + 1));
      t.equal(stream.texts.length, before);
      way.giveBack();
      const late = publish(one, 'a', numbered(20, before + 61));
      await stream.untilTexts(before + 80);
      await both.untilTexts(before + 80);
      await late;
    }
    t.same(stream.texts, numbered(243));
    t.same(both.texts, numbered(243));
    t.notOk(stream.wire.closed);
    const { recovered, texts } = await poll(two.port, `poll/a?cursor=${stream.cursor}&timeout=0`);
    t.same([recovered, texts], [undefined, []], 'nothing is behind the cursor of its last line');
    t.notMatch(two.log, /gap/);
  },
);

t.test(
  'what is gone when a node comes back is told to those whose ids it is, and to nobody else',
  async (t) => {
    const nodes = await nodesOf(t, 1, ['--history-rules', 'brief/# 100 4;# 100 60']);
    const way = await CuttableWay.start(nodes.nats.port);
    t.teardown(() => way.stop());
    const one = nodes.list[0]!;
    const two = await nodes.add([], way.url);
    const brief = await LineReader.open(two, '/stream/brief/x');
    const long = await LineReader.open(two, '/stream/long');
    const cursor = await cursorNow(two.port, '/brief/x');
    const waiting = poll(two.port, 'poll/brief/x?timeout=60').catch((error: Error) => error);
    await publish(one, 'long', ['l1']);
    await long.untilTexts(1);
    await until('the poll waits', async () => (await two.stats()).router.logins === 3);
    way.cut();
    await until('it is noticed', async () => (await two.stats()).engine.connected === false);
    await publish(one, 'brief/x', numbered(10));
    await publish(one, 'long', numbered(250));
    const gone = async () => {
      const { texts } = await poll(one.port, 'poll/brief/x?since=oldest&timeout=0');
      return texts.length === 0;
    };
    await until('it is too old', gone, 20_000);
    await publish(one, 'brief/x', ['m11']);
    way.giveBack();
    await brief.wire.untilClosed();
    t.ok((await waiting) instanceof Error, 'a poll that waits is cut, too');
    await long.untilTexts(251);
    t.same(
      long.texts,
      ['l1', ...numbered(250)],
      'all that is still there comes, more than is kept for who resumes',
    );
    t.notOk(long.wire.closed);
    t.same(brief.texts, [], 'it has got nothing from behind the gap');
    t.match(two.log, /gap/);
    const back = await LineReader.open(two, `/stream/brief/x?cursor=${cursor}`);
    await back.untilTexts(1);
    t.same([back.lines[0].recovered, back.texts], [false, ['m11']]);
  },
);

t.test(
  'a stream that is deleted behind our back is made anew, and old cursors are known by their epoch',
  async (t) => {
    const nodes = await nodesOf(t, 2);
    const [one, two] = nodes.list as [never, never];
    const streams = [await LineReader.open(one, '/stream/a'), await LineReader.open(two, '/stream/a')];
    await publish(one, 'a', numbered(50));
    const old = await cursorNow(nodes.list[1]!.port, '/a');
    await deleteStream(nodes.nats);
    await sendCarried(one, 'a', 'new'); // refused, until it is noticed and the stream is there again
    for (const stream of streams) await stream.wire.untilClosed();
    const cursors = await Promise.all(nodes.list.map(({ port }) => cursorNow(port, '/a')));
    t.equal(cursors[0]!.split(':')[0], cursors[1]!.split(':')[0]);
    t.not(cursors[0]!.split(':')[0], old.split(':')[0]);
    for (const { port } of nodes.list) {
      const { recovered, texts } = await poll(port, `poll/a?cursor=${old}&timeout=0`);
      t.same([recovered, texts], [false, ['new']]);
    }
    const again = await Promise.all(nodes.list.map((node) => LineReader.open(node, '/stream/a')));
    await publish(two, 'a', numbered(5));
    for (const stream of again) await stream.untilTexts(5);
  },
);

t.test(
  'a stream that was lost with its server, and one that another node made anew, are noticed',
  async (t) => {
    const nodes = await nodesOf(t, 2);
    const [one, two] = nodes.list as [never, never];
    await publish(one, 'a', numbered(50));
    const old = await cursorNow(nodes.list[1]!.port, '/a');
    await nodes.nats.kill();
    rmSync(join(nodes.nats.directory, 'jetstream'), { recursive: true });
    await nodes.nats.restart();
    await sendCarried(one, 'a', 'new');
    for (const { port } of nodes.list) {
      const answer = await poll(port, `poll/a?cursor=${old}&timeout=0`);
      t.same([answer.recovered, answer.texts], [false, ['new']]);
    }
    // Without a word to the nodes, and with sequences that are behind theirs.
    await publish(one, 'a', numbered(50));
    const before = await cursorNow(nodes.list[1]!.port, '/b');
    const stream = await LineReader.open(two, '/stream/b');
    await deleteStream(nodes.nats, true);
    await sendCarried(one, 'b', 'b1');
    await stream.wire.untilClosed();
    for (const { port } of nodes.list) {
      const { recovered, texts } = await poll(port, `poll/b?cursor=${before}&timeout=0`);
      t.same([recovered, texts], [false, ['b1']]);
    }
  },
);

t.test('who resumes while NATS is away waits for it, and then has all; or is told after 5 s', async (t) => {
  const nodes = await nodesOf(t, 1);
  const one = nodes.list[0]!;
  await publish(one, 'a', numbered(3));
  const { cursor } = await poll(one.port, 'poll/a?since=2&timeout=0').then(() =>
    poll(one.port, 'poll/a?since=oldest&timeout=0'),
  );
  const start = `${cursor.split(':')[0]}:1`;
  await nodes.nats.kill();
  await until('it is noticed', async () => (await one.stats()).engine.connected === false);
  const resumed = poll(one.port, `poll/a?cursor=${start}&timeout=0`);
  await nodes.nats.restart();
  const { recovered, texts } = await resumed;
  t.equal(recovered, true);
  t.same(texts, texts.length === 3 ? numbered(3) : numbered(texts.length, 4 - texts.length));
  await nodes.nats.kill();
  await until('it is noticed', async () => (await one.stats()).engine.connected === false);
  const began = performance.now();
  const told = await poll(one.port, `poll/a?cursor=${start}&timeout=0`);
  t.equal(told.wire.header('Encke-Recovered'), 'false');
  t.ok(performance.now() - began > 4_000, 'it has waited');
  const nothing = await LineReader.open(one, '/stream/a');
  t.equal(nothing.wire.status, 200, 'who asks for nothing that was is not kept waiting');
  t.ok(performance.now() - began < 9_000);
});

t.test(
  'NATS without JetStream: the start is refused with a sentence, and without history it is fine',
  async (t) => {
    const nats = await NatsServer.start({ jetStream: false });
    t.teardown(() => nats.stop());
    const flags = ['--engine', 'nats', '--nats', nats.url, '--log-level', 'warn', '--mqtt-max-retained', '0'];
    await t.rejects(
      startGateway({ flags }),
      /NATS keeps no history.*start it with JetStream.*--history-rules "# 0 0"/s,
    );
    const node = await startGateway({ flags: [...flags, '--history-rules', '# 0 0'] });
    t.teardown(() => node.kill());
    const stream = await LineReader.open(node, '/stream/a');
    t.equal(await node.send('a', 'm1'), 1);
    await stream.untilTexts(1);
  },
);

t.test(
  'a node with other rules does not start beside others; alone it does, and knows no cursor of before',
  async (t) => {
    const nodes = await nodesOf(t, 1, []);
    const one = nodes.list[0]!;
    await publish(one, 'a', numbered(3));
    const old = await cursorNow(one.port, '/a');
    await t.rejects(nodes.add(['--history-rules', 'x/# 0 0;# 100 60']), /run with other history rules/);
    await t.rejects(
      nodes.add(['--name', 'fresh', '--history-replicas', '3']),
      /NATS does not keep history as it should.*--history-replicas/s,
    );
    const other = await nodes.add(['--history-rules', '# 50 30']);
    t.equal(
      (await cursorNow(other.port, '/a')).split(':')[0],
      old.split(':')[0],
      'another count, or age, is no other rule',
    );
    await Promise.all(nodes.list.map((node) => node.kill('SIGTERM')));
    const alone = await nodes.add(['--history-rules', 'x/# 0 0;# 100 60']);
    await publish(alone, 'a', ['new']);
    const { recovered, texts } = await poll(alone.port, `poll/a?cursor=${old}&timeout=0`);
    t.same([recovered, texts], [false, ['new']]);
  },
);
