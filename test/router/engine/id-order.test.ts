import t from 'tap';
import { earlyBytesMax, earlyMessagesMax } from '../../../router/engine/nats/early-messages.js';
import { type Come, IdOrder, recentMax, waitMs } from '../../../router/engine/nats/id-order.js';
import { SeededRandom } from '../../seeded-random.js';

const turnMs = 1_000;

/** What comes out, in its order, and whose loss is told. */
class Heard {
  readonly out: string[] = [];
  readonly lacking: string[] = [];
  /** Ids that somebody is logged in as. */
  readonly exact = new Set<string>();
  readonly order: IdOrder;
  nowMs = performance.now();

  constructor(position = 0) {
    this.order = new IdOrder(position, turnMs, {
      handOut: ({ id, sequence }) => this.out.push(`${id}${sequence}`),
      onMissing: (id) => this.lacking.push(`${id} after ${this.out.length}`),
      onLate: (id) => this.lacking.push(`${id} late`),
      isExact: (id) => this.exact.has(id),
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

  /** Ticks as a node that does not stand still has them. */
  wait(ms: number): this {
    const beganMs = performance.now();
    for (let waitedMs = 250; waitedMs < ms; waitedMs += 250) this.order.tick(beganMs + waitedMs);
    this.order.tick(beganMs + ms);
    return this;
  }
}

function come(
  id: string,
  sequence: number,
  last: number,
  data: Uint8Array = Buffer.from(`${sequence}`),
): Come {
  return { id, sequence, last, data };
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
    heard.wait(waitMs - 100);
    t.same(heard.out, ['a1'], 'it waits');
    heard.wait(waitMs + 100);
    t.same(heard.out, ['a1', 'b4', 'a5', 'a6']);
    t.same(heard.lacking.sort(), ['a after 2', 'b after 1']);
  },
);

t.test('one that comes behind its successor is left out and told', async (t) => {
  const heard = new Heard().turn(2).take(['a', 1, 0], ['a', 5, 3]);
  heard.wait(waitMs + 100);
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
  const quick = new IdOrder(0, 10, {
    handOut: () => {},
    onMissing: () => {},
    onLate: () => {},
    isExact: () => false,
  });
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

t.test(`past ${earlyMessagesMax} that wait, one is told and handed out at once`, async (t) => {
  const heard = new Heard();
  for (let n = 1; n <= earlyMessagesMax; n++) heard.take([`id-${n}-`, n * 2, n * 2 - 1]);
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

t.test(
  `past ${earlyBytesMax} bytes that wait, too, with all that waits of its id; and they own their bytes`,
  async (t) => {
    const heard = new Heard();
    const quarter = Buffer.alloc(earlyBytesMax / 4);
    for (let n = 1; n <= 4; n++) heard.order.take(come('a', n * 2, n * 2 - 1, quarter));
    heard.take(['b', 12, 11]);
    t.same([heard.out, heard.order.waiting], [['b12'], 4]);
    heard.take(['a', 10, 9]);
    t.same([heard.out.slice(1), heard.order.waiting], [['a2', 'a4', 'a6', 'a8', 'a10'], 0]);
    t.same(heard.lacking, ['b after 0', ...[1, 2, 3, 4, 5].map((after) => `a after ${after}`)]);
    const data = Buffer.from('one');
    const outs: string[] = [];
    const handOut = ({ data }: Come) => outs.push(Buffer.from(data).toString());
    const order = new IdOrder(0, turnMs, {
      handOut,
      onMissing: () => {},
      onLate: () => {},
      isExact: () => false,
    });
    order.take(come('a', 2, 1, data));
    data.write('two');
    order.take(come('a', 1, 0));
    t.same(outs, ['1', 'one']);
  },
);

t.test('a copy that comes behind newer ones is a copy still, and no loss', async (t) => {
  const heard = new Heard().turn(2).take(['a', 41, 0], ['a', 42, 41], ['a', 41, 0]);
  t.same(heard.out, ['a41', 'a42']);
  t.same([heard.lacking, heard.order.late], [[], 0]);
});

t.test('those that wait in vain together are each out once', async (t) => {
  const heard = new Heard().take(['a', 4, 3], ['a', 5, 4], ['a', 6, 5]);
  heard.wait(waitMs + 100);
  t.same(heard.out, ['a4', 'a5', 'a6']);
  t.same(heard.lacking, ['a after 0'], 'and told once');
});

t.test('what is out is known for as long as it may be read again', async (t) => {
  const out: number[] = [];
  const handOut = ({ sequence }: Come) => out.push(sequence);
  // Turns that are quicker than the wait.
  const order = new IdOrder(0, 10, { handOut, onMissing: () => {}, onLate: () => {}, isExact: () => false });
  for (const one of [come('b', 1, 0), come('a', 30, 20), come('b', 40, 1)]) order.take(one);
  for (let n = 1; n <= 6; n++) order.tick(performance.now() + n * 20);
  t.equal(order.settled, 19);
  for (const one of [come('a', 20, 0), come('a', 30, 0), come('b', 40, 0)]) order.takeRead(one);
  t.same(out, [1, 40, 20, 30], 'each once');
});

t.test(
  'whatever order they come in, each is out once and in the order of its id, and nothing is told',
  async (t) => {
    const random = new SeededRandom();
    t.comment(`ENCKE_TEST_SEED=${random.seed} repeats this`);
    const heard = new Heard().turn(2);
    const stored: Come[] = [];
    const lastOf = new Map<string, number>();
    for (let sequence = 1; sequence <= 20_000; sequence++) {
      const id = `u${random.below(random.pick([3, 300]))}-`;
      stored.push(come(id, sequence, lastOf.get(id) ?? 0));
      lastOf.set(id, sequence);
    }
    const coming = stored
      .flatMap((one) => Array.from({ length: 1 + random.below(2) }, () => one))
      .map((one) => ({ one, at: one.sequence + (random.chance(0.1) ? random.below(20) : 0) }))
      .sort((a, b) => a.at - b.at);
    for (const [n, { one }] of coming.entries()) {
      heard.order.take(one);
      if (n % 100 === 0 && heard.order.waiting === 0) heard.turn(); // a turn is far longer than the wait
    }
    t.ok(heard.order.reordered > 100, `${heard.order.reordered} came too early`);
    t.same([heard.lacking, heard.order.late, heard.order.waiting], [[], 0, 0]);
    const places = heard.out.map((text) => stored[Number(text.split('-')[1]) - 1]!);
    t.equal(new Set(places).size, stored.length);
    t.equal(places.length, stored.length);
    const seen = new Map<string, number>();
    const outOfOrder = places.filter(({ id, sequence, last }) => {
      const before = seen.get(id) ?? 0;
      seen.set(id, sequence);
      return before !== last;
    });
    t.same(outOfOrder, []);
  },
);

t.test(
  'what somebody has read, and had not come yet, is out for all, and its copy comes to nobody',
  async (t) => {
    const heard = new Heard().turn(2).take(['a', 1, 0], ['a', 6, 5]);
    heard.order.know('a', 7, [come('a', 3, 0), come('a', 5, 0), come('a', 6, 0)], 1);
    t.same(heard.out, ['a1', 'a3', 'a5', 'a6']);
    heard.take(['a', 8, 6]);
    t.same(heard.out.slice(4), ['a8'], 'and what is behind it follows');
    t.same(heard.lacking, []);
    heard.order.know('a', 20, [come('a', 18, 0)], 15);
    t.same(
      [heard.out.slice(5), heard.lacking],
      [['a18'], ['a after 5']],
      'where that was too much, it is told',
    );
  },
);

t.test('who begins with an id that others are for does not let what they wait for go', async (t) => {
  const heard = new Heard().turn(2).take(['a', 1, 0]);
  heard.order.begin('a', 10);
  heard.take(['a', 12, 9]);
  t.same(heard.out, ['a1']);
  heard.take(['a', 9, 1]);
  t.same(heard.out, ['a1', 'a9', 'a12']);
});

t.test('where nobody was left for an id, who begins anew waits for nothing from between', async (t) => {
  const heard = new Heard().turn(2).take(['a', 1, 0]);
  heard.order.end('a');
  t.equal(heard.order.positionOf('a'), 1, 'and no cursor goes back');
  heard.order.takeRead(come('a', 1, 0));
  heard.order.begin('a', 10);
  heard.take(['a', 12, 9]);
  t.same(heard.out, ['a1', 'a12']);
  t.same(heard.lacking, []);
});

t.test('what waits when somebody begins behind it goes out: it may be for them', async (t) => {
  const heard = new Heard().take(['a', 12, 9], ['b', 14, 8]);
  t.same(heard.out, []);
  heard.order.begin('a', 13);
  t.same(heard.out, ['a12']);
  heard.order.beginFilter(15);
  t.same(heard.out, ['a12', 'b14']);
  t.same(heard.lacking, []);
});

t.test('a filter that was left and one that begins later leave no gap in what neither was for', async (t) => {
  const heard = new Heard().take(['a', 1, 0], ['b', 2, 0]);
  heard.order.endFilter();
  heard.order.beginFilter(20);
  heard.take(['a', 21, 9]);
  t.same(heard.out, ['a1', 'b2', 'a21']);
  heard.order.begin('b', 24);
  heard.take(['b', 25, 22]);
  t.same(heard.out, ['a1', 'b2', 'a21', 'b25'], 'with an id as with a filter');
  heard.take(['a', 29, 27]);
  t.same(heard.out, ['a1', 'b2', 'a21', 'b25'], 'but what is sent from then on is waited for');
  heard.take(['a', 27, 21]);
  t.same(heard.out, ['a1', 'b2', 'a21', 'b25', 'a27', 'a29']);
  t.same(heard.lacking, []);
});

t.test('a filter that is left changes nothing for ids that are heard of behind it', async (t) => {
  const heard = new Heard().take(['a', 1, 0]);
  heard.order.endFilter();
  heard.take(['a', 5, 1]);
  heard.order.beginFilter(9);
  heard.take(['a', 8, 7], ['a', 7, 5]);
  t.same(heard.out, ['a1', 'a5', 'a7', 'a8']);
  t.same(heard.lacking, []);
});

t.test('a node that stood still reads what has come meanwhile before it takes it for missing', async (t) => {
  const heard = new Heard().take(['a', 1, 0], ['a', 5, 3]);
  heard.order.tick(performance.now() + waitMs * 5);
  heard.take(['a', 3, 1]);
  t.same(heard.out, ['a1', 'a3', 'a5']);
  t.same(heard.lacking, []);
});

t.test('a filter that is left changes nothing for who is logged in as the id itself', async (t) => {
  const heard = new Heard().take(['a', 1, 0]);
  heard.exact.add('a');
  heard.take(['b', 5, 0]);
  heard.order.endFilter();
  heard.order.beginFilter(9);
  heard.take(['a', 10, 7]);
  t.same(heard.out, ['a1', 'b5'], 'the one before it is waited for');
  heard.wait(waitMs + 100);
  t.same(heard.out, ['a1', 'b5', 'a10']);
  t.same(heard.lacking, ['a after 2'], 'and told');
});
