import pino from 'pino';
import t from 'tap';
import { ConnectStamps } from '../../../gateway/mqtt/connect-stamps.js';
import { decodeBatch, encodeBatches } from '../../../gateway/mqtt/takeover-batch.js';
import { Takeovers } from '../../../gateway/mqtt/takeovers.js';
import { SampledLog } from '../../../gateway/sampled-log.js';
import type { Cluster, ClusterNode } from '../../../router/engine/cluster.js';
import { Router } from '../../../router/router.js';
import type { SessionConnection } from '../../../router/session/session-connection.js';
import { Sessions } from '../../../router/session/sessions.js';
import { oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';

oneProcessFile('a part by itself, without a server; mqtt-takeover.test.ts has it on two nodes');

/** Who keeps a client id that has connected to two nodes, at whatever time and by whatever clocks. */

type Listener = (body: Uint8Array, from: ClusterNode) => void;

/** Two nodes and what is said between them, handed on when the test says so. */
class Node {
  readonly said: Uint8Array[] = [];
  readonly sessions: Sessions;
  readonly takeovers: Takeovers;
  carries = true;
  listener: Listener = () => undefined;
  readonly self: ClusterNode;

  constructor(run: number) {
    this.self = { run, name: `n${run}`, group: '', role: 'both', startedMs: 0 };
    const router = new Router();
    this.sessions = new Sessions(router);
    const cluster = {
      self: this.self,
      announce: (_topic: string, body: Uint8Array) => this.said.push(body),
      onAnnouncement: (_topic: string, listener: Listener) => {
        this.listener = listener;
      },
    } as unknown as Cluster;
    Object.defineProperties(router, {
      cluster: { value: cluster },
      carries: { get: () => this.carries },
    });
    const log = new SampledLog(pino({ level: 'silent' }));
    this.takeovers = new Takeovers({ router, sessions: this.sessions, log });
  }

  connect(clientId: string): void {
    const connection = { takenOver: () => undefined } as unknown as SessionConnection;
    this.sessions.open(clientId, false, connection);
    this.takeovers.connected(clientId);
  }

  hear(other: Node): void {
    for (const body of other.said.splice(0)) this.listener(body, other.self);
  }

  has(clientId: string): boolean {
    return this.sessions.find(clientId) !== undefined;
  }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

t.test('who connected later has it, by what each has heard, not by its clock', async (t) => {
  const [a, b] = [new Node(1), new Node(2)];
  const now = Date.now;
  t.teardown(() => {
    Date.now = now;
  });
  Date.now = () => now() + 3_600_000; // a's clock is an hour ahead
  a.connect('x');
  await turn();
  Date.now = now;
  b.hear(a);
  b.connect('x');
  await turn();
  a.hear(b);
  t.same([a.has('x'), b.has('x')], [false, true]);
});

t.test(
  'a clock that is an hour ahead costs a node that has not heard it one connection, and no more',
  async (t) => {
    const [a, b] = [new Node(1), new Node(2)];
    const now = Date.now;
    t.teardown(() => {
      Date.now = now;
    });
    Date.now = () => now() + 3_600_000;
    a.connect('x');
    Date.now = now;
    b.connect('x');
    await turn();
    a.hear(b);
    await turn();
    b.hear(a);
    t.same([a.has('x'), b.has('x')], [true, false]);
    b.connect('x');
    await turn();
    a.hear(b);
    t.same([a.has('x'), b.has('x')], [false, true]);
  },
);

t.test('of two that connected in the same moment the greater run has it', async (t) => {
  const now = Date.now;
  t.teardown(() => {
    Date.now = now;
  });
  Date.now = () => 1_700_000_000_000;
  for (const runs of [
    [1, 2],
    [2, 1],
  ] as const) {
    const [a, b] = runs.map((run) => new Node(run)) as [Node, Node];
    for (const node of [a, b]) node.connect('x');
    await turn();
    const [saidByA, saidByB] = [a.said.splice(0), b.said.splice(0)];
    for (const body of saidByB) a.listener(body, b.self);
    for (const body of saidByA) b.listener(body, a.self);
    t.same([a.has('x'), b.has('x')], [runs[0] === 2, runs[1] === 2]);
  }
});

t.test('what connected long ago gives way to whatever is announced', async (t) => {
  const [a, b] = [new Node(1), new Node(2)];
  const now = Date.now;
  t.teardown(() => {
    Date.now = now;
  });
  Date.now = () => now() + 3_600_000;
  a.connect('x');
  await turn();
  Date.now = now;
  for (const sec of [10, 20]) a.takeovers.tick(sec);
  b.connect('x'); // it has started since, and heard nothing
  await turn();
  a.hear(b);
  t.same([a.has('x'), b.has('x')], [false, true]);
});

t.test('after NATS was away CONNECTs are announced twice, as others come back later', async (t) => {
  const [a, b] = [new Node(1), new Node(2)];
  a.carries = false;
  a.takeovers.tick(100);
  a.connect('x');
  await turn();
  t.equal(a.said.length, 0);
  a.carries = true;
  a.takeovers.tick(101);
  await turn();
  t.equal(a.said.splice(0).length, 1, 'which b is not back to hear');
  b.connect('x');
  b.said.length = 0;
  for (let sec = 102; sec < 108; sec++) {
    a.takeovers.tick(sec);
    await turn();
  }
  t.equal(a.said.length, 0);
  a.takeovers.tick(108);
  await turn();
  t.equal(a.said.length, 1);
  a.takeovers.tick(109);
  await turn();
  t.equal(a.said.length, 1, 'and then no more');
});

t.test('no more CONNECTs wait for NATS than may, and the last ones are told', async (t) => {
  const [a, b] = [new Node(1), new Node(2)];
  a.carries = false;
  for (let n = 0; n < 100_010; n++) a.connect(`c${n}`);
  t.match(a.takeovers.stats(), { waiting: 100_000, unannounced: 10, announced: 0 });
  a.carries = true;
  await until('all are announced', async () => {
    a.takeovers.tick(1);
    await turn();
    return a.takeovers.stats().waiting === 0;
  });
  for (const id of ['c9', 'c10', 'c100009']) b.connect(id);
  b.takeovers.tick(10);
  b.takeovers.tick(20);
  b.hear(a);
  t.same([b.has('c9'), b.has('c10'), b.has('c100009')], [true, false, false]);
  t.equal(b.takeovers.stats().heard, 100_000);
});

t.test('stamps grow, follow those that are heard, and are forgotten', async (t) => {
  const stamps = new ConnectStamps(2);
  const first = stamps.take('a');
  t.ok(stamps.take('b') > first);
  stamps.hear(first + 10_000);
  t.equal(stamps.take('c'), first + 10_001, 'past the limit an older generation begins');
  stamps.hear(2 ** 48 - 1);
  t.equal(stamps.take('d'), first + 10_002, 'a clock that is wrong by years is not followed');
  t.same(
    ['a', 'b', 'c', 'd'].map((id) => stamps.of(id) === undefined),
    [false, false, false, false],
  );
  stamps.take('e');
  t.equal(stamps.of('a'), undefined);
  stamps.age();
  stamps.age();
  t.equal(stamps.of('e'), undefined);
});

t.test('a batch holds any client id, and none is too large', async (t) => {
  const ids = [
    '',
    'x',
    'ünïcode',
    'y'.repeat(16_384),
    ...Array.from({ length: 1_000 }, (_, n) => `device-${n}`),
  ];
  const arrivals = ids.map((clientId, n) => ({ clientId, stamp: 2 ** 40 + n }));
  const batches = encodeBatches(arrivals);
  t.same(batches.flatMap(decodeBatch), arrivals);
  t.ok(batches.every((batch) => batch.length <= 8 * 1024 || decodeBatch(batch).length === 1));
  t.ok(batches.length < 8);
  t.same(encodeBatches([]), []);
  const [batch] = encodeBatches([arrivals[1]!, arrivals[2]!]) as [Uint8Array];
  for (let length = 0; length < batch.length; length++)
    t.ok(decodeBatch(batch.subarray(0, length)).length < 2, 'cut short, what is whole is read');
});
