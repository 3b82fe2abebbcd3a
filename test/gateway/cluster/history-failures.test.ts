import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { connectAsync, type MqttClient } from 'mqtt';
import t, { type Test } from 'tap';
import { CuttableWay } from '../../cuttable-way.js';
import type { GatewayProcess } from '../../gateway-process.js';
import { until } from '../../until.js';
import { cursorNow, numbered, poll, publish } from '../history/ask-poll.js';
import { HistoryNodes, LineReader, sendCarried } from './history-nodes.js';

/** Messages of clients after an outage of their node, of its path to Redis, or of Redis itself. */

const rules = ['--history-rules', 'brief/# 100 4;none/# 0 0;# 100 60'];

async function nodesOf(t: Test, count: number, options = {}): Promise<HistoryNodes> {
  const nodes = await HistoryNodes.start(count, rules, options);
  t.teardown(() => {
    if (!t.passing()) for (const { log } of nodes.list) t.comment(log);
    return nodes.stop();
  });
  return nodes;
}

async function wayTo(t: Test, nodes: HistoryNodes): Promise<CuttableWay> {
  const way = await CuttableWay.start(nodes.redis.port);
  t.teardown(() => way.stop());
  return way;
}

const connected = async (node: GatewayProcess) => (await node.stats()).engine.connected;

