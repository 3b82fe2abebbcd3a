import t from 'tap';
import { SeededRandom } from '../seeded-random.js';
import { runSeeds } from './history-model.js';

t.test(
  'for any actions of readers and connections, nothing is lost, duplicated or reordered without an announcement',
  async (t) => {
    const { seed } = new SeededRandom();
    t.comment(
      `ENCKE_TEST_SEED=${seed} repeats this; node dist/test/integration/history-model.js --seed ${seed} --for 30m goes on`,
    );
    const { faults, counts } = await runSeeds(seed, 12_000, (line) => t.comment(line));
    t.same(faults, []);
    const { received, restarts, lost, skipped, evictedByAge, evictedByBytes } = counts;
    const seen = [received, restarts, lost, skipped, evictedByAge, evictedByBytes];
    t.ok(Math.min(...seen) > 0, `and all of that happened: ${seen}`);
  },
);
