import t from 'tap';
import { ForgottenOffsets } from '../../../router/history/forgotten-offsets.js';
import { SeededRandom } from '../../seeded-random.js';

t.test('a floor is never below what was said, and hardly ever above', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed}`);
  const floors = new ForgottenOffsets();
  const ids = Array.from({ length: 10_000 }, () => ({
    hash: random.below(2 ** 31),
    offset: 1 + random.below(1_000),
  }));
  for (const { hash, offset } of ids) floors.raise(hash, offset);
  t.equal(ids.filter(({ hash, offset }) => floors.get(hash) < offset).length, 0);
  const above = ids.filter(({ hash, offset }) => floors.get(hash) > offset).length;
  t.ok(above < 40, `${above} of 10,000 were raised by others; 4 and less are expected`);
  const others = Array.from({ length: 100_000 }, () => floors.get(random.below(2 ** 31)));
  const raised = others.filter((floor) => floor > 0).length;
  t.ok(raised < 200, `${raised} of 100,000 others, 40 are expected`);
});

t.test('an offset past 2^32 is remembered, and a lower one does not take it back', async (t) => {
  const floors = new ForgottenOffsets();
  floors.raise(7, 2 ** 40);
  floors.raise(7, 3);
  t.equal(floors.get(7), 2 ** 40);
});
