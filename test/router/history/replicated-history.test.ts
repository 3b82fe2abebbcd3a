import t from 'tap';
import { History } from '../../../router/history/history.js';
import { HistoryRules } from '../../../router/history/history-rules.js';
import type { Loaded } from '../../../router/history/loaded-id.js';
import { type HistorySource, ReplicatedHistory } from '../../../router/history/replicated-history.js';
import { Message } from '../../../router/message.js';
import { until } from '../../until.js';

/** Outside of the process: what is kept there, and loads that end when the test says so. */
class Source implements HistorySource {
  epoch = 'first';
  place = 0;
  kept: Message[] = [];
  readonly holds = new Map<string, number>();
  /** Of the loads that are under way, in the order in which they were asked for. */
  readonly loads: { id: string; offset: number; end(loaded: Loaded | undefined): void }[] = [];
  begins: (() => void)[] = [];

  position(): number {
    return this.place;
  }

  hold(id: string): void {
    this.holds.set(id, (this.holds.get(id) ?? 0) + 1);
  }

  release(id: string): void {
    const left = this.holds.get(id)! - 1;
    if (left === 0) this.holds.delete(id);
    else this.holds.set(id, left);
  }

  begin(): Promise<void> {
    return new Promise((resolve) => this.begins.push(resolve));
  }

  load(_rule: number, id: string, offset: number): Promise<Loaded | undefined> {
    return new Promise((end) => this.loads.push({ id, offset, end }));
  }

  /** Ends the oldest load with what is kept now. */
  async answer(floor = 0): Promise<void> {
    const { id, offset, end } = this.loads.shift()!;
    const messages = this.kept.filter((message) => message.id === id && message.offset > offset);
    end({ messages, floor: Math.max(offset, floor), position: this.place });
    await turn();
  }

  async fail(): Promise<void> {
    this.loads.shift()!.end(undefined);
    await turn();
  }
}

const turn = () => new Promise(setImmediate);
const bytesMax = 1_000_000;

function storeOf({ messages = 100, ageSec = 60, bytes = bytesMax } = {}) {
  const source = new Source();
  const rules = new HistoryRules([
    { filter: 'none/#', messages: 0, ageSec: 0 },
    { filter: '#', messages, ageSec },
  ]);
  const store = new ReplicatedHistory(rules, source, bytes);
  const history = new History(store);
  /** By any node; it comes here where the id is held, or somebody is logged in. */
  const publish = (id: string, count = 1, payload = Buffer.from('x')) => {
    for (let n = 0; n < count; n++) {
      const message = new Message(id, payload, 0, 0, false, ++source.place);
      source.kept.push(message);
      if (source.holds.has(id)) store.append(message);
    }
  };
  const resume = (ids: readonly string[], offsets: readonly number[], epoch = source.epoch) => {
    const asked = { recovered: undefined as boolean | undefined, offsets: [] as number[] };
    const from = { epoch, offsets };
    history.prepare(ids, from, () => {
      const { recovered, messages } = history.resume(ids, from, 1_000);
      Object.assign(asked, { recovered, offsets: messages.map(({ offset }) => offset) });
    });
    return asked;
  };
  return { source, store, history, publish, resume };
}

t.test(
  'loaded messages and those that arrive meanwhile are one sequence, without a gap or a duplicate',
  async (t) => {
    const { source, publish, resume } = storeOf();
    publish('a', 3);
    const asked = resume(['a'], [1]);
    publish('a', 2);
    publish('b');
    t.equal(asked.recovered, undefined);
    await source.answer();
    t.same(asked, { recovered: true, offsets: [2, 3, 4, 5] });
    publish('a');
    const again = resume(['a'], [3]);
    t.same(again, { recovered: true, offsets: [4, 5, 7] }, 'who comes then is answered at once');
    t.equal(source.loads.length, 0);
  },
);

t.test(
  'a resume that needs less than is being loaded waits for that; one that needs more loads it',
  async (t) => {
    const { source, publish, resume } = storeOf();
    publish('a', 5);
    const [some, less, more] = [resume(['a'], [2]), resume(['a'], [4]), resume(['a'], [0])];
    t.same(
      source.loads.map(({ offset }) => offset),
      [2, 0],
    );
    await source.answer();
    t.same([some.offsets, less.offsets, more.offsets], [[3, 4, 5], [5], []]);
    await source.answer();
    t.same(more.offsets, [1, 2, 3, 4, 5]);
  },
);

