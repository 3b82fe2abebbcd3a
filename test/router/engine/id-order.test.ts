import t from 'tap';
import { type Come, earlyMax, IdOrder, recentMax, waitMs } from '../../../router/engine/nats/id-order.js';

const turnMs = 1_000;

/** What comes out, in its order, and whose loss is told. */
class Heard {
  readonly out: string[] = [];
  readonly lacking: string[] = [];
  readonly order: IdOrder;
  nowMs = performance.now();

  constructor(position = 0) {
    this.order = new IdOrder(position, turnMs, {
      handOut: ({ id, sequence }) => this.out.push(`${id}${sequence}`),
      onMissing: (id) => this.lacking.push(`${id} after ${this.out.length}`),
      onLate: (id) => this.lacking.push(`${id} late`),
    });
  }

  take(...all: [id: string, sequence: number, last: number][]): this {
    for (const [id, sequence, last] of all) this.order.take(come(id, sequence, last));
    return this;
  }

  /** What was read at the beginning is known for two turns; after them what comes late is late. */
  turn(times = 1): this {
    for (let n = 0; n < times; n++) {
      this.nowMs += turnMs * 2;
      this.order.tick(this.nowMs);
    }
    return this;
  }
}

function come(id: string, sequence: number, last: number): Come {
  return { id, sequence, last, data: Buffer.from(`${sequence}`) };
}

t.test('each id has its order, and is not held up by others', async (t) => {
  const heard = new Heard().take(['a', 1, 0], ['b', 4, 2], ['a', 3, 1], ['b', 2, 0], ['b', 5, 4]);
  t.same(heard.out, ['a1', 'a3', 'b2', 'b4', 'b5']);
  t.equal(heard.order.reordered, 1);
});

t.test('a chain that comes from its end comes out from its beginning', async (t) => {
  const heard = new Heard().take(['a', 1, 0], ['a', 9, 7], ['a', 7, 4], ['a', 4, 1]);
  t.same(heard.out, ['a1', 'a4', 'a7', 'a9']);
});

t.test('copies come out once, of what is out, of what waits, and of what was read', async (t) => {
  const heard = new Heard(10).take(['a', 10, 9], ['a', 11, 10], ['a', 11, 10], ['a', 14, 12], ['a', 14, 12]);
  heard.take(['a', 12, 11], ['a', 14, 12]);
  t.same(heard.out, ['a11', 'a12', 'a14']);
  t.same(heard.lacking, []);
  t.equal(heard.order.late, 0);
});

t.test(
  'one that does not come is told before its successor is out, and what waits for that follows',
  async (t) => {
    const heard = new Heard().take(['a', 1, 0], ['a', 5, 3], ['a', 6, 5], ['b', 4, 2]);
    heard.order.tick(performance.now() + waitMs - 100);
    t.same(heard.out, ['a1'], 'it waits');
    heard.order.tick(performance.now() + waitMs + 100);
    t.same(heard.out, ['a1', 'b4', 'a5', 'a6']);
    t.same(heard.lacking.sort(), ['a after 2', 'b after 1']);
  },
);

t.test('one that comes behind its successor is left out and told', async (t) => {
  const heard = new Heard().turn(2).take(['a', 1, 0], ['a', 5, 3]);
  heard.order.tick(performance.now() + waitMs + 100);
  heard.lacking.length = 0;
  heard.take(['a', 3, 1]);
  t.same(heard.out, ['a1', 'a5']);
  t.same(heard.lacking, ['a late']);
  t.equal(heard.order.late, 1);
});

t.test('a position is settled two turns after it came: until then older ones are taken', async (t) => {
  const heard = new Heard().turn(2).take(['a', 50, 0]);
  heard.turn();
  t.equal(heard.order.settled, 0);
  heard.take(['b', 49, 0]);
  heard.turn();
  t.equal(heard.order.settled, 50);
  heard.take(['c', 48, 0]);
  t.same(heard.out, ['a50', 'b49']);
  t.same(heard.lacking, ['c late']);
  t.equal(heard.order.late, 1);
});

