import t from 'tap';
import { type FlowTotal, InflightEntry, Message, retainSet, type SessionStore } from '../../router/index.js';

/** The contract of every session store; see router/session/session-store.ts. @param open makes a new, empty store */
export function sessionStoreContract(name: string, open: () => SessionStore): void {
  const setUp = () => {
    const store = open();
    const total: FlowTotal = { bytes: 0 };
    return { store, total, flow: store.create('client', false, total) };
  };

  t.test(`${name}: a new store has nothing from before, and a new flow is empty`, async (t) => {
    const { store, total, flow } = setUp();
    t.same([...open().restore(total)], []);
    t.equal(flow.empty, true);
    t.same([flow.inflight, flow.queued, flow.queuedQos0, flow.queuedBytes, flow.awaiting], [0, 0, 0, 0, 0]);
    t.same([...flow.entries()], []);
    t.equal(flow.head, undefined);
    t.equal(flow.dequeue(), undefined);
    t.equal(flow.entry(1), undefined);
    t.equal(flow.endAwaiting(1), false);
    t.equal(flow.expireAwaiting(1e9), 0);
    store.remove('client', flow);
    t.equal(total.bytes, 0);
  });

  t.test(`${name}: entries of the window come in the order in which they were sent`, async (t) => {
    const { flow } = setUp();
    const entries = [5, 65_535, 1, 3].map((packetId) => entryOf(packetId, `${packetId}`));
    for (const entry of entries) flow.send(entry);
    t.equal(flow.inflight, 4);
    t.same(packetIds(flow.entries()), [5, 65_535, 1, 3]);
    t.equal(flow.entry(1), entries[2], 'it is the same object');
    t.equal(flow.entry(2), undefined);
    flow.remove(entries[1]!);
    t.same(packetIds(flow.entries()), [5, 1, 3]);
    flow.send(entryOf(65_535, 'again'));
    t.same(packetIds(flow.entries()), [5, 1, 3, 65_535]);
  });

  t.test(`${name}: a released entry has let go of its message, and goes to the end`, async (t) => {
    const { flow, total } = setUp();
    const entries = [1, 2, 3].map((packetId) => entryOf(packetId, 'x'.repeat(1_000)));
    for (const entry of entries) flow.send(entry);
    const before = total.bytes;
    flow.release(entries[1]!);
    flow.release(entries[0]!);
    t.same(packetIds(flow.entries()), [3, 2, 1], 'PUBRELs in the order of the PUBRECs');
    t.equal(entries[0]!.message, undefined);
    t.equal(flow.inflight, 3);
    t.ok(before - total.bytes >= 2_000, 'and it weighs less');
  });

  t.test(`${name}: entries may be removed while they are walked`, async (t) => {
    const { flow } = setUp();
    for (let packetId = 1; packetId <= 10; packetId++) flow.send(entryOf(packetId, 'x'));
    const seen: number[] = [];
    for (const { packetId } of flow.entries()) {
      seen.push(packetId);
      const next = flow.entry(packetId + 1);
      if (next !== undefined) flow.remove(next);
    }
    t.same(seen, [1, 3, 5, 7, 9]);
  });

  t.test(`${name}: the mqueue gives back in order what was put in, and knows its head`, async (t) => {
    const { flow } = setUp();
    const given: string[] = [];
    let put = 0;
    const putOne = () =>
      flow.enqueue({ message: messageOf(`${put}`), options: (put % 3) | (++put % 2 === 0 ? retainSet : 0) });
    const takeOne = () => {
      const { head } = flow;
      const queued = flow.dequeue()!;
      if (head !== queued) t.fail('the head is what comes next');
      const n = Number(textOf(queued.message));
      if (queued.options !== ((n % 3) | (n % 2 === 1 ? retainSet : 0)))
        t.fail('with its QoS and its retained flag');
      given.push(textOf(queued.message));
    };
    for (let round = 0; round < 300; round++) {
      for (let n = 0; n < 7; n++) putOne();
      for (let n = 0; n < 5; n++) takeOne();
    }
    t.equal(flow.queued, 600);
    t.equal(flow.queuedQos0, 200);
    while (flow.queued > 0) takeOne();
    t.same(
      given,
      Array.from({ length: put }, (_, n) => `${n}`),
    );
    t.same([flow.queuedQos0, flow.queuedBytes, flow.empty], [0, 0, true]);
  });

  t.test(`${name}: packet ids await PUBREL until they do no more`, async (t) => {
    const { flow } = setUp();
    flow.beginAwaiting(1, 10);
    flow.beginAwaiting(2, 11);
    flow.beginAwaiting(3, 12);
    t.equal(flow.awaiting, 3);
    t.same(
      [1, 4].map((packetId) => flow.isAwaiting(packetId)),
      [true, false],
    );
    t.equal(flow.endAwaiting(2), true);
    t.equal(flow.endAwaiting(2), false);
    t.equal(flow.expireAwaiting(9), 0);
    t.equal(flow.expireAwaiting(10), 1);
    t.same(
      [1, 3].map((packetId) => flow.isAwaiting(packetId)),
      [false, true],
    );
    t.equal(flow.endAwaiting(3), true);
    t.equal(flow.empty, true);
  });

  t.test(`${name}: their time stands still between pause and resume`, async (t) => {
    const { flow } = setUp();
    flow.beginAwaiting(1, 10);
    flow.pauseAwaiting(15);
    flow.pauseAwaiting(20); // paused already
    flow.resumeAwaiting(115);
    flow.resumeAwaiting(200); // going already
    t.equal(flow.expireAwaiting(109), 0);
    t.equal(flow.expireAwaiting(110), 1);
  });

  t.test(`${name}: a flow is empty when all three of its parts are`, async (t) => {
    const { flow } = setUp();
    const entry = entryOf(1, 'x');
    flow.send(entry);
    flow.enqueue({ message: messageOf('y'), options: 1 });
    flow.beginAwaiting(1, 0);
    t.equal(flow.empty, false);
    flow.remove(entry);
    t.equal(flow.empty, false);
    flow.dequeue();
    t.equal(flow.empty, false);
    flow.endAwaiting(1);
    t.equal(flow.empty, true);
  });

  t.test(
    `${name}: flows count what they weigh in and out of the total, also when they are removed full`,
    async (t) => {
      const { store, total, flow } = setUp();
      const other = store.create('other', true, total);
      const entries = Array.from({ length: 10 }, (_, n) => entryOf(n + 1, 'x'.repeat(n)));
      for (const [n, entry] of entries.entries()) {
        (n % 2 ? flow : other).send(entry);
        flow.enqueue({ message: entry.message!, options: 2 });
      }
      t.ok(total.bytes > 10 * 3 * 45);
      flow.release(entries[1]!);
      flow.remove(entries[3]!);
      flow.dequeue();
      const both = total.bytes;
      store.remove('client', flow);
      t.ok(total.bytes > 0 && total.bytes < both);
      store.remove('other', other);
      t.equal(total.bytes, 0);
      t.equal(store.create('client', false, total).empty, true, 'and what is created again is new');
    },
  );
}

function messageOf(text: string): Message {
  return new Message('topic', Buffer.from(text), 0, 2);
}

function textOf({ payload }: Message): string {
  return Buffer.from(payload).toString();
}

function entryOf(packetId: number, text: string): InflightEntry {
  return new InflightEntry(packetId, messageOf(text), 2, 0);
}

function packetIds(entries: Iterable<InflightEntry>): number[] {
  return [...entries].map(({ packetId }) => packetId);
}
