import t from 'tap';
import { SeededRandom } from '../seeded-random.js';
import { runSeeds } from './chaos.js';

t.test('faults of nodes, redis-servers and links lose only messages in transit', async (t) => {
  const { seed } = new SeededRandom();
  t.comment(
    `ENCKE_TEST_SEED=${seed} repeats this; node dist/test/integration/chaos.js --seed ${seed} --for 10m goes on`,
  );
  t.same(await runSeeds(seed, 30_000, (line) => t.comment(line)), []);
});