t.test('nothing that is waited for is settled', async (t) => {
  const heard = new Heard().take(['a', 1, 0], ['a', 30, 20], ['b', 40, 0]);
  // Turns that are quicker than the wait, as of a stream whose messages live for 2 s.
  const quick = new IdOrder(0, 10, { handOut: () => {}, onMissing: () => {}, onLate: () => {} });
  for (const one of [come('a', 1, 0), come('a', 30, 20), come('b', 40, 0)]) quick.take(one);
  for (let n = 1; n <= 4; n++) quick.tick(performance.now() + n * 20);
  t.equal(quick.settled, 19);
  quick.take(come('a', 20, 1));
  for (let n = 5; n <= 8; n++) quick.tick(performance.now() + n * 20);
  t.equal(quick.settled, 40);
  t.same(heard.lacking, []);
});

t.test(
  'the position of an id is its last message, or where somebody began, or what is settled',
  async (t) => {
    const heard = new Heard(7).take(['a', 12, 0]);
    heard.order.begin('b', 14);
    t.equal(heard.order.positionOf('a'), 12);
    t.equal(heard.order.positionOf('b'), 14);
    t.equal(heard.order.positionOf('c'), 7);
    heard.order.begin('a', 11);
    t.equal(heard.order.positionOf('a'), 12);
    heard.order.pass(20);
    heard.turn(2);
    for (const id of ['a', 'b', 'c']) t.equal(heard.order.positionOf(id), 20);
  },
);

t.test('who has just begun does not wait for what was before, with an id or a filter', async (t) => {
  const heard = new Heard();
  heard.order.begin('a', 10);
  heard.take(['a', 11, 9], ['b', 12, 8]);
  t.same(heard.out, ['a11']);
  heard.order.beginFilter(10);
  t.same(heard.out, ['a11', 'b12'], 'be it known a moment later');
  heard.take(['c', 14, 10], ['a', 17, 15]);
  t.same(heard.out, ['a11', 'b12', 'c14'], 'but what is behind it is waited for');
});

t.test(
  'what was before, and comes after somebody has begun, is handed out: others may want it',
  async (t) => {
    const heard = new Heard();
    heard.order.begin('a', 10);
    heard.take(['a', 9, 4], ['a', 11, 9]);
    t.same(heard.out, ['a9', 'a11']);
    t.same(heard.lacking, []);
  },
);

t.test('what was read up to a position is not waited for, nor taken again', async (t) => {
  const heard = new Heard().take(['a', 1, 0], ['a', 6, 5], ['a', 9, 8]);
  heard.order.know('a', 7);
  t.same(heard.out, ['a1', 'a6']);
  heard.take(['a', 8, 6]);
  t.same(heard.out, ['a1', 'a6', 'a8', 'a9']);
});

t.test(
  'after a catching up all begins at its end; what was read then and still comes is no loss',
  async (t) => {
    const heard = new Heard().turn(2).take(['a', 5, 0], ['a', 9, 7]);
    heard.order.restart(40);
    heard.take(['a', 39, 9], ['b', 40, 0], ['a', 42, 39]);
    t.same(heard.out, ['a5', 'a42']);
    t.same(heard.lacking, []);
    t.equal(heard.order.settled, 40);
    heard.turn(2).take(['b', 30, 0]);
    t.same(heard.lacking, ['b late'], 'two turns later it is one');
  },
);

t.test(`past ${earlyMax} that wait, one is told and handed out at once`, async (t) => {
  const heard = new Heard();
  for (let n = 1; n <= earlyMax; n++) heard.take([`id-${n}-`, n * 2, n * 2 - 1]);
  t.equal(heard.out.length, 0);
  heard.take(['a', 100_001, 100_000]);
  t.same(heard.out, ['a100001']);
  t.same(heard.lacking, ['a after 0']);
});

t.test(`past ${recentMax} ids with messages since the last turn it turns sooner`, async (t) => {
  const heard = new Heard();
  for (let n = 1; n <= recentMax + 1; n++) heard.take([`id-${n}-`, n, 0]);
  heard.order.tick(performance.now());
  heard.order.tick(performance.now());
  t.equal(heard.order.settled, 0, 'the second has nothing new, and waits for its time');
  heard.turn();
  t.equal(heard.order.settled, recentMax + 1);
});