t.test('a cursor of a node that is further waits until this one is there, too', async (t) => {
  const { source, publish, resume } = storeOf();
  publish('a', 3);
  const first = resume(['a'], [0]);
  await source.answer();
  t.same(first.offsets, [1, 2, 3]);
  const ahead = resume(['a'], [5]);
  t.equal(source.loads.length, 1);
  publish('a', 3);
  await source.answer();
  t.same(ahead, { recovered: true, offsets: [6] });
});

t.test('a gap is told, and the remaining messages are given', async (t) => {
  const { source, publish, resume } = storeOf();
  publish('a', 6);
  const asked = resume(['a'], [2]);
  await source.answer(4);
  t.same(asked, { recovered: false, offsets: [5, 6] });
});

t.test('where Redis goes away while some ids are loaded, the others are loaded anew', async (t) => {
  const { source, store, publish, resume } = storeOf();
  publish('a', 2);
  publish('b', 2);
  const asked = resume(['a', 'b'], [0, 0]);
  await source.answer();
  store.forgetAll();
  publish('a');
  await source.answer();
  t.equal(asked.recovered, undefined, 'a is no longer complete');
  t.same(
    source.loads.map(({ id }) => id),
    ['a', 'b'],
  );
  await source.answer();
  await source.answer();
  t.same(asked, { recovered: true, offsets: [1, 2, 3, 4, 5] });
});

t.test('a load from before Redis went away is not joined to what has come since', async (t) => {
  const { source, store, publish, resume } = storeOf();
  publish('a', 2);
  const asked = resume(['a'], [0]);
  const early = { messages: [...source.kept], floor: 0, position: 2 };
  store.forgetAll();
  source.holds.clear(); // nothing comes while it is away
  publish('a', 2);
  source.hold('a');
  publish('a');
  source.loads.shift()!.end(early);
  await turn();
  t.equal(asked.recovered, undefined);
  await source.answer();
  t.same(asked, { recovered: true, offsets: [1, 2, 3, 4, 5] });
});