/** A client of MQTT.js, and the texts that came to it. */
async function mqttClient(t: Test, node: GatewayProcess, filter: string, qos: 0 | 1 | 2, options = {}) {
  const client: MqttClient = await connectAsync(`${node.url.replace('http', 'ws')}/mqtt`, {
    reconnectPeriod: 0,
    ...options,
  });
  t.teardown(() => client.endAsync(true));
  const got: string[] = [];
  const old: string[] = [];
  let isSubscribed = false;
  client.on('message', (_topic, payload) => {
    got.push(payload.toString());
    if (!isSubscribed) old.push(payload.toString());
  });
  await client.subscribeAsync(filter, { qos });
  isSubscribed = true;
  return { client, got, old };
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

t.test('Redis is killed and comes back: who may have missed something is told, and goes on', async (t) => {
  const nodes = await nodesOf(t, 2, { appendonly: true });
  const [one, two] = nodes.list as [GatewayProcess, GatewayProcess];
  const stream = await LineReader.open(two, '/stream/a');
  const bare = await LineReader.open(two, '/stream/none/a');
  await publish(one, 'a', numbered(5));
  await stream.untilTexts(5);
  await nodes.redis.kill();
  const refused = sendCarried(one, 'a', 'm6');
  await until('it is noticed', async () => !(await connected(two)));
  await nodes.redis.restart();
  await refused;
  await stream.wire.untilClosed();
  const back = await LineReader.open(two, `/stream/a?cursor=${stream.cursor}`);
  await until('it is told', () => back.lines.length > 0);
  t.equal(back.lines[0].recovered, false);
  await sendCarried(one, 'a', 'm7');
  await sendCarried(one, 'none/a', 'n1');
  await until('it goes on', () => back.texts.at(-1) === 'm7');
  await bare.untilTexts(1);
  t.notOk(bare.wire.closed, 'of an id without history there is nothing to come back with');
  await Promise.all([back.close(), bare.close()]);
});

t.test(
  'a node that was cut off gives its streams what they have missed, in order, and then what is new',
  async (t) => {
    const nodes = await nodesOf(t, 1);
    const way = await wayTo(t, nodes);
    const one = nodes.list[0]!;
    const two = await nodes.add([], way.redisUrl);
    const stream = await LineReader.open(two, '/stream/a');
    const both = await LineReader.open(two, '/stream?id=a&id=b');
    await publish(one, 'a', numbered(3));
    await stream.untilTexts(3);
    for (let round = 0; round < 3; round++) {
      const before = stream.texts.length;
      way.cut();
      await until('it is noticed', async () => !(await connected(two)));
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

t.test('a poll that waits is answered with what its node has missed, and a cursor behind that', async (t) => {
  const nodes = await nodesOf(t, 1);
  const way = await wayTo(t, nodes);
  const one = nodes.list[0]!;
  const two = await nodes.add([], way.redisUrl);
  for (let round = 0; round < 5; round++) {
    const id = `waits/${round}`;
    const waiting = poll(two.port, `poll/${id}?timeout=30`);
    await until('it waits', async () => (await two.stats()).router.logins === 1);
    way.cut();
    await until('it is noticed', async () => !(await connected(two)));
    for (const text of numbered(3)) await publish(one, id, [text]);
    way.giveBack();
    const { texts, cursor } = await waiting;
    await until('it is back', async () => connected(two));
    const rest = await poll(two.port, `poll/${id}?cursor=${cursor}&timeout=0`);
    t.same([...texts, ...rest.texts], numbered(3));
  }
});

t.test(
  'a gap after a node comes back is told to the subscribers of its ids, before the remaining messages',
  async (t) => {
    const nodes = await nodesOf(t, 1);
    const way = await wayTo(t, nodes);
    const one = nodes.list[0]!;
    const two = await nodes.add([], way.redisUrl);
    const [brief, busy, quiet] = [
      await LineReader.open(two, '/stream/brief/x'),
      await LineReader.open(two, '/stream/busy'),
      await LineReader.open(two, '/stream/quiet'),
    ];
    const cursor = await cursorNow(two.port, '/brief/x');
    const waiting = poll(two.port, 'poll/brief/x?timeout=60').catch((error: Error) => error);
    await publish(one, 'quiet', ['q1']);
    await quiet.untilTexts(1);
    await until('the poll waits', async () => (await two.stats()).router.logins === 4);
    way.cut();
    await until('it is noticed', async () => !(await connected(two)));
    await publish(one, 'brief/x', numbered(10));
    await publish(one, 'busy', numbered(101));
    await publish(one, 'quiet', numbered(99));
    const gone = async () => (await poll(one.port, 'poll/brief/x?since=oldest&timeout=0')).texts.length === 0;
    await until('it is too old', gone, 20_000);
    await publish(one, 'brief/x', ['m11']);
    way.giveBack();
    for (const stream of [brief, busy]) {
      await stream.wire.untilClosed();
      t.same(stream.texts, [], 'it has got nothing from behind the gap');
    }
    t.ok((await waiting) instanceof Error, 'a poll that waits is cut, too');
    await quiet.untilTexts(100);
    t.same(quiet.texts, ['q1', ...numbered(99)]);
    t.notOk(quiet.wire.closed);
    t.match(two.log, /gap/);
    const back = await LineReader.open(two, `/stream/brief/x?cursor=${cursor}`);
    await back.untilTexts(1);
    t.same([back.lines[0].recovered, back.texts], [false, ['m11']]);
  },
);

t.test('a resume while Redis is away waits for it, or is told after 5 s', async (t) => {
  const nodes = await nodesOf(t, 1);
  const one = nodes.list[0]!;
  const way = await wayTo(t, nodes);
  const two = await nodes.add([], way.redisUrl);
  const start = await cursorNow(two.port, '/a');
  await publish(one, 'a', numbered(3));
  way.cut();
  await until('it is noticed', async () => !(await connected(two)));
  const resumed = poll(two.port, `poll/a?cursor=${start}&timeout=0`);
  await pause(200);
  way.giveBack();
  const { recovered, texts } = await resumed;
  t.same([recovered, texts], [true, numbered(3)]);
  way.cut();
  await until('it is noticed', async () => !(await connected(two)));
  const beganMs = performance.now();
  const told = await poll(two.port, `poll/a?cursor=${start}&timeout=0`);
  t.equal(told.wire.header('Encke-Recovered'), 'false');
  t.ok(performance.now() - beganMs > 4_000, 'it has waited');
  const nothing = await LineReader.open(two, '/stream/a');
  t.equal(nothing.wire.status, 200, 'who asks for nothing that was is not kept waiting');
  t.ok(performance.now() - beganMs < 9_000);
});

t.test('a SUBSCRIBE right after a poll of the same id gets nothing old as new', async (t) => {
  const nodes = await nodesOf(t, 2);
  const [one, two] = nodes.list as [GatewayProcess, GatewayProcess];
  for (let n = 0; n < 30; n++) {
    const id = `poll/${n}`;
    const cursor = await cursorNow(two.port, `/${id}`);
    await publish(one, id, numbered(5));
    const { client, got, old } = await (async () => {
      const polled = poll(two.port, `poll/${id}?cursor=${cursor}&timeout=0`);
      const subscribed = pause(n * 1.3).then(() => mqttClient(t, two, id, 1));
      t.same((await polled).texts, numbered(5));
      return subscribed;
    })();
    await publish(one, id, ['m6']);
    await until('the new one is there', () => got.includes('m6'));
    t.same([got, old], [['m6'], []]);
    await client.endAsync();
  }
});

/** ENCKE_TEST_PAUSE_SEC=20 for longer. */
const pausedSec = Number(process.env.ENCKE_TEST_PAUSE_SEC ?? 5);
delete process.env.ENCKE_TEST_PAUSE_SEC; // nodes refuse what they do not know

for (const [what, options] of [
  ['and what Redis holds for it meanwhile is enough', {}],
  ['and Redis ends its connection', { configuration: 'client-output-buffer-limit pubsub 64kb 0 0' }],
] as const) {
  t.test(`a node stands still for ${pausedSec} s, ${what}: MQTT subscribers lose nothing`, async (t) => {
    const nodes = await nodesOf(t, 2, options);
    const [one, two] = nodes.list as [GatewayProcess, GatewayProcess];
    const exact = await mqttClient(t, two, 'room/1', 1, { keepalive: 60 });
    const all = await mqttClient(t, two, 'room/+', 2, { keepalive: 60 });
    two.child.kill('SIGSTOP');
    const sent: string[] = [];
    // A kernel holds some MB for a node that does not read.
    const filler = 'x'.repeat('configuration' in options ? 50_000 : 100);
    const endMs = performance.now() + pausedSec * 1_000;
    for (let n = 0; performance.now() < endMs; n++) {
      const text = `m${n} ${filler}`;
      await fetch(`${one.apiUrl}/send/room/${n % 20}?wait=0`, { method: 'POST', body: text });
      sent.push(text);
      await pause(25); // a queue takes 1,000
    }
    two.child.kill('SIGCONT');
    const isEnded = /overcoming of output buffer limits/.test(
      readFileSync(`${nodes.redis.directory}/log`, 'utf8'),
    );
    t.equal(isEnded, 'configuration' in options);
    await until('all have all', () => all.got.length >= sent.length, 20_000).catch(() => {});
    const numberOf = (text: string) => text.split(' ')[0]!;
    const inOrderOfId = (texts: string[]) =>
      texts.map(numberOf).sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)));
    t.equal(all.got.length, sent.length);
    t.same(inOrderOfId(all.got), sent.map(numberOf));
    t.same(
      exact.got.map(numberOf),
      sent.map(numberOf).filter((_, n) => n % 20 === 1),
    );
    t.comment(`${sent.length} messages`);
  });
}

t.test(
  'a node is killed while its SSE and MQTT clients come back together at another: nothing twice',
  async (t) => {
    const nodes = await nodesOf(t, 3);
    const [one, two, three] = nodes.list as [GatewayProcess, GatewayProcess, GatewayProcess];
    const ids = Array.from({ length: 5 }, (_, n) => `both/${n}`);
    const streams = await Promise.all(ids.map((id) => LineReader.open(two, `/stream/${id}`)));
    const clients = await Promise.all(ids.map((id) => mqttClient(t, two, id, 1, { clean: true })));
    let over = false;
    let sent = 0;
    const sending = (async () => {
      for (; !over; sent++) for (const id of ids) await sendCarried(one, id, `m${sent + 1}`);
    })();
    await until('some have come', () => streams.every(({ texts }) => texts.length > 10));
    await two.kill('SIGKILL');
    const again = await Promise.all(
      ids.map(async (id, n) => {
        const [stream, client] = await Promise.all([
          LineReader.open(three, `/stream/${id}?cursor=${streams[n]!.cursor}`),
          mqttClient(t, three, id, 1, { clean: true }),
        ]);
        return { stream, client };
      }),
    );
    await pause(500);
    over = true;
    await sending;
    for (const [n, { stream, client }] of again.entries()) {
      await until('both are at the end', () =>
        [stream.texts, client.got].every((texts) => texts.at(-1) === `m${sent}`),
      );
      t.equal(stream.lines[0].recovered, true);
      t.same([...streams[n]!.texts, ...stream.texts], numbered(sent));
      const first = Number(client.got[0]!.slice(1));
      t.same(client.got, numbered(sent - first + 1, first), 'from where it subscribed, each once');
      const before = clients[n]!.got;
      t.same(before, numbered(before.length));
      t.ok(first > before.length, 'nothing that it had already');
    }
  },
);
