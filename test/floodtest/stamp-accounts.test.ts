import t from 'tap';
import { noTally } from '../../floodtest/counts.js';
import { PUBLISHERS_LIMIT, StampAccounts } from '../../floodtest/stamp-accounts.js';
import { Random } from '../../msggen/random.js';

/** The accounts of stamped messages, against a plain model. */

/** Delivers 1..n with losses, doubles and reordering within 20, and counts what it does. */
function disturbed(random: Random, n: number) {
  const kept: number[] = [];
  for (let seq = 1; seq <= n; seq++) if (seq === 1 || seq === n || random.below(10) > 0) kept.push(seq);
  const order = kept
    .map((seq) => ({
      seq,
      place: seq + (seq > 1 && seq < n && random.below(5) === 0 ? random.below(20) : 0),
    }))
    .sort((a, b) => a.place - b.place || a.seq - b.seq)
    .map(({ seq }) => seq);
  let outOfOrder = 0;
  let highest = 0;
  const arrivals: number[] = [];
  for (const seq of order) {
    if (seq < highest) outOfOrder++;
    highest = Math.max(highest, seq);
    arrivals.push(seq);
    if (random.below(10) === 0) arrivals.push(seq);
  }
  return { arrivals, lost: n - kept.length, duplicated: arrivals.length - kept.length, outOfOrder };
}

t.test('losses, doubles and late messages come out exactly, whatever the order', async (t) => {
  for (let seed = 0; seed < 200; seed++) {
    const random = new Random(seed);
    const accounts = new StampAccounts(3);
    const tally = noTally();
    const { arrivals, lost, duplicated, outOfOrder } = disturbed(random, 200);
    for (const seq of arrivals) accounts.record(tally, 2, { publisher: 1, seq, sentAtUs: 0 }, false, 0, 0);
    const { lost: l, duplicated: d, outOfOrder: o } = tally;
    if (l !== lost || d !== duplicated || o !== outOfOrder) {
      t.same({ l, d, o }, { l: lost, d: duplicated, o: outOfOrder }, `seed ${seed}`);
    }
  }
});

t.test('gaps of any width around the window of 32', async (t) => {
  for (const gap of [1, 2, 31, 32, 33, 34, 64, 1000]) {
    const accounts = new StampAccounts(1);
    const tally = noTally();
    const see = (seq: number) => accounts.record(tally, 0, { publisher: 1, seq, sentAtUs: 0 }, false, 0, 0);
    see(100);
    see(100 + gap);
    t.equal(tally.lost, gap - 1, `${gap}`);
    see(100 + gap);
    t.equal(tally.duplicated, 1);
    if (gap <= 32) see(100);
    t.equal(tally.duplicated, gap <= 32 ? 2 : 1, `the one before a gap of ${gap} is known`);
    see(100 + gap - 1);
    const wasMissing = gap > 1;
    t.match(
      tally,
      { lost: wasMissing ? gap - 2 : 0, outOfOrder: wasMissing ? 1 : 0 },
      `${gap}, then a late one`,
    );
  }
});

t.test('a message older than the first one seen opens the account earlier', async (t) => {
  const accounts = new StampAccounts(1);
  const tally = noTally();
  for (const seq of [10, 7, 8]) accounts.record(tally, 0, { publisher: 1, seq, sentAtUs: 0 }, false, 0, 0);
  t.match(tally, { lost: 1, outOfOrder: 2, duplicated: 0 });
});

t.test(
  'what comes again with DUP is redelivered; what comes for the first time with DUP is not',
  async (t) => {
    const accounts = new StampAccounts(1);
    const tally = noTally();
    for (const [seq, dup] of [
      [1, false],
      [3, false],
      [2, true],
      [3, true],
      [3, false],
      [4, true],
    ] as const) {
      accounts.record(tally, 0, { publisher: 1, seq, sentAtUs: 0 }, dup, 0, 0);
    }
    t.match(tally, { lost: 0, outOfOrder: 1, redelivered: 1, duplicated: 1 });
  },
);

t.test('at the end what is missing of what was published is lost', async (t) => {
  const nowUs = 1_800_000_000_000_000;
  const publisher = ((Math.floor(nowUs / 1e6) % 65_536) << 16) >>> 0;
  const lostAfter = (seqs: number[], lastSeq: number, loggedInUs: number) => {
    const accounts = new StampAccounts(1);
    const tally = noTally();
    for (const seq of seqs)
      accounts.record(tally, 0, { publisher, seq, sentAtUs: 0 }, false, loggedInUs, nowUs);
    accounts.settle(tally, 0, publisher, lastSeq, loggedInUs, nowUs);
    return tally.lost;
  };
  const before = nowUs - 5e6;
  t.equal(lostAfter([1, 2, 3], 3, before), 0);
  t.equal(lostAfter([1, 2, 3], 5, before), 2, 'the last two');
  t.equal(lostAfter([], 5, before), 5, 'all of them');
  t.equal(lostAfter([], 5, nowUs), 0, 'unknown how many it should have had');
  t.equal(lostAfter([4], 5, nowUs), 1, 'what came after the first one it had');
});

t.test('who begins anew has lost nothing in between', async (t) => {
  const accounts = new StampAccounts(2);
  const tally = noTally();
  const see = (connection: number, seq: number) =>
    accounts.record(tally, connection, { publisher: 1, seq, sentAtUs: 0 }, false, 0, 0);
  for (const connection of [0, 1]) see(connection, 7);
  accounts.restart(0);
  see(0, 10);
  t.equal(tally.lost, 0);
  see(1, 10);
  t.equal(tally.lost, 2, 'the other one has');
});

t.test('publishers past the limit are counted, not accounted for', async (t) => {
  const accounts = new StampAccounts(1);
  const tally = noTally();
  for (let publisher = 0; publisher < PUBLISHERS_LIMIT + 3; publisher++) {
    accounts.record(tally, 0, { publisher, seq: 1, sentAtUs: 0 }, false, 0, 0);
  }
  t.equal(tally.unaccounted, 3);
  t.equal([...accounts.publishers].length, PUBLISHERS_LIMIT);
});
