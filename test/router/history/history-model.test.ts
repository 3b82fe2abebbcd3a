import t from 'tap';
import { SeededRandom } from '../../seeded-random.js';
import { HistoryModel } from './history-model.js';

const seeds = process.env.ENCKE_TEST_SEED === undefined ? 150 : 1;
const steps = 2_000;

t.test(
  'random pollers get all that they missed, once and in order, or are told that something is lost',
  async (t) => {
    let [recovered, lost] = [0, 0];
    for (let n = 0; n < seeds; n++) {
      const random = new SeededRandom();
      const model = new HistoryModel(random);
      for (let step = 0; step < steps; step++) {
        const problem = model.step();
        if (problem !== undefined) return t.fail(`ENCKE_TEST_SEED=${random.seed} step ${step}: ${problem}`);
      }
      if (n < 3) t.comment(`ENCKE_TEST_SEED=${random.seed}, and ${seeds - 1} others`);
      recovered += model.recovered;
      lost += model.lost;
    }
    t.comment(`${recovered} polls were recovered, ${lost} were told of a loss`);
    if (seeds > 1) t.ok(recovered > 1_000 && lost > 1_000, 'and both kinds were seen');
  },
);
