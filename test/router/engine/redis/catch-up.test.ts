import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import type { Outcome } from '../../../../router/engine/engine.js';
import type { RedisEngine } from '../../../../router/engine/redis/engine.js';
import type { RedisEngineOptions } from '../../../../router/engine/redis/options.js';
import { HistoryRules } from '../../../../router/history/history-rules.js';
import { Message, matches } from '../../../../router/index.js';
import { CuttableWay } from '../../../cuttable-way.js';
import { RedisServer } from '../../../redis-server.js';
import { SeededRandom } from '../../../seeded-random.js';
import { until } from '../../../until.js';
import { redisEngineAt } from './engine-parts.js';

/** A node reads the messages that it missed without a connection before it goes on. */

/** A thousand take four minutes. */
const cuts = Number(process.env.ENCKE_TEST_CUTS ?? 40);
const seed = Number(process.env.ENCKE_TEST_SEED ?? Date.now() % 1e9);

const rules = new HistoryRules([
  { filter: 'none/#', messages: 0, ageSec: 0 },
  { filter: 'short/#', messages: 5, ageSec: 60 },
  { filter: '#', messages: 2_000, ageSec: 60 },
]);

let clusters = 0;

/** A node: an engine, and in the place of a router what it has handed out, by id. */
class Node {
  readonly engine: RedisEngine;
  readonly got = new Map<string, string[]>();
  readonly filters: string[] = [];
  readonly events: string[] = [];
  /** Ids of which it was told that something is missing. */
  readonly gaps = new Set<string>();
  received = 0;
  onMessage: () => void = () => {};

  private constructor(url: string, options: Partial<RedisEngineOptions>) {
    this.engine = redisEngineAt([url], {
      ...options,
      rules,
      onEvent: (event, detail) => this.events.push(`${event} ${detail}`),
      onGap: async (concerns) => {
        for (const filter of this.filters) if (concerns(filter)) this.gaps.add(filter);
      },
    });
  }

  static async start(t: Test, url: string, name: string, ...filters: string[]): Promise<Node> {
    return Node.startWith(t, url, { name }, ...filters);
  }

  static async startWith(
    t: Test,
    url: string,
    options: Partial<RedisEngineOptions>,
    ...filters: string[]
  ): Promise<Node> {
    const node = new Node(url, options);
    t.teardown(() => node.engine.stop());
    await node.engine.open();
    await node.engine.start(({ id, payload }) => {
      if (!node.filters.some((filter) => matches(filter, id))) return 0;
      node.received++;
      if (!node.got.has(id)) node.got.set(id, []);
      node.got.get(id)!.push(Buffer.from(payload).toString());
      node.onMessage();
      return 1;
    });
    await node.add(...filters);
    return node;
  }

  async add(...filters: string[]): Promise<void> {
    for (const filter of filters) {
      this.filters.push(filter);
      this.engine.addInterest(filter);
    }
    await new Promise<void>((resolve) => this.engine.whenInterested(resolve));
  }

  /** @returns whether it is in Redis */
  publish(id: string, text: string): Promise<boolean> {
    const message = new Message(id, Buffer.from(text), 0);
    return new Promise((resolve) => {
      this.engine.publish(message, { onOutcome: ({ carried }) => resolve(carried === 'yes') });
    });
  }

  /** Has it again what the server has published. */
  untilBack(): Promise<void> {
    return until('the node is back', () => this.engine.stats().connected);
  }

  textsOf(id: string): string[] {
    return this.got.get(id) ?? [];
  }
}

async function serverOf(t: Test, options = {}): Promise<{ server: RedisServer; name: string }> {
  const server = await RedisServer.start(options);
  t.teardown(() => server.stop());
  return { server, name: `test${++clusters}` };
}

async function wayTo(t: Test, server: RedisServer): Promise<CuttableWay> {
  const way = await CuttableWay.start(server.port);
  t.teardown(() => way.stop());
  return way;
}

