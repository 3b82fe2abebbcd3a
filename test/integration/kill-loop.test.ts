import t from 'tap';
import { SeededRandom } from '../seeded-random.js';
import { runKills } from './kill-loop.js';

t.test('kills lose no acknowledged message, double none at QoS 2, and forget nothing retained', async (t) => {
  const { seed } = new SeededRandom();
  t.comment(
    `ENCKE_TEST_SEED=${seed} repeats this; node dist/test/integration/kill-loop.js goes on for 1,000`,
  );
  t.same(await runKills(seed, 5, (line) => t.comment(line)), []);
});
