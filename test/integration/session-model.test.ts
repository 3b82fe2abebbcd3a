import t from 'tap';
import { SeededRandom } from '../seeded-random.js';
import { runSeeds } from './session-model.js';

t.test(
  'for any actions of clients and connections, no session loses, duplicates or reorders a message',
  async (t) => {
    const { seed } = new SeededRandom();
    t.comment(
      `ENCKE_TEST_SEED=${seed} repeats this; node dist/test/integration/session-model.js --seed ${seed} --for 30m goes on`,
    );
    t.same(await runSeeds(seed, 20_000, (line) => t.comment(line)), []);
  },
);