t.test('it is not tried for ever: then it is told that something may be gone', async (t) => {
  const { source, store, publish, resume } = storeOf();
  publish('a', 2);
  const asked = resume(['a'], [0]);
  const startedMs = performance.now();
  while (source.loads.length > 0) {
    store.forgetAll();
    await source.answer();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const tookMs = performance.now() - startedMs;
  t.ok(tookMs >= 4_900 && tookMs < 9_000, `for 5 s: ${Math.round(tookMs)} ms`);
  t.same(asked, { recovered: false, offsets: [] });
  const failed = resume(['a'], [0]);
  await source.fail();
  t.same(failed, { recovered: false, offsets: [] });
  const back = resume(['a'], [0]);
  await source.answer();
  t.same(back, { recovered: true, offsets: [1, 2] }, 'and the next one is answered right');
});

t.test('a load that fails takes nothing from who waits for another of the same id', async (t) => {
  const { source, publish, resume } = storeOf();
  publish('a', 3);
  const [some, more] = [resume(['a'], [1]), resume(['a'], [0])];
  await source.fail();
  t.equal(some.recovered, false);
  publish('a');
  await source.answer();
  t.same(more, { recovered: true, offsets: [1, 2, 3, 4] });
});

t.test("a resume that waits for another one's load has its own time when that one is over", async (t) => {
  const { source, publish, resume } = storeOf();
  publish('a', 3);
  const startedMs = performance.now();
  const first = resume(['a'], [0]);
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  const [second, third] = [resume(['a'], [0]), resume(['a'], [2])];
  t.equal(source.loads.length, 1);
  await until('the time of the first is over', () => performance.now() - startedMs >= 5_050);
  await source.fail();
  t.equal(first.recovered, false);
  t.same([second.recovered, third.recovered], [undefined, undefined]);
  t.equal(source.loads.length, 1, 'one of them for both');
  await source.answer();
  t.same(second, { recovered: true, offsets: [1, 2, 3] });
  t.same(third, { recovered: true, offsets: [3] });
});

t.test('a resume that waits for a load that is given up, as at the end, is told at once', async (t) => {
  const { source, publish, resume } = storeOf();
  publish('a', 3);
  const all = [resume(['a'], [0]), resume(['a'], [0]), resume(['a'], [2])];
  await source.fail();
  t.same(
    all.map(({ recovered }) => recovered),
    [false, false, false],
  );
  t.equal(source.loads.length, 0);
});

t.test('a stream that is made anew while an id is loaded is another epoch', async (t) => {
  const { source, store, publish, resume } = storeOf();
  publish('a', 2);
  const asked = resume(['a'], [1]);
  Object.assign(source, { epoch: 'second', place: 0, kept: [] });
  store.forgetAll();
  publish('a', 1);
  await source.answer();
  await source.answer();
  t.same(asked, { recovered: false, offsets: [1] }, 'all that is there, and the cursor was of the first');
});

t.test(
  'a client that wants new messages waits until they arrive here, and holds nothing after that',
  async (t) => {
    const { source, history } = storeOf();
    let ready = false;
    history.prepare(['a', 'none/b'], { since: 'now' }, () => {
      ready = true;
    });
    t.same([[...source.holds.keys()], ready], [['a', 'none/b'], false], 'an id without history, too');
    for (const begun of source.begins) begun();
    await turn();
    t.same([source.holds.size, ready], [0, true]);
  },
);

t.test('an id is held for half of its age, 30 s at most, and no longer', async (t) => {
  for (const [ageSec, heldMs] of [
    [10, 5_000],
    [3_600, 30_000],
  ]) {
    const { source, store, publish, resume } = storeOf({ ageSec: ageSec! });
    store.tick(1_000);
    publish('a');
    resume(['a'], [0]);
    await source.answer();
    store.tick(1_000 + heldMs! - 1);
    t.equal(source.holds.size, 1);
    store.tick(1_000 + heldMs!);
    t.equal(source.holds.size, 0);
    t.same(store.stats(), {
      ids: 0,
      messages: 0,
      bytes: 0,
      reservedBytes: 0,
      evicted: store.stats().evicted,
    });
  }
});

t.test('bytes have a limit: what was loaded longest ago goes, but not from under who waits', async (t) => {
  const { source, store, publish, resume } = storeOf({ bytes: 1_000 });
  for (const id of ['a', 'b', 'c']) publish(id, 4, Buffer.alloc(100));
  const both = resume(['a', 'b'], [0, 0]);
  await source.answer();
  await source.answer();
  t.same(both.offsets, [1, 2, 3, 4, 5, 6, 7, 8]);
  const third = resume(['c'], [0]);
  await source.answer();
  t.same(third.offsets, [9, 10, 11, 12]);
  t.same([[...source.holds.keys()], store.stats().bytes], [['b', 'c'], 800]);
  publish('c', 20, Buffer.alloc(100));
  t.same([[...source.holds.keys()], store.stats().bytes], [['c'], 1_000]);
  const cut = resume(['c'], [12]);
  t.same([cut.recovered, cut.offsets.length, cut.offsets[0]], [false, 10, 23]);
});

t.test('of an id no more is held than its rule says', async (t) => {
  const { source, store, publish, resume } = storeOf({ messages: 3 });
  publish('a', 2);
  resume(['a'], [0]);
  await source.answer();
  publish('a', 2);
  t.equal(store.stats().messages, 3);
  t.same(resume(['a'], [1]), { recovered: true, offsets: [2, 3, 4] });
  const behind = resume(['a'], [0]);
  t.same(behind, { recovered: false, offsets: [2, 3, 4] });
});

t.test('no more ids are loaded at a time than the source is asked for', async (t) => {
  const { source, publish, resume } = storeOf();
  const all = Array.from({ length: 300 }, (_, n) => {
    publish(`n/${n}`);
    return resume([`n/${n}`], [0]);
  });
  t.equal(source.loads.length, 128);
  for (let n = 0; n < 300; n++) await source.answer();
  t.equal(all.filter(({ recovered, offsets }) => recovered && offsets.length === 1).length, 300);
});