t.test(`cut ${cuts} times while two nodes publish, it has each message once and in order`, async (t) => {
  t.comment(`seed ${seed}`);
  t.setTimeout(60_000 + cuts * 1_000);
  const random = new SeededRandom(seed);
  const { server, name } = await serverOf(t);
  const way = await wayTo(t, server);
  const ids = Array.from({ length: 20 }, (_, n) => (n < 10 ? `own/${n}` : `room/${n}/chat`));
  const interests = [...ids.slice(0, 12), 'room/+/chat'];
  const one = await Node.start(t, server.url, name, ...interests);
  const two = await Node.start(t, server.url, name);
  const cut = await Node.start(t, way.redisUrl, name, ...interests);
  let over = false;
  let sent = 0;
  const publishers = [one, two].map(async (node, n) => {
    for (let i = 0; !over; i++) {
      const id = ids[random.below(ids.length)]!;
      if (await node.publish(id, `${n}.${i}`)) sent++;
      if (random.below(4) === 0) await new Promise((resolve) => setTimeout(resolve, random.below(6)));
    }
  });
  for (let n = 0; n < cuts; n++) {
    await new Promise((resolve) => setTimeout(resolve, random.below(40)));
    way.cut();
    await new Promise((resolve) => setTimeout(resolve, random.below(60)));
    way.giveBack();
    if (random.below(3) > 0) await cut.untilBack(); // else it is cut while it comes back
  }
  over = true;
  await Promise.all(publishers);
  await until('it has all', () => cut.received >= sent, 10_000).catch(() => {});
  for (const id of ids) t.same(cut.textsOf(id), one.textsOf(id), id);
  t.equal(one.received, sent);
  t.same([...cut.gaps], []);
  t.equal(cut.engine.stats().uncovered, 0);
});

/** A node behind a way that can be cut, and one that publishes; both have subscribed to the filters. */
async function pairOf(t: Test, filters: readonly string[], options = {}) {
  const { server, name } = await serverOf(t, options);
  const way = await wayTo(t, server);
  const near = await Node.start(t, server.url, name, ...filters);
  const far = await Node.start(t, way.redisUrl, name, ...filters);
  return { server, way, near, far };
}

async function publishAll(node: Node, id: string, count: number, first = 0): Promise<void> {
  const all = Array.from({ length: count }, (_, n) => node.publish(id, `${first + n}`));
  if ((await Promise.all(all)).includes(false)) throw new Error('a message was refused');
}

const numbers = (count: number, first = 0) => Array.from({ length: count }, (_, n) => `${first + n}`);

const cutOff = async (way: CuttableWay, node: Node) => {
  way.cut();
  await until('it is noticed', () => !node.engine.stats().connected);
};

t.test('a subscriber that comes while the server is away gets no older messages', async (t) => {
  const { way, near, far } = await pairOf(t, ['old']);
  await near.add('new');
  await cutOff(way, far);
  await publishAll(near, 'old', 3);
  await publishAll(near, 'new', 3);
  await new Promise((resolve) => setTimeout(resolve, 20)); // places are milliseconds apart
  const added = far.add('new');
  await new Promise((resolve) => setTimeout(resolve, 20));
  await publishAll(near, 'new', 3, 3);
  way.giveBack();
  await Promise.all([added, far.untilBack()]);
  t.same([far.textsOf('old'), far.textsOf('new')], [numbers(3), numbers(3, 3)]);
  await publishAll(near, 'new', 1, 6);
  await until('it goes on', () => far.textsOf('new').length === 4);
});

t.test('a gap in history is told before the remaining messages of its id, and for no other id', async (t) => {
  const { way, near, far } = await pairOf(t, ['short/a', 'short/b', 'long']);
  await cutOff(way, far);
  await publishAll(near, 'short/a', 6);
  await publishAll(near, 'short/b', 5);
  await publishAll(near, 'long', 1_500);
  way.giveBack();
  await far.untilBack();
  t.same([...far.gaps], ['short/a']);
  t.same(far.textsOf('short/a'), numbers(5, 1));
  t.same(far.textsOf('short/b'), numbers(5));
  t.same(far.textsOf('long'), numbers(1_500));
});

