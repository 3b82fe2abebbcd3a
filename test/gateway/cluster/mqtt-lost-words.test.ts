import t, { type Test } from 'tap';
import type { Channel } from '../../../gateway/mqtt/channel.js';
import { ClientClaims, type ClientClaimsParts } from '../../../gateway/mqtt/client-claims.js';
import type { RedisEngine } from '../../../router/engine/redis/engine.js';
import { keptTerms, Router, Sessions } from '../../../router/index.js';
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
  /** Client ids of sessions of which messages were lost. */
  readonly lost: unknown[];
}

async function threeNodes(t: Test): Promise<[Node, Node, Node]> {
  const redis = await RedisServer.start();
  const nodes = await Promise.all(['O', 'N', 'M'].map((name) => startNode(redis.url, name)));
  t.teardown(async () => {
    for (const { engine } of nodes) await engine.stop();
    await redis.stop();
  });
  await until('they know each other', () =>
    nodes.every(({ engine }) => engine.cluster.peers.length === nodes.length - 1),
  );
  return nodes as [Node, Node, Node];
}

async function startNode(url: string, name: string): Promise<Node> {
  const engine = redisEngineAt([url], { node: { name, group: '', role: 'both' } });
  await engine.open();
  const router = new Router({ engine });
  const sessions = new Sessions(router, { onEnd: (clientId) => engine.clients.release(clientId) });
  const lost: unknown[] = [];
  const claims = new ClientClaims({
    ...{ router, sessions },
    pendingQos2: { whenNone: (_session: Session, ready: () => void) => ready() },
    log: { warn: (_kind: string, about: object) => lost.push(about) },
  } as unknown as ClientClaimsParts);
  await router.start();
  return { engine, router, sessions, claims, lost };
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
    if (this.session !== undefined || claims.waits(this.#channel, this.clientId, false)) return;
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

/** Leaves a session there that has subscribed to news/x. */
async function leaveSession(node: Node): Promise<void> {
  const client = new Client(node, 'x');
  await until('CONNACK', () => client.session !== undefined);
  node.router.subscribe('news/x', client.session!, 1);
  client.leave();
}

function filtersAt({ router, sessions }: Node): string[] | undefined {
  const session = sessions.find('x');
  return session && router.subscriptionsOf(session).map(({ filter }) => filter);
}

/** @param hears given each word of that letter; whether it is heard now */
function onWord({ engine }: Node, letter: string, take: (hear: () => void) => void): void {
  const { cluster } = engine;
  const hear = cluster.hear.bind(cluster);
  cluster.hear = (word, shard) => {
    const copy = Buffer.from(word);
    if (copy[0] === letter.charCodeAt(0)) take(() => hear(copy, shard));
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

t.test('what is in a session is never heard: a node that stops waits for that 20 s at most', async (t) => {
  const nodes = await threeNodes(t);
  await leaveSession(nodes[0]);
  for (const node of nodes) onWord(node, 'S', () => {});
  const startedMs = performance.now();
  t.match(await nodes[0].engine.clients.handOver(), { adopted: 0, lost: 1 });
  const ms = performance.now() - startedMs;
  t.ok(ms < 30_000, `${Math.round(ms)} ms`);
});
