import t from 'tap';
import { earlyBytesMax, earlyMessagesMax } from '../../../router/engine/nats/early-messages.js';
import { type Come, freshMax, IdOrder, settleMs } from '../../../router/engine/nats/id-order.js';
import { SeededRandom } from '../../seeded-random.js';

/** An order, and what came of it: `41` is handed out, `-a` is missing of an id. */
function orderAt(position: number, isReadAnew = () => false) {
  const log: string[] = [];
  let old = 0;
  const order = new IdOrder(position, {
    handOut: ({ sequence }) => log.push(String(sequence)),
    onMissing: (ids) => log.push(`-${[...ids].sort().join()}`),
    onStuck: isReadAnew,
    onOld: () => old++,
  });
  return { order, log, old: () => old };
}

function come(id: string, sequence: number, last: number, bytes = 1): Come {
  return { id, sequence, last, data: Buffer.alloc(bytes) };
}

/** Long after all that has come. */
const later = () => performance.now() + settleMs;

/** What is here now is settled. */
function settle(order: IdOrder): void {
  order.tick(performance.now());
  order.tick(performance.now());
}

t.test('what comes in order is out at once, and each once, however often it comes', async (t) => {
  const { order, log } = orderAt(40);
  for (const [sequence, last] of [
    [41, 37],
    [43, 41],
    [44, 43],
  ]) {
    for (let copy = 0; copy < 3; copy++) order.take(come('a', sequence!, last!));
  }
  order.take(come('b', 42, 0));
  t.same(log, ['41', '43', '44', '42'], 'ids have nothing to do with each other');
  t.same([order.late, order.reordered], [0, 0]);
});

t.test('what comes before the one that it is behind waits for that one', async (t) => {
  const { order, log } = orderAt(40);
  order.take(come('a', 41, 37));
  order.take(come('a', 46, 45));
  order.take(come('a', 44, 43));
  order.take(come('a', 44, 43));
  order.take(come('b', 47, 0));
  t.same(log, ['41', '47']);
  t.equal(order.waiting, 2, 'a copy does not wait besides');
  order.take(come('a', 43, 41));
  t.same(log, ['41', '47', '43', '44']);
  order.take(come('a', 45, 44));
  t.same(log, ['41', '47', '43', '44', '45', '46']);
  t.same([order.late, order.reordered, order.waiting], [0, 2, 0]);
});

t.test('nothing waits for what was stored before this node asked for the id', async (t) => {
  const { order, log } = orderAt(40);
  order.begin('a');
  order.take(come('b', 60, 0));
  order.take(come('a', 52, 51));
  t.same(log, ['60', '52']);
  order.take(come('a', 54, 53));
  t.same(log, ['60', '52'], 'but what is behind the first one does');
  order.take(come('a', 53, 52));
  t.same(log, ['60', '52', '53', '54']);
  order.begin('c');
  settle(order);
  order.take(come('b', 70, 60));
  settle(order);
  order.take(come('b', 80, 70));
  settle(order);
  order.take(come('c', 90, 85));
  t.equal(order.waiting, 1, 'and what was stored since then has to come');
});

t.test(
  'nor, of an id that was not heard of, where it may be one of very many that it asked for',
  async (t) => {
    const { order, log } = orderAt(40);
    for (let n = 0; n <= freshMax; n++) order.begin(`n/${n}`);
    order.take(come('a', 52, 51));
    order.take(come('a', 54, 53));
    t.same(log, ['52'], 'of one that was heard of it does');
    const wild = orderAt(40);
    wild.order.begin(undefined);
    wild.order.take(come('a', 52, 51));
    t.same(wild.log, ['52']);
  },
);

t.test(
  'where the one before does not come, that is told before anything from behind it is out',
  async (t) => {
    const { order, log } = orderAt(40);
    order.take(come('a', 43, 42));
    order.take(come('a', 44, 43));
    order.take(come('b', 46, 45));
    order.take(come('a', 48, 47));
    order.tick(performance.now());
    t.same(log, []);
    order.tick(later());
    t.same(log, ['-a,b', '43', '44', '46', '48'], 'each once, and in order');
    order.take(come('a', 42, 41));
    t.same(log.slice(5), ['-a'], 'one that comes then is left out, and that is told');
    t.same([order.late, order.waiting], [1, 0]);
  },
);

t.test('where all is read from the stream anew, it is told to nobody, and comes from there', async (t) => {
  const { order, log } = orderAt(40, () => true);
  order.take(come('a', 41, 30));
  order.take(come('a', 44, 43));
  order.take(come('b', 45, 0));
  settle(order);
  t.ok(order.settled < 43, `what is waited for is not settled: ${order.settled}`);
  order.tick(later());
  t.same(log, ['41', '45']);
  for (const [id, sequence] of [
    ['a', 41] as const,
    ['a', 43] as const,
    ['a', 44] as const,
    ['b', 45] as const,
  ])
    order.takeRead(come(id, sequence, 0));
  order.restart(46);
  t.same(log, ['41', '45', '43', '44']);
  order.take(come('a', 47, 44));
  t.same(log.slice(4), ['47']);
});

