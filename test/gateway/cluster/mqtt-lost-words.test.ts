import t, { type Test } from 'tap';
import type { Channel } from '../../../gateway/mqtt/channel.js';
import { ClientClaims, type ClientClaimsParts } from '../../../gateway/mqtt/client-claims.js';
import type { RedisEngine } from '../../../router/engine/redis/engine.js';
import { ShardError } from '../../../router/engine/redis/errors.js';
import { Shard } from '../../../router/engine/redis/shard.js';
import { keptTerms, Message, Router, Sessions } from '../../../router/index.js';
import type { Session } from '../../../router/session/session.js';
import { RedisServer } from '../../redis-server.js';
import { redisEngineAt } from '../../router/engine/redis/engine-parts.js';
import { until } from '../../until.js';

/** Sessions that move between nodes whose words come late or not at all; the nodes are in this process. */

interface Node {
  readonly engine: RedisEngine;
  readonly router: Router;
  readonly sessions: Sessions;
  readonly claims: ClientClaims;
  /** Log lines about sessions, kinds first. */
  readonly told: unknown[][];
}

/** @param levelsMax of the second node: what filters it takes */
async function threeNodes(t: Test, levelsMax = 128): Promise<[Node, Node, Node]> {
  const redis = await RedisServer.start();
  const nodes = await Promise.all(
    ['O', 'N', 'M'].map((name) => startNode(redis.url, name, name === 'N' ? levelsMax : 128)),
  );
  t.teardown(async () => {
    for (const { engine } of nodes) await engine.stop();
    await redis.stop();
  });
  await until('they know each other', () =>
    nodes.every(({ engine }) => engine.cluster.peers.length === nodes.length - 1),
  );
  return nodes as [Node, Node, Node];
}

async function startNode(url: string, name: string, topicLevelsMax: number): Promise<Node> {
  const engine = redisEngineAt([url], { node: { name, group: '', role: 'both' } });
  await engine.open();
  const router = new Router({ engine, topicLevelsMax });
  const sessions = new Sessions(router, { onEnd: (clientId) => engine.clients.release(clientId) });
  const told: unknown[][] = [];
  const claims = new ClientClaims({
    ...{ router, sessions },
    owners: { userOf: () => ({ key: '', isSuperuser: true }) },
    pendingQos2: { whenNone: (_session: Session, ready: () => void) => ready() },
    log: { warn: (...line: unknown[]) => told.push(line) },
  } as unknown as ClientClaimsParts);
  await router.start();
  return { engine, router, sessions, claims, told };
}

/** A client with clean session 0, from its CONNECT on. */
class Client {
  readonly node: Node;
  readonly clientId: string;
  isReading = true;
  session: Session | undefined;
  present: boolean | undefined;
  #isGone = false;

  constructor(node: Node, clientId: string) {
    this.node = node;
    this.clientId = clientId;
    this.goOn();
  }

