import t from 'tap';
import { SeededRandom } from '../seeded-random.js';
import { fuzz, summary } from './mqtt-fuzz.js';

t.test('for any bytes, the server lives, answers correct clients, and keeps nothing', async (t) => {
  const { seed } = new SeededRandom();
  t.comment(
    `ENCKE_TEST_SEED=${seed} repeats this; node dist/test/fuzz/mqtt-fuzz.js --seed ${seed} goes on for longer`,
  );
  const result = await fuzz({ cases: 8_000, seed, lanes: 50, say: (line) => t.comment(line) });
  for (const line of summary(result)) t.comment(line);
  t.same(result.faults, [], 'no faults');
  t.ok(result.tally.cases > 5_000, 'enough cases to mean something');
});