t.test('what was read from the stream is no late one when it comes', async (t) => {
  const { order, log, old } = orderAt(40);
  order.restart(50);
  order.take(come('a', 49, 45));
  t.same([log, order.late, old()], [[], 0, 1], 'though the stream may be another, which counts from 1');
});

t.test('a copy that comes behind newer ones is a copy still', async (t) => {
  const { order, log } = orderAt(40);
  order.take(come('a', 41, 40));
  order.take(come('a', 42, 41));
  order.take(come('a', 41, 40));
  t.same([log, order.late], [['41', '42'], 0]);
});

t.test('what came a while ago is settled: a cursor may point behind it, whatever the id', async (t) => {
  const { order, log } = orderAt(40);
  order.take(come('a', 50, 0));
  order.tick(performance.now());
  t.equal(order.settled, 40);
  order.tick(performance.now());
  t.equal(order.settled, 50);
  order.pass(60);
  order.confirm(55);
  t.equal(order.settled, 55, 'and a mark settles what is before it');
  order.confirm(52);
  t.equal(order.settled, 55);
  order.take(come('b', 57, 54));
  t.same(log, ['50', '57'], 'it waits for nothing that is settled');
  order.take(come('c', 54, 0));
  t.same([log.slice(2), order.late], [['-c'], 1], 'and what comes though it is settled is told');
});

t.test('the last one of an id is known until that is settled', async (t) => {
  const { order } = orderAt(40);
  order.take(come('a', 50, 0));
  settle(order);
  t.equal(order.lastOf('a'), 50);
  order.take(come('b', 60, 0));
  for (let n = 0; n < 4; n++) order.tick(performance.now());
  order.take(come('b', 70, 60));
  for (let n = 0; n < 4; n++) order.tick(performance.now());
  t.equal(order.lastOf('a'), 0, 'and forgotten then');
  t.ok(order.settled >= 60);
});

t.test('who has read an id up to a place gets what waits behind it, and nothing twice', async (t) => {
  const { order, log } = orderAt(40);
  order.take(come('a', 43, 42));
  order.take(come('a', 47, 45));
  order.take(come('a', 51, 50));
  order.know('a', 46);
  t.same(log, ['43', '47']);
  order.take(come('a', 50, 47));
  t.same(log, ['43', '47', '50', '51']);
  order.take(come('a', 45, 43));
  t.same(log.slice(4), ['-a'], 'who had not read it is told of one that comes after all');
});

t.test('no more wait than there is room for: then that is as if they had waited in vain', async (t) => {
  const many = orderAt(40);
  many.order.take(come('a', 43, 42));
  for (let n = 1; n < earlyMessagesMax; n++) many.order.take(come(`n/${n}`, 100 + 2 * n, 99 + 2 * n));
  t.same([many.log, many.order.waiting], [[], earlyMessagesMax]);
  const over = 100 + 2 * earlyMessagesMax;
  many.order.take(come('a', over, over - 1));
  t.same(many.log, ['-a', '43', String(over)]);
  t.equal(many.order.waiting, earlyMessagesMax - 1);
  const large = orderAt(40);
  const bytes = earlyBytesMax / 4;
  for (let n = 1; n <= 4; n++) large.order.take(come('a', 40 + 2 * n, 39 + 2 * n, bytes));
  t.equal(large.order.waiting, 4);
  large.order.take(come('b', 60, 59));
  t.same(large.log, ['-b', '60']);
  large.order.take(come('a', 41, 0));
  large.order.take(come('b', 62, 61, bytes));
  t.equal(large.order.waiting, 4, 'and there is room again where one has gone');
});

t.test(
  'as nothing is late by more than it waits, all is out in the order of its id, and nothing is told',
  async (t) => {
    const random = new SeededRandom();
    t.comment(`ENCKE_TEST_SEED=${random.seed} repeats this`);
    const { order, log } = orderAt(0);
    const stored: Come[] = [];
    const lastOf = new Map<string, number>();
    for (let sequence = 1; sequence <= 20_000; sequence++) {
      const id = `u${random.below(random.pick([3, 300]))}`;
      stored.push(come(id, sequence, lastOf.get(id) ?? 0));
      lastOf.set(id, sequence);
    }
    const coming = stored
      .flatMap((one) => Array.from({ length: 1 + random.below(2) }, () => one))
      .map((one) => ({ one, at: one.sequence + (random.chance(0.1) ? random.below(20) : 0) }))
      .sort((a, b) => a.at - b.at);
    for (const [n, { one }] of coming.entries()) {
      order.take(one);
      if (n % 500 === 0) order.tick(performance.now());
    }
    t.ok(order.reordered > 100, `${order.reordered} came too early`);
    t.equal(order.late, 0);
    const out = log.map(Number);
    t.same(
      [...out].sort((a, b) => a - b),
      stored.map(({ sequence }) => sequence),
    );
    const seen = new Map<string, number>();
    const ordered = out.every((sequence) => {
      const { id, last } = stored[sequence - 1]!;
      const inOrder = (seen.get(id) ?? 0) === last;
      seen.set(id, sequence);
      return inOrder;
    });
    t.ok(ordered);
  },
);
