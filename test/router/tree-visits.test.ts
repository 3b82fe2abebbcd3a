import t from 'tap';
import type { FilterNode } from '../../router/filter-node.js';
import { Message, Router } from '../../router/index.js';
import { TopicTree } from '../../router/topic-tree.js';
import { visitsWith } from '../../router/tree-visits.js';
import { cpuMs } from '../cpu-time.js';
import { SeededRandom } from '../seeded-random.js';
import { Inbox } from './inbox.js';

/** How many nodes of the tree of filters a message may have to look at: kept as filters come and go. */

/** By looking at all of it. */
function visitsOf(node: FilterNode): number {
  const { children } = node;
  const all = children === undefined ? [] : children instanceof Map ? [...children.values()] : [children];
  const literals = all.filter(({ level }) => level !== '+' && level !== '#').map(visitsOf);
  const wildcards = all.filter(({ level }) => level === '+' || level === '#').map(visitsOf);
  return 1 + Math.max(0, ...literals) + wildcards.reduce((sum, each) => sum + each, 0);
}

const add = (tree: TopicTree, filter: string) => tree.set(filter, new Inbox());

t.test(
  'the visits of a message are known beforehand, for usual filters and for those that overlap',
  async (t) => {
    const many = new TopicTree();
    for (let n = 0; n < 10_000; n++) add(many, `+/${n}/+`);
    for (let n = 0; n < 10_000; n++) add(many, `user/${n}/#`);
    t.equal(many.root.visits, 1 + (1 + 1 + 1) + (1 + 1 + 1));
    const doubling = new TopicTree();
    for (let n = 0; n < 1 << 10; n++) {
      const levels = Array.from({ length: 10 }, (_, level) => ((n >> level) & 1 ? '+' : 'a'));
      add(doubling, `${levels.join('/')}/x`);
    }
    t.equal(doubling.root.visits, 2 ** 11 - 1 + 2 ** 10, 'a/…/a/y gets to each node, and to each x at most');
  },
);

t.test('as random filters come and go, it is what the tree says, and is foretold', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed}`);
  const tree = new TopicTree();
  const there = new Set<string>();
  for (let step = 0; step < 20_000; step++) {
    if (random.chance(step < 15_000 ? 0.6 : 0.1)) {
      const levels = Array.from({ length: 1 + random.below(5) }, () =>
        random.pick(['a', 'b', 'c', '+', '+']),
      );
      if (random.chance(0.2)) levels.push('#');
      const filter = levels.join('/');
      const foretold = visitsWith(tree.root, levels);
      add(tree, filter);
      there.add(filter);
      if (tree.root.visits !== foretold) t.fail(`${filter}: ${tree.root.visits}, foretold ${foretold}`);
    } else if (there.size > 0) {
      const filter = random.pick([...there]);
      tree.delete(filter);
      there.delete(filter);
    }
    if (step % 10 === 0 && tree.root.visits !== visitsOf(tree.root))
      t.fail(`step ${step}: ${tree.root.visits}, and looked at ${visitsOf(tree.root)}`);
  }
  for (const filter of there) tree.delete(filter);
  t.equal(tree.root.visits, 1);
  t.equal(tree.bytes, 0);
});

t.test('of very many siblings it is never too low, and found again when some have gone', async (t) => {
  const tree = new TopicTree();
  for (let n = 0; n < 10_000; n++) add(tree, `a/${n}/+`);
  for (let n = 0; n < 100; n++) add(tree, `a/77/+${'/+'.repeat(n)}/x`);
  t.equal(tree.root.visits, visitsOf(tree.root));
  for (let n = 0; n < 100; n++) tree.delete(`a/77/+${'/+'.repeat(n)}/x`);
  t.ok(tree.root.visits >= visitsOf(tree.root));
  for (let n = 0; n < 1_000; n++) tree.delete(`a/${n}/+`);
  t.equal(tree.root.visits, visitsOf(tree.root));
});

t.test('within 4,096 places a publish that matches nothing takes no time worth speaking of', async (t) => {
  const router = new Router({ history: { rules: [] } });
  await router.start();
  const inbox = new Inbox();
  let refused = 0;
  for (let n = 0; n < 1 << 16; n++) {
    const levels = Array.from({ length: 16 }, (_, level) => ((n >> level) & 1 ? '+' : 'a'));
    const filter = `${levels.join('/')}/x`;
    if (router.visitsWith(filter) > 4_096) refused++;
    else router.subscribe(filter, inbox, 0);
  }
  t.ok(refused > 60_000, `${refused} of 65,536 would have made it more`);
  const message = () => new Message(`${'a/'.repeat(16)}y`, Buffer.alloc(1), 0);
  for (let n = 0; n < 100; n++) router.publish(message());
  const startedMs = cpuMs();
  for (let n = 0; n < 100; n++) router.publish(message());
  const tookMs = (cpuMs() - startedMs) / 100;
  t.comment(`${tookMs.toFixed(2)} ms a publish`);
  t.ok(tookMs < 3, 'it was 10.8 ms with all of them');
});
