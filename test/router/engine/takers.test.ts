import t from 'tap';
import { decodeTaken, encodeTaken, notedMax, Takers } from '../../../router/engine/nats/takers.js';

const anyBytes = Number.POSITIVE_INFINITY;

function toldOf(takers: Takers, run: number, bytesMax = anyBytes): [number, number][] {
  const told: [number, number][] = [];
  decodeTaken(takers.tell(run, bytesMax).bytes, (number, count) => told.push([number, count]));
  return told;
}

t.test('takers are told once, and forgotten with their publisher', async (t) => {
  const takers = new Takers();
  takers.note(1, 7, 2);
  takers.note(1, 8, 0);
  takers.note(1, 2 ** 47, 100_000);
  takers.note(2, 7, 9);
  t.same(
    toldOf(takers, 1),
    [
      [7, 2],
      [2 ** 47, 100_000],
    ],
    'who has none is not noted',
  );
  t.same(toldOf(takers, 1), []);
  takers.note(1, 9, 1);
  takers.forget(1);
  t.same(toldOf(takers, 1), []);
  t.same(toldOf(takers, 2), [[7, 9]]);
});

t.test('a publisher that never asks fills no memory: the newest of its sends are noted', async (t) => {
  const takers = new Takers();
  const last = notedMax * 3 + 100;
  for (let number = 1; number <= last; number++) takers.note(1, number, 1);
  const told = toldOf(takers, 1);
  t.ok(told.length <= notedMax && told.length >= notedMax / 2, `${told.length}`);
  t.equal(told.at(-1)![0], last);
  t.equal(told[0]![0], last - told.length + 1, 'without a gap');
});

t.test('no more is told than there is room for, the oldest first, and the rest the next time', async (t) => {
  for (const [bytesMax, numbers] of [
    [anyBytes, [1, 2, 3]],
    [48, [1, 2, 3]],
    [47, [1, 2]],
    [16, [1]],
    [15, []],
    [-5, []],
  ] as const) {
    const takers = new Takers();
    for (const number of [1, 2, 3]) takers.note(1, number, 1);
    const { bytes, hasMore } = takers.tell(1, bytesMax);
    const told: number[] = [];
    decodeTaken(bytes, (number) => told.push(number));
    t.same(told, numbers, `${bytesMax} bytes`);
    t.equal(hasMore, numbers.length < 3);
    takers.note(1, 4, 1);
    const rest = toldOf(takers, 1).map(([number]) => number);
    t.same([...told, ...rest], [1, 2, 3, 4]);
  }
});

t.test('an answer that is cut short harms nobody', async (t) => {
  const read: number[] = [];
  decodeTaken(encodeTaken([7, 1, 8, 2]).subarray(0, 31), (number) => read.push(number));
  decodeTaken(new Uint8Array(3), (number) => read.push(number));
  t.same(read, [7]);
});
