import t from 'tap';
import type { Outcome as Tally } from '../../../router/engine/engine.js';
import { Behind, behindNumber } from '../../../router/engine/nats/behind.js';
import { type Outcome, Receipts } from '../../../router/engine/nats/receipts.js';

const answered: Outcome = { unanswered: 0, behind: new Behind([]), mayAskAgain: true, nowMs: 0 };

/** Those nodes have more to tell of stream A. */
function behindWithA(...runs: number[]): Behind {
  const behind = new Behind(['A', 'B']);
  for (const run of runs) behind.note(behindNumber(0), run);
  return behind;
}

/** Opens sends, and keeps what they are told. */
function setUp() {
  const receipts = new Receipts();
  const tallies: Record<number, Tally> = {};
  const open = (number: number, here = 0, stream?: string) =>
    receipts.open(
      number,
      here,
      (tally) => {
        tallies[number] = tally;
      },
      stream,
    );
  return { receipts, tallies, open };
}

t.test('what comes for each message is added up, until its question ends', async (t) => {
  const { receipts, tallies, open } = setUp();
  t.equal(receipts.isEmpty, true);
  open(7, 1);
  open(8);
  t.equal(receipts.isEmpty, false);
  const asked = receipts.close(100);
  t.same(asked, { numbers: [7, 8], streams: [] });
  t.equal(receipts.isEmpty, true, 'what is opened now belongs to the next question');
  open(9);
  for (const [number, count] of [
    [7, 2],
    [7, 100_000],
    [9, 3],
    [6, 9], // of an earlier question
    [Number.NaN, 1],
  ] as const)
    receipts.add(number, count);
  t.equal(receipts.settle(asked, { ...answered, unanswered: 1 }), false);
  t.same(tallies, {
    7: { delivered: 100_003, unanswered: 1, carried: 'yes' },
    8: { delivered: 0, unanswered: 1, carried: 'yes' },
  });
  receipts.settle(receipts.close(100), answered);
  t.same(tallies[9], { delivered: 3, unanswered: 0, carried: 'yes' }, 'and what came with an earlier answer');
});

t.test('what comes before it is known whether it is asked for counts, too', async (t) => {
  const { receipts, tallies, open } = setUp();
  receipts.expect(7);
  receipts.expect(8);
  receipts.add(7, 2);
  receipts.forget(8);
  open(7, 1);
  receipts.settle(receipts.close(100), answered);
  t.same(tallies, { 7: { delivered: 3, unanswered: 0, carried: 'yes' } });
});

t.test(
  'where a node is behind with a stream, what went by it is asked for again, and nothing else',
  async (t) => {
    const { receipts, tallies, open } = setUp();
    open(7, 0, 'A');
    open(8, 0, 'B');
    open(9);
    const asked = receipts.close(100);
    t.same(asked.streams, ['A', 'B']);
    t.equal(receipts.settle(asked, { ...answered, behind: behindWithA(2) }), true);
    t.same(Object.keys(tallies), ['8', '9']);
    t.equal(receipts.isEmpty, true, 'not at once');
    receipts.reopen();
    receipts.add(7, 4);
    const again = receipts.close(900);
    t.same(again, { numbers: [7], streams: ['A'] });
    t.equal(receipts.settle(again, answered), false);
    t.same(tallies[7], { delivered: 4, unanswered: 0, carried: 'yes' });
  },
);

t.test('it is not asked for again when its wait is over, nor when nobody can be asked', async (t) => {
  const behind = behindWithA(2, 3);
  for (const outcome of [
    { ...answered, behind, nowMs: 100 },
    { ...answered, behind, mayAskAgain: false },
  ]) {
    const { receipts, tallies, open } = setUp();
    open(7, 1, 'A');
    t.equal(receipts.settle(receipts.close(50), { ...answered, behind, nowMs: 49 }), true);
    receipts.reopen();
    const again = receipts.close(500);
    t.equal(
      receipts.settle(again, { ...outcome, unanswered: 1 }),
      false,
      'its wait began with the first question',
    );
    t.same(tallies[7], { delivered: 1, unanswered: 3, carried: 'yes' });
  }
});

t.test('of what is to be asked for again, a node that goes meanwhile is missing', async (t) => {
  const { receipts, tallies, open } = setUp();
  const behind = behindWithA(2);
  for (const number of [7, 8]) open(number, 0, 'A');
  receipts.settle(receipts.close(100), { ...answered, behind });
  open(9);
  receipts.noteGone();
  receipts.reopen();
  receipts.noteGone();
  const again = receipts.close(900);
  receipts.noteGone(); // it is asked for: who does not answer is told with the question
  receipts.settle(again, answered);
  const told = [7, 8, 9].map((number) => tallies[number]!.unanswered);
  t.same(told, [2, 2, 0]);
});
