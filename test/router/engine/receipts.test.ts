import t from 'tap';
import type { ClusterNode } from '../../../router/engine/cluster.js';
import type { Tally } from '../../../router/engine/engine.js';
import { Receipts, Takers } from '../../../router/engine/nats/receipts.js';

const from: ClusterNode = { run: 2, name: '', group: '', role: 'both', startedMs: 0 };

t.test('what nodes have noted is added up for each message', async (t) => {
  const receipts = new Receipts();
  t.equal(receipts.isEmpty, true);
  const tallies = new Map<number, Tally>();
  for (const [sequence, here] of [
    [7, 1],
    [8, 0],
    [2 ** 47, 5],
  ] as const)
    receipts.open(sequence, here, (tally) => tallies.set(sequence, tally));
  t.equal(receipts.isEmpty, false);
  const nodes = [new Takers(), new Takers()];
  nodes[0]!.note(1, 7, 2);
  nodes[0]!.note(1, 2 ** 47, 1);
  nodes[1]!.note(1, 7, 100_000);
  nodes[1]!.note(1, 6, 9); // of an earlier turn
  nodes[1]!.note(3, 8, 9); // of another publisher
  const take = receipts.close();
  t.equal(receipts.isEmpty, true, 'what is opened now belongs to the next turn');
  receipts.open(9, 0, (tally) => tallies.set(9, tally));
  take({ answers: nodes.map((takers) => ({ from, body: takers.tell(1) })), unanswered: 1 });
  t.same(Object.fromEntries(tallies), {
    7: { delivered: 100_003, unanswered: 1, carried: true },
    8: { delivered: 0, unanswered: 1, carried: true },
    [2 ** 47]: { delivered: 6, unanswered: 1, carried: true },
  });
});

t.test('an answer that is cut short or garbage harms nobody', async (t) => {
  const receipts = new Receipts();
  const tallies: Tally[] = [];
  receipts.open(7, 1, (tally) => tallies.push(tally));
  const body = Buffer.concat([Buffer.alloc(16, 255), Buffer.alloc(15)]);
  receipts.close()({
    answers: [
      { from, body },
      { from, body: new Uint8Array(3) },
    ],
    unanswered: 0,
  });
  t.same(tallies, [{ delivered: 1, unanswered: 0, carried: true }]);
});

t.test('takers are told once, and forgotten with their publisher', async (t) => {
  const takers = new Takers();
  takers.note(1, 7, 2);
  takers.note(1, 8, 0);
  t.equal(takers.tell(1).length, 16, 'who has none is not noted');
  t.equal(takers.tell(1).length, 0);
  takers.note(1, 9, 1);
  takers.forget(1);
  t.equal(takers.tell(1).length, 0);
});

t.test('a publisher that never asks fills no memory: at most 100,000 are noted for it', async (t) => {
  const takers = new Takers();
  for (let sequence = 1; sequence <= 100_100; sequence++) takers.note(1, sequence, 1);
  t.equal(takers.tell(1).length, 100_000 * 16);
});
