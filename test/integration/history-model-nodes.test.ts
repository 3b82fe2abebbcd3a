import t from 'tap';
import { SeededRandom } from '../seeded-random.js';
import { runSeedsOnNodes } from './history-model.js';

t.test(
  'faults of nodes, of their paths to Redis and of Redis: nothing is lost, duplicated or reordered without an announcement',
  async (t) => {
    const { seed } = new SeededRandom();
    t.comment(
      `ENCKE_TEST_SEED=${seed} repeats this; node dist/test/integration/history-model.js --nodes 2 --seed ${seed} --for 5m goes on`,
    );
    const { faults, counts } = await runSeedsOnNodes(2, seed, 40_000, (line) => t.comment(line));
    t.same(faults, []);
    const { received, nodeDeaths, nodePauses, waysCut, redisPauses, redisDeaths, failovers } = counts;
    t.ok(received > 0);
    t.ok(
      nodeDeaths + nodePauses + waysCut + redisPauses + redisDeaths + failovers >= 5,
      JSON.stringify(counts),
    );
  },
);
