import t, { type Test } from 'tap';
import { Router, Subscriber } from '../../../../router/index.js';
import type { Message } from '../../../../router/message.js';
import { friendsGraphContract } from '../../../contracts/friends-graph.js';
import { RedisServer } from '../../../redis-server.js';
import { until } from '../../../until.js';
import { textOf } from '../../inbox.js';
import { redisEngineAt } from './engine-parts.js';

const servers = await Promise.all([RedisServer.start(), RedisServer.start()]);
t.teardown(() => Promise.all(servers.map((server) => server.stop())));
const urls = servers.map(({ url }) => url);
let clusters = 0;

class Notes extends Subscriber {
  readonly notes: string[] = [];

  override deliver(message: Message) {
    this.notes.push(`${message.id} ${message.properties?.about ?? '-'} ${textOf(message)}`);
    return 'sent' as const;
  }
}

/** Starts nodes of one cluster. */
async function nodesAt(t: Test, count: number, at = urls, options = {}): Promise<Router[]> {
  const name = `graph${++clusters}`;
  const nodes: Router[] = [];
  for (let n = 0; n < count; n++) {
    const engine = redisEngineAt(at, { name, ...options });
    t.teardown(() => engine.stop());
    await engine.open();
    const router = new Router({ engine });
    await router.start();
    nodes.push(router);
  }
  return nodes;
}

async function loggedIn(router: Router, ...ids: string[]): Promise<Notes> {
  const subscriber = new Notes();
  for (const id of ids) router.subscribe(id, subscriber, 1);
  await new Promise<void>((resolve) => router.whenInterested(resolve));
  return subscriber;
}

async function follow(router: Router, subscribee: string, ...subscribers: string[]): Promise<void> {
  await router.friends.change(subscribers.map((subscriber) => ({ subscriber, subscribee, remove: false })));
}

for (const [name, at] of [
  ['redis', urls.slice(0, 1)],
  ['redis, two shards', urls],
] as const)
  friendsGraphContract(name, async (graphSubscriptionsMax) => {
    const [node] = await nodesAt(t as Test, 1, [...at], { graphSubscriptionsMax });
    return node!.friends;
  });

t.test('a send to followers reaches those of all nodes, each once, and counts them', async (t) => {
  const [one, other] = await nodesAt(t, 2);
  const names = Array.from({ length: 20 }, (_, n) => `f${n}`);
  await follow(one!, 'star', ...names, 'a', 'b');
  const here = await loggedIn(one!, 'f1', 'f2', 'x');
  const there = await loggedIn(other!, 'a', 'b', 'f3');
  const single = await loggedIn(other!, 'f4');
  const own = await loggedIn(other!, 'star', 'a');
  const filter = await loggedIn(one!, '#', 'f5');
  t.equal(await one!.sendToFollowers('star', 'Hello'), 5);
  t.equal(await other!.sendToFollowers('star', 'again'), 5);
  for (const { notes } of [here, there, single]) {
    t.equal(notes.length, 2, notes.join());
    t.match(notes[0], / star Hello$/);
  }
  t.same(single.notes, ['f4 star Hello', 'f4 star again']);
  t.same(own.notes, ['star - Hello', 'star - again'], 'the id itself comes first');
  t.same(filter.notes, ['star - Hello', 'star - again']);
  t.equal(await other!.sendToFollowers('nobody', 'x'), 1, 'a filter has it');
  t.match(one!.stats().graph, { sends: { underWay: 0, underWayBytes: 0, sent: 1, delivered: 5 } });
  await until('the edges are counted', () => one!.stats().graph.edges === 22);
  t.equal(one!.stats().graph.ids, 23);
});

t.test('an id with thousands of followers: in pages, in order, and none twice', async (t) => {
  const [one, other] = await nodesAt(t, 2);
  const names = Array.from({ length: 3_500 }, (_, n) => `fan/${n}`);
  await follow(one!, 'star', ...names);
  const fans: Notes[] = [];
  for (const n of [0, 1_200, 3_499]) fans.push(await loggedIn(other!, `fan/${n}`));
  const crowd = await loggedIn(one!, ...names.slice(2_000, 2_300));
  const counts = await Promise.all(['1', '2', '3'].map((text) => one!.sendToFollowers('star', text)));
  t.same(counts, [4, 4, 4]);
  for (const { notes } of [...fans, crowd])
    t.same(
      notes.map((note) => note.slice(-1)),
      ['1', '2', '3'],
    );
});

t.test('while Redis is away nothing is sent or changed, and each is told why', async (t) => {
  const server = await RedisServer.start({ appendonly: true });
  t.teardown(() => server.stop());
  const [node] = await nodesAt(t, 1, [server.url]);
  await follow(node!, 'star', 'a');
  const a = await loggedIn(node!, 'a');
  t.equal(await node!.sendToFollowers('star', 'before'), 1);
  await server.kill();
  await t.rejects(follow(node!, 'star', 'b'), /Redis at .* is away/);
  await t.rejects(node!.sendToFollowers('star', 'lost'), /Redis at .* is away/);
  await t.rejects(node!.friends.list('subscribers', 'star', 10, ''), /Redis at .* is away/);
  await server.restart();
  const succeeds = (call: Promise<unknown>) =>
    call.then(
      () => true,
      () => false,
    );
  await until('it is back', () => succeeds(follow(node!, 'star', 'b')));
  t.same((await node!.friends.list('subscribers', 'star', 10, ''))!.ids, ['a', 'b']);
  // Until the node has subscribed again, nobody is reached, and the count says so.
  await until('it carries messages again', async () => {
    const delivered = await node!.sendToFollowers('star', 'after').catch(() => 0);
    return delivered === 1;
  });
  t.same(a.notes, ['a star before', 'a star after']);
});
