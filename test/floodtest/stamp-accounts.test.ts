import t from 'tap';
import { noTally } from '../../floodtest/counts.js';
import { PAIR_RANGES_MAX } from '../../floodtest/gaps.js';
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
    for (const seq of arrivals) accounts.record(tally, 2, { publisher: 1, seq, dueAtUs: 0 }, false, 0);
    const { lost: l, duplicated: d, outOfOrder: o } = tally;
    if (l !== lost || d !== duplicated || o !== outOfOrder) {
      t.same({ l, d, o }, { l: lost, d: duplicated, o: outOfOrder }, `seed ${seed}`);
    }
  }
});

t.test('so they do where messages are late by thousands, and come again and again', async (t) => {
  for (let seed = 0; seed < 20; seed++) {
    const random = new Random(seed);
    const arrivals: number[] = [1];
    const seen = new Set([1]);
    let highest = 1;
    const expected = { lost: 0, duplicated: 0, outOfOrder: 0, unjudged: 0 };
    while (arrivals.length < 3000) {
      const seq = random.below(3) > 0 ? 1 + random.below(highest) : highest + 1 + random.below(100);
      arrivals.push(seq);
      if (seen.has(seq)) expected.duplicated++;
      else if (seq < highest) expected.outOfOrder++;
      seen.add(seq);
      highest = Math.max(highest, seq);
    }
    expected.lost = highest - seen.size;
    const accounts = new StampAccounts(2);
    const tally = noTally();
    for (const seq of arrivals) accounts.record(tally, 1, { publisher: 9, seq, dueAtUs: 0 }, false, 0);
    t.match(tally, expected, `seed ${seed}`);
  }
});

t.test('with more gaps than there is room for, it says what it cannot judge', async (t) => {
  const accounts = new StampAccounts(2);
  const tally = noTally();
  const see = (seq: number) => accounts.record(tally, 0, { publisher: 1, seq, dueAtUs: 0 }, false, 0);
  const last = 2 * PAIR_RANGES_MAX + 3;
  for (let seq = 1; seq <= last; seq += 2) see(seq);
  const lost = PAIR_RANGES_MAX + 1;
  t.match(tally, { lost, unjudged: 0, outOfOrder: 0 });
  see(2);
  see(3);
  t.match(tally, { lost, unjudged: 2, outOfOrder: 0, duplicated: 0 }, 'forgotten');
  see(last - 1);
  see(last - 2);
  t.match(tally, { lost: lost - 1, unjudged: 2, outOfOrder: 1, duplicated: 1 }, 'the newest ones are known');
  accounts.restart(0);
  see(last + 5);
  see(last + 5);
  t.match(tally, { lost: lost - 1, duplicated: 2 });
});

t.test('messages between an old one and the first one were not lost', async (t) => {
  const accounts = new StampAccounts(1);
  const tally = noTally();
  for (const seq of [1000, 5]) accounts.record(tally, 0, { publisher: 1, seq, dueAtUs: 0 }, false, 0);
  t.match(tally, { lost: 0, outOfOrder: 0, duplicated: 0, unjudged: 1 });
});

t.test('gaps of any width', async (t) => {
  for (const gap of [1, 2, 31, 32, 33, 34, 64, 1000]) {
    const accounts = new StampAccounts(1);
    const tally = noTally();
    const see = (seq: number) => accounts.record(tally, 0, { publisher: 1, seq, dueAtUs: 0 }, false, 0);
    see(100);
    see(100 + gap);
    t.equal(tally.lost, gap - 1, `${gap}`);
    see(100 + gap);
    t.equal(tally.duplicated, 1);
    see(100);
    t.equal(tally.duplicated, 2, `the one before a gap of ${gap} is known`);
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
  for (const seq of [10, 7, 8]) accounts.record(tally, 0, { publisher: 1, seq, dueAtUs: 0 }, false, 0);
  t.match(tally, { lost: 1, outOfOrder: 2, duplicated: 0 });
});

t.test(
  'a message that comes again with DUP is redelivered; one that comes first with DUP is not',
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
      accounts.record(tally, 0, { publisher: 1, seq, dueAtUs: 0 }, dup, 0);
    }
    t.match(tally, { lost: 0, outOfOrder: 1, redelivered: 1, duplicated: 1 });
  },
);

t.test('at the end what is missing of what was published is lost', async (t) => {
  const nowUs = 1_800_000_000_000_000;
  const publisher = Math.floor(nowUs / 1e6) * 65_536;
  const lostAfter = (seqs: number[], lastSeq: number, loggedInUs: number) => {
    const accounts = new StampAccounts(1);
    const tally = noTally();
    for (const seq of seqs) accounts.record(tally, 0, { publisher, seq, dueAtUs: 0 }, false, loggedInUs);
    accounts.settle(tally, 0, publisher, lastSeq, loggedInUs);
    return tally.lost;
  };
  const before = nowUs - 5e6;
  t.equal(lostAfter([1, 2, 3], 3, before), 0);
  t.equal(lostAfter([1, 2, 3], 5, before), 2, 'the last two');
  t.equal(lostAfter([], 5, before), 5, 'all of them');
  t.equal(lostAfter([], 5, nowUs), 0, 'unknown how many it should have had');
  t.equal(lostAfter([4], 5, nowUs), 1, 'what came after the first one it had');
});

t.test('a client with a new session has lost nothing in between', async (t) => {
  const accounts = new StampAccounts(2);
  const tally = noTally();
  const see = (connection: number, seq: number) =>
    accounts.record(tally, connection, { publisher: 1, seq, dueAtUs: 0 }, false, 0);
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
    accounts.record(tally, 0, { publisher, seq: 1, dueAtUs: 0 }, false, 0);
  }
  t.equal(tally.unaccounted, 3);
  t.equal([...accounts.publishers].length, PUBLISHERS_LIMIT);
});