t.test('of ids without history it is counted that something may be missing', async (t) => {
  const { way, near, far } = await pairOf(t, ['none/a', 'none/b', 'long']);
  await cutOff(way, far);
  await publishAll(near, 'none/a', 3);
  way.giveBack();
  await far.untilBack();
  t.same([far.textsOf('none/a'), far.engine.stats().uncovered], [[], 2]);
  await publishAll(near, 'none/a', 1);
  await until('it goes on', () => far.textsOf('none/a').length === 1);
});

t.test('filters get what was missed of ids that nobody here had heard of', async (t) => {
  const { way, near, far } = await pairOf(t, ['a/+/c', 'b/#', '+/x']);
  await cutOff(way, far);
  const ids = ['a/1/c', 'a/2/c', 'a/2/d', 'b', 'b/1/2/3', 'c/x', '$c/x', 'c/y'];
  for (const id of ids) await publishAll(near, id, 3);
  way.giveBack();
  await far.untilBack();
  for (const id of ids) t.same(far.textsOf(id), near.textsOf(id), id);
  t.same([near.textsOf('b').length, far.textsOf('$c/x').length], [3, 0]);
  t.equal(far.engine.stats().uncovered, 0);
});

t.test('a server that ends a connection that reads too slowly takes nothing from its node', async (t) => {
  const { server, near, far } = await pairOf(t, ['big', 'small'], {
    configuration: 'client-output-buffer-limit pubsub 100kb 0 0',
  });
  for (let n = 0; n < 5; n++) {
    await near.publish('big', `${n}${'x'.repeat(200_000)}`);
    await near.publish('small', `${n}`);
  }
  await until('both have all', () => [near, far].every(({ received }) => received >= 10));
  for (const node of [near, far]) {
    t.same(node.textsOf('small'), numbers(5));
    t.same(
      node.textsOf('big').map((text) => text[0]),
      numbers(5),
    );
    t.ok(node.events.some((event) => event.startsWith('lost')));
  }
  t.match(readFileSync(`${server.directory}/log`, 'utf8'), /overcoming of output buffer limits/);
});

t.test('more than is held while it catches up is read, too', async (t) => {
  const { server, name } = await serverOf(t);
  const way = await wayTo(t, server);
  const near = await Node.start(t, server.url, name, 'a');
  const far = await Node.startWith(t, way.redisUrl, { name, heldBytesMax: 2_000 }, 'a', 'none/a');
  const rounds = 10;
  for (let round = 0; round < rounds; round++) {
    await cutOff(way, far);
    await publishAll(near, 'a', 200, round * 400);
    way.giveBack();
    let isBack = false;
    const back = far.untilBack().then(() => {
      isBack = true;
    });
    let sent = round * 400 + 200;
    while (!isBack || sent < (round + 1) * 400) {
      await publishAll(near, 'none/a', 5);
      if (sent < (round + 1) * 400) await publishAll(near, 'a', 5, sent);
      sent += 5;
    }
    await back;
  }
  await until('it has all', () => far.textsOf('a').length >= rounds * 400);
  t.same(far.textsOf('a'), numbers(rounds * 400));
  t.ok(far.engine.stats().uncovered > rounds, 'of an id without history what is not held is lost');
});

