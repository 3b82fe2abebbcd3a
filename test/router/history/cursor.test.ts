import t from 'tap';
import {
  type CursorProblem,
  cursorProblemText,
  formatCursor,
  History,
  MemoryHistory,
  parseCursor,
} from '../../../router/index.js';
import { SeededRandom } from '../../seeded-random.js';

t.test('a cursor is epoch:offset, or the offsets of several ids in their order', async (t) => {
  t.equal(formatCursor('k3x9p0qa', [7]), 'k3x9p0qa:7');
  t.equal(formatCursor('k3x9p0qa', [7, 0, 12]), 'k3x9p0qa:7,0,12');
  t.same(parseCursor('k3x9p0qa:7,0,12', 3), {
    ok: true,
    value: { epoch: 'k3x9p0qa', offsets: [7, 0, 12] },
  });
  t.same(parseCursor('A-z_9:9007199254740991', 1), {
    ok: true,
    value: { epoch: 'A-z_9', offsets: [Number.MAX_SAFE_INTEGER] },
  });
});

t.test('every kind of bad cursor is refused, and says how to mend it', async (t) => {
  const bad: [string, number, CursorProblem][] = [
    ['', 1, 'empty'],
    ['x'.repeat(50), 1, 'too-long'],
    [`${'x'.repeat(32)}:${'1'.repeat(17)}`, 1, 'too-long'],
    ['k3x9p0qa', 1, 'shape'],
    ['7', 1, 'shape'],
    [':7', 1, 'epoch'],
    ['a b:7', 1, 'epoch'],
    ['a,b:7', 1, 'epoch'],
    ['a.b:7', 1, 'epoch'],
    ['é:7', 1, 'epoch'],
    [`${'x'.repeat(33)}:7`, 1, 'epoch'],
    ['a\n:7', 1, 'epoch'],
    ['a:', 1, 'offset'],
    ['a:7:8', 1, 'offset'],
    ['a:07', 1, 'offset'],
    ['a:00', 1, 'offset'],
    ['a:-1', 1, 'offset'],
    ['a:+1', 1, 'offset'],
    ['a: 1', 1, 'offset'],
    ['a:1 ', 1, 'offset'],
    ['a:1\n', 1, 'offset'],
    ['a:1.0', 1, 'offset'],
    ['a:1e3', 1, 'offset'],
    ['a:0x1', 1, 'offset'],
    ['a:NaN', 1, 'offset'],
    ['a:Infinity', 1, 'offset'],
    ['a:٣', 1, 'offset'],
    ['a:9007199254740992', 1, 'offset'],
    ['a:9999999999999999', 1, 'offset'],
    ['a:1,', 2, 'offset'],
    ['a:,1', 2, 'offset'],
    ['a:1,,2', 3, 'offset'],
    ['a:1', 2, 'count'],
    ['a:1,2', 1, 'count'],
    ['a:1,2,3', 2, 'count'],
    ['a:1', 0, 'count'],
  ];
  for (const [text, idCount, problem] of bad) {
    t.same(parseCursor(text, idCount), { ok: false, problem }, JSON.stringify(text.slice(0, 60)));
    t.match(cursorProblemText[problem], /\.$/);
  }
});

t.test('any formatted cursor is parsed again', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed}`);
  for (let n = 0; n < 5_000; n++) {
    const epoch = new MemoryHistory({ rules: [] }).epoch;
    if (n > 50) n += 10;
    const offsets = Array.from({ length: 1 + random.below(20) }, () =>
      Math.min(Number.MAX_SAFE_INTEGER, Math.floor(random.below(2 ** 31) * 2 ** random.below(23))),
    );
    const text = formatCursor(epoch, offsets);
    t.match(epoch, /^[0-9a-z]{8}$/);
    const parsed = parseCursor(text, offsets.length);
    if (!parsed.ok || parsed.value.epoch !== epoch || parsed.value.offsets.join() !== offsets.join()) {
      return t.fail(`${text} is read as ${JSON.stringify(parsed)}`);
    }
  }
});

t.test('a cursor that was tampered with is refused, or is one that reads as it is written', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed}`);
  const history = new History(new MemoryHistory());
  const spoiling = [...'0123456789:,.-+ eEx\0\n%é', '９', ''];
  let accepted = 0;
  for (let n = 0; n < 50_000; n++) {
    const idCount = 1 + random.below(4);
    const units = [...formatCursor(history.epoch, Array(idCount).fill(random.below(2_000)))];
    for (let spoilt = 0; spoilt <= random.below(3); spoilt++) {
      units.splice(random.below(units.length + 1), random.below(2), random.pick(spoiling));
    }
    const text = units.join('');
    const parsed = parseCursor(text, idCount);
    if (!parsed.ok) continue;
    accepted++;
    if (formatCursor(parsed.value.epoch, parsed.value.offsets) !== text) return t.fail(JSON.stringify(text));
  }
  t.ok(accepted > 1_000, `${accepted} of them were cursors all the same`);
});

t.test('a cursor of ten megabytes costs no time', async (t) => {
  const text = `a:${'1,'.repeat(5_000_000)}`;
  const startedMs = performance.now();
  for (let n = 0; n < 10_000; n++) parseCursor(text, 100);
  t.ok(performance.now() - startedMs < 500);
});