  goOn(): void {
    const { claims, sessions } = this.node;
    const user = () => ({ key: '', isSuperuser: true });
    if (this.session !== undefined || claims.waits(this.#channel, this.clientId, false, user)) return;
    const opened = sessions.open(this.clientId, keptTerms, this.#channel);
    this.session = opened.session;
    this.present = opened.present;
    if (this.#isGone) this.#end();
  }

  /** Its connection breaks, now or once its CONNECT is answered. */
  leave(): void {
    this.finish();
  }

  finish(): boolean {
    if (this.#isGone) return false;
    this.#isGone = true;
    if (this.session !== undefined) this.#end();
    return true;
  }

  takenOver(): void {
    this.isReading = false;
  }

  get #channel(): Channel {
    return this as unknown as Channel;
  }

  #end(): void {
    this.isReading = false;
    this.node.sessions.detach(this.session!);
    setImmediate(() => this.node.claims.release(this.#channel));
  }
}

/** Leaves a session there that has subscribed to news/x, or another filter. */
async function leaveSession(node: Node, clientId = 'x', filter = 'news/x'): Promise<void> {
  const client = new Client(node, clientId);
  await until('CONNACK', () => client.session !== undefined);
  node.router.subscribe(filter, client.session!, 1);
  await new Promise<void>((resolve) => node.router.whenInterested(resolve));
  client.leave();
}

/** A message waits for a client that has left. */
async function leaveMessage({ router, sessions }: Node, clientId: string, id: string): Promise<void> {
  router.publish(new Message(id, Buffer.from('x'), Date.now(), 1));
  await until('it waits', () => sessions.find(clientId)!.pending.queued === 1);
}

const waitingAt = ({ sessions }: Node, clientId: string): number | undefined => {
  const pending = sessions.find(clientId)?.pending;
  return pending && pending.inflight + pending.queued;
};

function filtersAt({ router, sessions }: Node, clientId = 'x'): string[] | undefined {
  const session = sessions.find(clientId);
  return session && router.subscriptionsOf(session).map(({ filter }) => filter);
}

/** @param take given each word of that letter; it is heard when `hear` is called */
function onWord({ engine }: Node, letter: string, take: (hear: () => void, word: Buffer) => void): void {
  const { cluster } = engine;
  const hear = cluster.hear.bind(cluster);
  cluster.hear = (word, shard) => {
    const copy = Buffer.from(word);
    if (copy[0] === letter.charCodeAt(0)) take(() => hear(copy, shard), copy);
    else hear(word, shard);
  };
}

const isQuiet = ({ engine }: Node) => {
  const { waiting, departing, arriving } = engine.clients.stats();
  return waiting + departing + arriving === 0;
};

for (const back of [false, true])
  t.test(
    `a client goes on to ${back ? 'its first' : 'a third'} node before its session has come: it keeps its subscriptions`,
    async (t) => {
      const nodes = await threeNodes(t);
      const [first, second, third] = nodes;
      await leaveSession(first);
      // The first node is asked, and is busy.
      const held: (() => void)[] = [];
      let isHeld = true;
      onWord(first, 'W', (hear) => (isHeld ? held.push(hear) : hear()));
      const given = new Client(second, 'x');
      await until('the first node is asked', () => held.length > 0);
      given.leave();
      let isAsked = false;
      onWord(second, 'W', (hear) => {
        hear();
        isAsked = true;
      });
      const last = new Client(back ? first : third, 'x');
      await until('the second node is asked', () => isAsked);
      isHeld = false;
      for (const hear of held) hear();
      await until('CONNACK', () => last.session !== undefined);
      t.equal(last.present, true);
      t.same(filtersAt(last.node), ['news/x']);
      await until('nothing is on its way', () => nodes.every(isQuiet));
      t.same(filtersAt(last.node), ['news/x'], 'nor later');
      for (const node of nodes) if (node !== last.node) t.equal(node.sessions.find('x'), undefined);
    },
  );

for (const [who, at] of [
  ['old', 0],
  ['new', 1],
] as const) {
  t.test(`the ${who} node does not hear a mark: the session is offered again, and comes`, async (t) => {
    const nodes = await threeNodes(t);
    await leaveSession(nodes[0]);
    let lost = 0;
    onWord(nodes[at], 'M', (hear) => (lost++ === 0 ? undefined : hear()));
    const client = new Client(nodes[1], 'x');
    await until('CONNACK', () => client.session !== undefined);
    t.ok(lost > 1, 'it was marked again');
    t.equal(client.present, true);
    t.same(filtersAt(nodes[1]), ['news/x']);
    await until('it has left the old node', () => nodes.every(isQuiet));
    t.equal(nodes[0].sessions.find('x'), undefined);
  });

  t.test(`the ${who} node does not hear a mark while the old one stops: it is given away`, async (t) => {
    const nodes = await threeNodes(t);
    await leaveSession(nodes[0]);
    let lost = 0;
    for (const node of at === 0 ? [nodes[0]] : nodes.slice(1))
      onWord(node, 'M', (hear) => (lost++ === 0 ? undefined : hear()));
    t.match(await nodes[0].engine.clients.handOver(), { adopted: 1, lost: 0 });
    t.ok(lost > 1, 'it was marked again');
  });
}

t.test('the old node alone hears a mark, as a connection breaks: nothing behind it is lost', async (t) => {
  const nodes = await threeNodes(t);
  const [first, second, third] = nodes;
  await leaveSession(first);
  const heard = [0, 0];
  onWord(first, 'M', (hear) => {
    heard[0]!++;
    hear();
  });
  onWord(second, 'M', (hear) => (heard[1]!++ === 0 ? undefined : hear()));
  const { call } = Shard.prototype;
  t.teardown(() => Object.assign(Shard.prototype, { call }));
  let marks = 0;
  Shard.prototype.call = async function (name, args) {
    const reply = await call.apply(this, [name, args]);
    if (name !== 'mark' || marks++ > 0) return reply;
    await until('it is heard', () => heard.every((times) => times > 0));
    const message = new Message('news/x', Buffer.from('between'), Date.now(), 1);
    await new Promise((onOutcome) => third.engine.publish(message, { onOutcome }));
    await until('the old node keeps it', () => first.sessions.stats().bytes > 0);
    throw new ShardError('away', 'The connection has ended.');
  };
  const client = new Client(second, 'x');
  await until('CONNACK', () => client.session !== undefined);
  t.ok(marks > 1, 'it was marked again');
  t.equal(client.present, true);
  await until('nothing is on its way', () => nodes.every(isQuiet));
  t.equal(waitingAt(second, 'x'), 1);
});

t.test('what is in a session is never heard: a node that stops waits for that 20 s at most', async (t) => {
  const nodes = await threeNodes(t);
  await leaveSession(nodes[0]);
  for (const node of nodes) onWord(node, 'S', () => {});
  const startedMs = performance.now();
  t.match(await nodes[0].engine.clients.handOver(), { adopted: 0, lost: 1 });
  const ms = performance.now() - startedMs;
  t.ok(ms < 30_000, `${Math.round(ms)} ms`);
});

t.test(
  'a node does not take the filters of a session: its client hears so, and its messages come',
  async (t) => {
    const nodes = await threeNodes(t, 1);
    const [first, second] = nodes;
    await leaveSession(first);
    await leaveMessage(first, 'x', 'news/x');
    const client = new Client(second, 'x');
    await until('CONNACK', () => client.session !== undefined);
    t.equal(client.present, false, 'its subscriptions are not there');
    await until('the old node has it no longer', () => first.sessions.find('x') === undefined);
    await until('nothing is on its way', () => nodes.every(isQuiet));
    t.same(filtersAt(second), []);
    t.equal(waitingAt(second, 'x'), 1);
    t.same(first.told, [], 'nothing is lost');
  },
);

t.test('a node does not take the filters of a session that is given away: the next one does', async (t) => {
  const [first, second, third] = await threeNodes(t, 1);
  for (const clientId of ['x', 'y']) await leaveSession(first, clientId, 'news/x');
  t.match(await first.engine.clients.handOver(), { adopted: 2, lost: 0 });
  t.equal(second.sessions.stats().sessions, 0);
  for (const clientId of ['x', 'y']) t.same(filtersAt(third, clientId), ['news/x']);
});

t.test('a refusal is lost: it comes again, and what waits in that session is not lost', async (t) => {
  const nodes = await threeNodes(t, 1);
  const [first, second] = nodes;
  await leaveSession(first, 'x', 'news');
  await leaveSession(first, 'y', 'news/y');
  await leaveMessage(first, 'y', 'news/y');
  let lost = 0;
  onWord(first, 'D', (hear) => (lost++ === 0 ? undefined : hear()));
  const clients = ['x', 'y'].map((clientId) => new Client(second, clientId));
  await until('both go on', () => clients.every(({ session }) => session !== undefined));
  await until('the old node has none', () => first.sessions.stats().sessions === 0);
  await until('nothing is on its way', () => nodes.every(isQuiet));
  t.ok(lost > 0, 'a refusal was lost');
  t.same(filtersAt(second, 'x'), ['news']);
  t.equal(waitingAt(second, 'y'), 1, 'its message has come');
  t.same(first.told, []);
});

t.test(
  'a node cannot read an offer: it comes less and less often, an operator is told, and it waits',
  async (t) => {
    const nodes = await threeNodes(t);
    const [first, second] = nodes;
    await leaveSession(first);
    await leaveMessage(first, 'x', 'news/x');
    const offeredMs: number[] = [];
    let isReadable = false;
    onWord(second, 'O', (hear, word) => {
      offeredMs.push(performance.now());
      // Behind letter, run, id of the move, server, kind and length of the parcel: the version of its bytes.
      if (!isReadable) word[1 + 16 + 24 + 1 + 5] = 9;
      hear();
    });
    const client = new Client(second, 'x');
    await until('CONNACK', () => client.session !== undefined, 20_000);
    t.equal(client.present, false);
    await until('it is offered a sixth time', () => offeredMs.length >= 6, 30_000);
    const ms = offeredMs[5]! - offeredMs[0]!;
    t.ok(ms > 3_000, `the sixth comes ${Math.round(ms)} ms behind the first`);
    t.match(
      first.told,
      [['session-kept', { clientId: 'x', node: 'N', messages: 1 }, /same version/]],
      'once',
    );
    isReadable = true;
    await until('its message has come', () => waitingAt(second, 'x') === 1, 30_000);
    await until('the old node has none', () => first.sessions.stats().sessions === 0);
  },
);