t.test(
  'a server that was killed and comes back with its data: all is told, and what it had is given',
  async (t) => {
    const { server, way, near, far } = await pairOf(t, ['a', 'room/+'], { appendonly: true });
    await publishAll(near, 'a', 3);
    await cutOff(way, far);
    await publishAll(near, 'a', 3, 3);
    await publishAll(near, 'room/1', 3);
    await new Promise((resolve) => setTimeout(resolve, 1_100)); // it is flushed every second
    await server.restart();
    way.giveBack();
    await Promise.all([near.untilBack(), far.untilBack()]);
    t.same([far.textsOf('a'), far.textsOf('room/1')], [numbers(6), numbers(3)]);
    for (const node of [near, far]) t.ok(node.gaps.has('a'));
    await publishAll(near, 'a', 3, 6);
    await until('it goes on', () => far.textsOf('a').length === 9);
    t.same([near.textsOf('a'), far.textsOf('a')], [numbers(9), numbers(9)]);
  },
);

t.test('a server that comes back empty: all is told, and goes on', async (t) => {
  const { server, near, far } = await pairOf(t, ['a']);
  await publishAll(near, 'a', 3);
  await until('it has come', () => far.textsOf('a').length === 3);
  await server.restartEmpty();
  await Promise.all([near.untilBack(), far.untilBack()]);
  for (const node of [near, far]) t.ok(node.gaps.has('a'));
  await publishAll(near, 'a', 3, 3);
  await until('it goes on', () => far.textsOf('a').length === 6);
  t.same([near.textsOf('a'), far.textsOf('a')], [numbers(6), numbers(6)]);
});

t.test('a replica takes over: what it has is given, and the gap is told', async (t) => {
  const { server, name } = await serverOf(t);
  const replica = await RedisServer.start({ replicaOf: server });
  t.teardown(() => replica.stop());
  const ways = [await wayTo(t, server), await wayTo(t, server)];
  const near = await Node.start(t, ways[0]!.redisUrl, name, 'a');
  const far = await Node.start(t, ways[1]!.redisUrl, name, 'a');
  await publishAll(near, 'a', 3);
  await until('it has come', () => far.textsOf('a').length === 3);
  await cutOff(ways[1]!, far);
  await publishAll(near, 'a', 3, 3);
  await server.client().call('WAIT', 1, 5_000);
  await server.kill();
  await replica.client().call('REPLICAOF', 'NO', 'ONE');
  for (const way of ways) {
    way.targetPort = replica.port;
    way.giveBack();
  }
  await Promise.all([near.untilBack(), far.untilBack()]);
  await publishAll(far, 'a', 3, 6);
  await until('it has come', () => near.textsOf('a').length === 9 && far.textsOf('a').length === 9);
  for (const node of [near, far]) {
    t.same(node.textsOf('a'), numbers(9));
    t.ok(node.gaps.has('a'));
  }
});

t.test('messages that a node takes while it catches up are counted and waited for', async (t) => {
  const { server, name } = await serverOf(t);
  const way = await wayTo(t, server);
  const one = await Node.start(t, server.url, name);
  const cut = await Node.start(t, way.redisUrl, name, 'own', 'other');
  way.cut();
  await until('it is noticed', () => !cut.engine.stats().connected);
  const missed = Array.from({ length: 800 }, (_, n) => `${n} ${'x'.repeat(1_000)}`); // several pieces
  for (const text of missed) one.publish('own', text);
  t.ok(await one.publish('own', 'last'));
  const counted = (id: string) =>
    new Promise<Outcome>((resolve) => {
      one.engine.publish(new Message(id, Buffer.from('counted'), 0), { onOutcome: resolve, count: true });
    });
  const outcomes: Promise<Outcome>[] = [];
  cut.onMessage = () => {
    if (outcomes.length > 0) return;
    t.notOk(cut.engine.stats().connected, 'it is not back yet');
    outcomes.push(counted('own'), counted('other'), counted('own'));
  };
  way.giveBack();
  await cut.untilBack();
  for (const outcome of await Promise.all(outcomes))
    t.strictSame(outcome, { delivered: 1, unanswered: 0, carried: 'yes' });
  t.equal(outcomes.length, 3);
  t.strictSame(cut.textsOf('own'), [...missed, 'last', 'counted', 'counted']);
  t.strictSame(cut.textsOf('other'), ['counted']);
});
