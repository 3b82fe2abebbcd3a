import t from 'tap';
import { RetainedDisputes } from '../../../router/engine/nats/retained-disputes.js';

/** Which retained messages two nodes have published in one moment, and when the stream may decide. */

function settled(disputes: RetainedDisputes): string[] {
  const ids: string[] = [];
  for (let next = disputes.next(); next !== undefined; next = disputes.next()) {
    if (next.holds()) ids.push(next.id);
  }
  return ids;
}

t.test('two publishers of one id within a moment are a dispute, one is none', async (t) => {
  const disputes = new RetainedDisputes();
  for (const [id, run] of [
    ['a', 1],
    ['b', 1],
    ['a', 2],
    ['b', 1],
    ['c', 3],
  ] as const)
    disputes.note(id, run);
  t.same(settled(disputes), [], 'not before a second is over');
  t.equal(disputes.age(), true);
  t.same(settled(disputes), ['a']);
  t.equal(disputes.age(), false);
});

t.test('long after one another they are none', async (t) => {
  const disputes = new RetainedDisputes();
  disputes.note('a', 1);
  disputes.age();
  disputes.note('b', 1);
  disputes.age();
  disputes.note('a', 2);
  disputes.note('b', 2);
  disputes.age();
  t.same(settled(disputes), ['b']);
});

t.test('what comes while it is due, or looked up, makes it wait again', async (t) => {
  const disputes = new RetainedDisputes();
  for (const run of [1, 2]) for (const id of ['a', 'b']) disputes.note(id, run);
  disputes.age();
  disputes.note('a', 2);
  const next = disputes.next()!;
  t.equal(next.id, 'b');
  disputes.note('b', 2);
  t.equal(next.holds(), false);
  t.equal(disputes.next(), undefined);
  disputes.age();
  t.same(settled(disputes).sort(), ['a', 'b']);
});

t.test('it remembers no more ids than it may, and no more disputes', async (t) => {
  const small = new RetainedDisputes(2);
  for (const run of [1, 2]) for (const id of ['a', 'b', 'c']) small.note(id, run);
  small.age();
  t.same(settled(small), ['a', 'b']);
  const disputes = new RetainedDisputes();
  for (const run of [1, 2]) for (let n = 0; n < 10_010; n++) disputes.note(String(n), run);
  disputes.age();
  t.equal(settled(disputes).length, 10_000);
});
