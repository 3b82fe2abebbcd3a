import t from 'tap';
import { ClusterStats, type StatsOfNodes } from '../../../gateway/cluster/cluster-stats.js';
import { sumOf } from '../../../gateway/cluster/stats-sum.js';
import type { Stats } from '../../../gateway/stats.js';
import type { Answers, Cluster, ClusterNode } from '../../../router/engine/cluster.js';

/** Sums over nodes, and over the workers of one machine. */

t.test('numbers are added up, at any depth and by place', async (t) => {
  t.same(
    sumOf([
      { a: 1, b: { c: 2, d: [1, 2] } },
      { a: 10, b: { c: 20, d: [10, 20, 30] } },
    ]),
    {
      a: 11,
      b: { c: 22, d: [11, 22, 30] },
    },
  );
});

t.test('a value of a single node counts, and null does not', async (t) => {
  t.same(sumOf([{ errors: { 400: 2 } }, { errors: { 503: 1 } }, {}]), { errors: { 400: 2, 503: 1 } });
  t.same(sumOf([{ a: null }, { a: 3 }]), { a: 3 });
});

t.test('words and flags stay where all agree', async (t) => {
  const sum = sumOf([
    { version: '1.2.3', server: 'a:4222', connected: true, behind: false },
    { version: '1.2.3', server: 'b:4222', connected: true, behind: true },
  ]);
  t.same(sum, { version: '1.2.3', connected: true });
});

t.test('metrics of one process have no sum, and the longest uptime counts', async (t) => {
  t.same(
    sumOf([
      { pid: 7, uptimeSec: 5, memory: { bytesPerConnection: 900 } },
      { pid: 8, uptimeSec: 9 },
    ]),
    {
      uptimeSec: 9,
      memory: {},
    },
  );
});

const node = (run: number, name: string, group: string): ClusterNode => ({
  run,
  name,
  group,
  role: 'both',
  startedMs: 0,
});

/** Others that answer what they are told to; `undefined` = not in time. */
function clusterOf(self: ClusterNode, others: [ClusterNode, string | undefined][]): Cluster {
  return {
    self,
    peers: others.map(([peer]) => peer),
    onQuestion: () => undefined,
    ask: (_question: string, _body: Uint8Array, _waitMs: number, onAnswers: (answers: Answers) => void) => {
      const answered = others.filter(([, body]) => body !== undefined);
      const answers = answered.map(([from, body]) => ({ from, body: Buffer.from(body!) }));
      onAnswers({ answers, unanswered: others.length - answers.length });
    },
  } as unknown as Cluster;
}

const own = { all: () => ({ open: 1 }) } as unknown as Stats;

t.test('a group is the workers of one machine, the whole is all nodes', async (t) => {
  const cluster = clusterOf(node(1, 'a-1', 'a'), [
    [node(2, 'a-2', 'a'), '{"open":2}'],
    [node(3, 'b-1', 'b'), '{"open":4}'],
    [node(4, 'single', ''), '{"open":8}'],
  ]);
  const stats = new ClusterStats(own, cluster, 1);
  t.ok(stats.grouped);
  let known: StatsOfNodes | undefined;
  stats.ofGroup((answer) => {
    known = answer;
  });
  t.same(known!.sum, { open: 3 });
  t.same(
    known!.nodes.map(({ node }) => node),
    ['a-1', 'a-2'],
  );
  t.equal(known!.unanswered, 0, 'nobody else is waited for');
  stats.ofAll((answer) => {
    known = answer;
  });
  t.same(known!.sum, { open: 15 });
});

t.test('a node without a readable answer is missing', async (t) => {
  const cluster = clusterOf(node(1, 'a-1', 'a'), [
    [node(2, 'a-2', 'a'), undefined],
    [node(3, 'a-3', 'a'), 'no JSON'],
    [node(4, 'a-4', 'a'), '{"open":4}'],
    [node(5, 'b-1', 'b'), undefined],
  ]);
  const stats = new ClusterStats(own, cluster, 1);
  stats.ofGroup(({ sum, unanswered }) => {
    t.same(sum, { open: 5 });
    t.equal(unanswered, 2);
  });
  stats.ofAll(({ unanswered }) => t.equal(unanswered, 3));
  t.plan(3);
});
