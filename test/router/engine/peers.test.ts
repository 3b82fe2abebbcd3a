import t from 'tap';
import type { ClusterNode } from '../../../router/engine/cluster.js';
import { Peers, type PeerWord } from '../../../router/engine/nats/peers.js';

const nodeOf = (run: number): ClusterNode => ({
  run,
  name: `node-${run}`,
  group: '',
  role: 'both',
  startedMs: 5,
});
const says = (run: number, word: PeerWord) => new Peers(nodeOf(run), () => {}).encode(word);

function setUp() {
  const gone: number[] = [];
  const peers = new Peers(nodeOf(1), ({ run }) => gone.push(run));
  const runs = () => peers.list.map(({ run }) => run);
  return { peers, gone, runs };
}

t.test('who says a word is there with all that it says of itself, and not twice', async (t) => {
  const { peers, runs } = setUp();
  t.equal(peers.hear(says(2, 'hello'), 0), 'hello');
  t.equal(peers.hear(says(2, 'alive'), 1), 'alive');
  t.same(peers.list, [nodeOf(2)]);
  t.same(peers.get(2), nodeOf(2));
  t.equal(peers.hear(says(3, 'alive'), 1), 'alive', 'without a hello, too');
  t.same(runs(), [2, 3]);
});

t.test('own words are not heard', async (t) => {
  const { peers, runs, gone } = setUp();
  for (const word of ['hello', 'alive', 'bye'] as const)
    t.equal(peers.hear(peers.encode(word), 0), undefined);
  t.same([runs(), gone], [[], []]);
});

t.test('gone by its word, told once; a stranger’s bye is nothing', async (t) => {
  const { peers, runs, gone } = setUp();
  peers.hear(says(2, 'hello'), 0);
  peers.hear(says(2, 'bye'), 1);
  peers.hear(says(2, 'bye'), 1);
  peers.hear(says(3, 'bye'), 1);
  t.same([runs(), gone], [[], [2]]);
  t.equal(peers.get(2), undefined);
});

t.test('gone by silence of more than 3.5 s, and back with the next word', async (t) => {
  const { peers, runs, gone } = setUp();
  peers.hear(says(2, 'hello'), 1_000);
  peers.hear(says(3, 'hello'), 1_000);
  peers.hear(says(3, 'alive'), 2_000);
  peers.tick(4_500);
  t.same(gone, []);
  peers.tick(4_501);
  t.same([runs(), gone], [[3], [2]]);
  peers.hear(says(2, 'alive'), 4_600);
  t.same(runs(), [3, 2]);
});

t.test('where there are many, each speaks as rarely as it says, and may be silent for longer', async (t) => {
  const { peers, runs, gone } = setUp();
  t.equal(peers.aliveMs, 1_000);
  for (let run = 2; run <= 21; run++) peers.hear(says(run, 'hello'), 0);
  t.equal(peers.aliveMs, 2_000, 'with 20 others, every 2 s');
  const goneThere: number[] = [];
  const stranger = new Peers(nodeOf(99), ({ run }) => goneThere.push(run));
  stranger.hear(peers.encode('alive'), 0);
  stranger.tick(7_000);
  t.same(goneThere, []);
  stranger.tick(7_001);
  t.same(goneThere, [1]);
  peers.tick(3_501);
  t.same([runs(), gone.length], [[], 20], 'these said that they would speak every second');
});

t.test('a silence that nobody could break is not held against anybody', async (t) => {
  const { peers, gone } = setUp();
  peers.hear(says(2, 'hello'), 0);
  peers.forgiveSilence(60_000);
  peers.tick(63_500);
  t.same(gone, []);
  peers.tick(63_501);
  t.same(gone, [2]);
});

t.test('what is no node’s word is not heard', async (t) => {
  const { peers, runs, gone } = setUp();
  const word = { word: 'alive', ...nodeOf(2) };
  const bad: unknown[] = [
    null,
    [],
    'alive',
    {},
    { ...word, word: 'no' },
    { ...word, run: '2' },
    { ...word, run: 2 ** 60 },
    { ...word, name: 7 },
    { ...word, group: undefined },
    { ...word, role: 'king' },
    { ...word, startedMs: '5' },
    { ...word, everyMs: 0 },
    { ...word, everyMs: '1000' },
    { ...word, everyMs: 1e9 },
  ];
  for (const said of bad)
    t.equal(peers.hear(Buffer.from(JSON.stringify(said)), 0), undefined, JSON.stringify(said));
  for (const bytes of [new Uint8Array(0), Buffer.from('{'), Uint8Array.of(255, 0)])
    t.equal(peers.hear(bytes, 0), undefined);
  t.same([runs(), gone], [[], []]);
  t.equal(peers.hear(Buffer.from(JSON.stringify(word)), 0), 'alive', 'and that is one');
});

t.test('a crowd that speaks under the name fills no memory: at most 10,000 are kept', async (t) => {
  const { peers, runs } = setUp();
  for (let run = 2; run <= 10_100; run++) peers.hear(says(run, 'hello'), 0);
  t.equal(runs().length, 10_000);
});
