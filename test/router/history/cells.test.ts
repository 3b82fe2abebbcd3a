import t from 'tap';
import { Cells, cellDataBytes } from '../../../router/history/cells.js';
import { IdTable } from '../../../router/history/id-table.js';
import { SeededRandom } from '../../seeded-random.js';

t.test('random chains hold what was written to them, however they are taken and given back', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed}`);
  const cells = new Cells();
  const live: { first: number; at: number; bytes: Buffer; count: number }[] = [];
  let used = 0;
  for (let step = 0; step < 60_000; step++) {
    const growing = step % 20_000 < 12_000;
    if (random.chance(growing ? 0.6 : 0.3)) {
      const at = random.below(60);
      const bytes = Buffer.alloc(random.pick([0, 1, 20, 100, 500, random.below(5_000)]), step & 0xff);
      const count = Math.max(1, Math.ceil((at + bytes.length) / cellDataBytes));
      const first = cells.take(count);
      cells.write(first, at, bytes);
      live.push({ first, at, bytes, count });
      used += count;
    } else if (live.length > 0) {
      const place = random.below(live.length);
      const { first, at, bytes, count } = live[place]!;
      const found = Buffer.alloc(bytes.length);
      cells.read(first, at, found);
      if (!found.equals(bytes))
        return t.fail(`step ${step}: ${bytes.length} B from ${at} are not what was written`);
      cells.give(first);
      live[place] = live.at(-1)!;
      live.pop();
      used -= count;
    }
    if (step % 1_000 === 0) cells.release();
    if (cells.used !== used) return t.fail(`step ${step}: ${cells.used} are used, not ${used}`);
  }
  for (const { first } of live) cells.give(first);
  t.equal(cells.used, 0);
  for (let n = 0; n < 2; n++) cells.release();
  t.equal(cells.reservedBytes, 0);
});

t.test('two chains are joined, and given back a part at a time', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed}`);
  const cells = new Cells();
  const counts = Array.from({ length: 300 }, () => 1 + random.below(100));
  let last = 0;
  const chains = counts.map((count) => {
    const chain = cells.take(count);
    if (last !== 0) cells.join(last, chain);
    last = cells.lastTaken;
    return chain;
  });
  let at = chains[0]!;
  for (const [n, count] of counts.entries()) {
    if (at !== chains[n]) return t.fail(`chain ${n} begins at ${chains[n]}, not at ${at}`);
    const next = cells.skip(at, count);
    if (n % 2 === 0) at = next;
    else {
      const { used } = cells;
      at = cells.give(at, count);
      if (at !== next || cells.used !== used - count)
        return t.fail(`${used - cells.used} of ${count} were given`);
    }
  }
  t.equal(at, 0);
});

t.test('freed cells are taken before new ones', async (t) => {
  const cells = new Cells();
  const chains = Array.from({ length: 10_000 }, (_, n) => cells.take(1 + (n % 5)));
  const { reservedBytes } = cells;
  for (let round = 0; round < 20; round++) {
    for (let n = round; n < chains.length; n += 3) cells.give(chains[n]!);
    for (let n = round; n < chains.length; n += 3) chains[n] = cells.take(1 + (n % 5));
  }
  t.equal(cells.reservedBytes, reservedBytes);
});

t.test('a table finds random ids as a Map does, while it grows and shrinks', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed}`);
  const cells = new Cells();
  const table = new IdTable(cells, random.below(2 ** 31));
  const model = new Map<string, number>();
  const small = table.bytes;
  for (let step = 0; step < 100_000; step++) {
    const id = `${random.pick(['user', 'ключ', 'é', ''])}/${random.below(8_000)}${random.chance(0.1) ? 'x'.repeat(70) : ''}`;
    const hash = table.hashOf(id);
    const found = table.find(id, hash);
    if (found !== (model.get(id) ?? 0))
      return t.fail(`step ${step}: ${id} is at ${found}, not at ${model.get(id)}`);
    if (found !== 0 && table.ruleOf(found) !== id.length) return t.fail(`step ${step}: the rule of ${id}`);
    if (found === 0 && random.chance(step % 50_000 < 25_000 ? 0.8 : 0.2)) {
      const added = cells.take(table.cellsOf(id));
      table.add(added, id, hash, id.length);
      model.set(id, added);
    } else if (found !== 0 && random.chance(step % 50_000 < 25_000 ? 0.2 : 0.9)) {
      table.remove(found);
      cells.give(found);
      model.delete(id);
    }
    if (table.count !== model.size) return t.fail(`step ${step}: ${table.count} ids, not ${model.size}`);
  }
  t.ok(table.bytes > small);
  for (const [id, ring] of model) {
    if (table.find(id, table.hashOf(id)) !== ring) return t.fail(`${id} was lost`);
    table.remove(ring);
    cells.give(ring);
  }
  t.same([table.count, cells.used], [0, 0]);
  t.ok(table.bytes <= 2 * small);
});
