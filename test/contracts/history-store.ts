import t from 'tap';
import {
  type HistoryOptions,
  type HistoryStore,
  Message,
  MessageProperties,
  type Qos,
} from '../../router/index.js';

/** A new, empty store, and how messages get into it. */
export interface OpenedHistory {
  readonly store: HistoryStore;
  /** @returns its offset */
  append(message: Message): Promise<number>;
  /** As before a resume from the oldest: `first`, `last` and `after` know of these ids. */
  prepare(...ids: string[]): Promise<void>;
}

/**
 * The contract of every history store; see router/history/history-store.ts.
 * @param keepsTimes a message is given with the time that it came with; else with that of its place
 */
export function sharedHistoryContract(
  name: string,
  open: (options?: HistoryOptions) => Promise<OpenedHistory>,
  keepsTimes: boolean,
): void {
  const appendTo = (opened: OpenedHistory, id: string, text: string) =>
    opened.append(new Message(id, Buffer.from(text), 0));

  t.test(`${name}: offsets of an id rise, whatever others get, and nothing is lost in between`, async (t) => {
    const opened = await open();
    const { store } = opened;
    t.match(store.epoch, /^[A-Za-z0-9_-]{8,32}$/);
    const offsets: number[] = [];
    let offsetOfB = 0;
    for (let n = 1; n <= 50; n++) {
      offsets.push(await appendTo(opened, 'a', `a${n}`));
      if (n % 5 === 0) offsetOfB = await appendTo(opened, 'b', `b${n / 5}`);
    }
    await opened.prepare('a', 'b');
    t.ok(offsets.every((offset, n) => offset > (offsets[n - 1] ?? 0)));
    t.ok(store.first('a') <= offsets[0]! && store.last('a') >= offsets[49]!);
    t.same(textsAfter(store, 'a', offsets[46]!), ['a48', 'a49', 'a50']);
    t.equal(textsAfter(store, 'a', offsets[0]!).length, 49);
    t.same(
      textsAfter(store, 'b', 0),
      Array.from({ length: 10 }, (_, n) => `b${n + 1}`),
    );
    t.same(textsAfter(store, 'b', offsetOfB), []);
    t.same(textsAfter(store, 'b', offsetOfB + 1), [], 'and nothing behind what was never given');
  });

  t.test(`${name}: a message comes back with all that it was`, async (t) => {
    const opened = await open();
    const some = [0, 1, 31, 32, 33, 63, 64, 96, 97, 1_000, 65_536, 200_000];
    const sizes = [...some, ...some];
    const offsets: number[] = [];
    for (const [n, size] of sizes.entries()) {
      const message = messageNumber(n, size);
      offsets.push(await opened.append(message));
    }
    await opened.prepare('a');
    const messages = allAfter(opened.store, 'a', 0);
    t.equal(messages.length, sizes.length);
    for (const [n, message] of messages.entries()) {
      const { id, timeMs, qos, retain, offset } = message;
      t.same([id, qos, retain, offset], ['a', n % 3, n % 2 === 1, offsets[n]]);
      t.same([message.publisher, message.properties], [publisherOf(n), propertiesOf(n)]);
      t.ok(keepsTimes ? timeMs === 1.7e12 + n : Math.abs(timeMs - Date.now()) < 60_000);
      t.equal(message.wire, undefined);
      t.ok(pattern(sizes[n]!).equals(message.payload), `${sizes[n]} B`);
    }
  });

  t.test(
    `${name}: sequences tell the order among ids, and sizes are told before a message is taken`,
    async (t) => {
      const opened = await open();
      for (const text of ['a1', 'b22', 'b333', 'a4444']) await appendTo(opened, text[0]!, text);
      await opened.prepare('a', 'b');
      const [a, b] = [opened.store.after('a', 0), opened.store.after('b', 0)];
      const order = [a, b, b, a].map((reader) => {
        const { sequence, bytes } = reader;
        reader.take();
        return { sequence, bytes };
      });
      t.same(
        order.map(({ bytes }) => bytes),
        [2, 3, 4, 5],
      );
      for (let n = 1; n < 4; n++) t.ok(order[n]!.sequence > order[n - 1]!.sequence);
      t.same([a.sequence, b.sequence], [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
    },
  );

  t.test(`${name}: ids are told apart in every alphabet and at every length`, async (t) => {
    const opened = await open();
    const ids = [
      'a',
      'b',
      'ab',
      'ba',
      'é',
      'e',
      'ā',
      '\u0101\u0101',
      '\u0001\u0001',
      '鍵',
      '🌠',
      '/',
      '//',
      'a/b',
    ];
    for (const length of [15, 16, 17, 20, 80, 81, 512]) ids.push('x'.repeat(length), 'ж'.repeat(length));
    for (const id of ids) await appendTo(opened, id, id);
    await opened.prepare(...ids);
    for (const id of ids) t.same(textsAfter(opened.store, id, 0), [id]);
  });

  t.test(`${name}: the last messages are kept, as many as the rule says`, async (t) => {
    const opened = await open({ rules: [{ filter: '#', messages: 3, ageSec: 60 }] });
    const offsets: number[] = [];
    for (let n = 1; n <= 10; n++) offsets.push(await appendTo(opened, 'a', `${n}`));
    await opened.prepare('a');
    const first = opened.store.first('a');
    t.ok(first > offsets[6]! && first <= offsets[7]!);
    t.same(textsAfter(opened.store, 'a', 0), ['8', '9', '10']);
  });

  t.test(`${name}: the first rule that matches holds, and where none does there is no history`, async (t) => {
    const rules = [
      { filter: 'none/#', messages: 0, ageSec: 0 },
      { filter: 'room/+/chat', messages: 2, ageSec: 60 },
      { filter: 'room/#', messages: 1, ageSec: 60 },
      { filter: '$devices/#', messages: 3, ageSec: 60 },
      { filter: 'exact', messages: 4, ageSec: 60 },
    ];
    const opened = await open({ rules });
    const kept = async (id: string) => {
      for (let n = 1; n <= 5; n++) await appendTo(opened, id, `${n}`);
      await opened.prepare(id);
      return textsAfter(opened.store, id, 0).length;
    };
    const counts: number[] = [];
    for (const id of ['room/7/chat', 'room/7', 'room', 'room/7/chat/x', 'exact', '$devices', '$devices/1'])
      counts.push(await kept(id));
    t.same(counts, [2, 1, 1, 1, 4, 3, 3]);
    for (const id of ['none', 'none/x', 'rooms', 'exact/x', '$SYS/x', '$devicesx', 'other']) {
      t.equal(await appendTo(opened, id, 'x'), 0, id);
      t.same([opened.store.keeps(id), opened.store.last(id)], [false, 0]);
      t.same(textsAfter(opened.store, id, 0), []);
    }
    t.equal(opened.store.keeps('room/7/chat'), true);
  });
}

/** The additional contract of a store in this process. @param open makes a new, empty store */
export function historyStoreContract(name: string, open: (options?: HistoryOptions) => HistoryStore): void {
  const openShared = async (options?: HistoryOptions) => {
    const store = open(options);
    return { store, append: async (message: Message) => store.append(message), async prepare() {} };
  };
  sharedHistoryContract(name, openShared, true);

  t.test(`${name}: a new store has nothing, and an epoch of its own`, async (t) => {
    const [store, other] = [open(), open()];
    t.match(store.epoch, /^[A-Za-z0-9_-]{8,32}$/);
    t.not(store.epoch, other.epoch);
    t.same([store.first('a'), store.last('a')], [1, 0]);
    t.same(textsAfter(store, 'a', 0), []);
    t.match(store.stats(), { ids: 0, messages: 0, evicted: { count: 0, age: 0, bytes: 0 } });
  });

  t.test(
    `${name}: offsets of an id grow by one, whatever others get, and nothing is lost in between`,
    async (t) => {
      const store = open();
      for (let n = 1; n <= 50; n++) {
        t.equal(append(store, 'a', `a${n}`), n);
        if (n % 5 === 0) t.equal(append(store, 'b', `b${n / 5}`), n / 5);
      }
      t.same([store.first('a'), store.last('a'), store.first('b'), store.last('b')], [1, 50, 1, 10]);
      t.same(textsAfter(store, 'a', 47), ['a48', 'a49', 'a50']);
      t.same(textsAfter(store, 'a', 1).length, 49);
      t.same(textsAfter(store, 'b', 0).length, 10);
      t.same(textsAfter(store, 'b', 10), []);
      t.same(textsAfter(store, 'b', 11), [], 'and nothing behind what was never given');
      t.match(store.stats(), { ids: 2, messages: 60 });
    },
  );

  t.test(`${name}: a message comes back with all that it was`, async (t) => {
    const store = open();
    const some = [0, 1, 31, 32, 33, 63, 64, 96, 97, 1_000, 65_536, 300_000];
    const sizes = [...some, ...some];
    for (const [n, size] of sizes.entries()) {
      store.append(messageNumber(n, size));
    }
    const messages = allAfter(store, 'a', 0);
    t.equal(messages.length, sizes.length);
    for (const [n, message] of messages.entries()) {
      const { id, timeMs, qos, retain, offset } = message;
      t.same(
        { id, timeMs, qos, retain, offset },
        {
          id: 'a',
          timeMs: 1.7e12 + n,
          qos: n % 3,
          retain: n % 2 === 1,
          offset: n + 1,
        },
      );
      t.same([message.publisher, message.properties], [publisherOf(n), propertiesOf(n)]);
      t.equal(message.wire, undefined);
      t.ok(pattern(sizes[n]!).equals(message.payload), `${sizes[n]} B`);
    }
  });

  t.test(
    `${name}: sequences tell the order among ids, and sizes are told before a message is taken`,
    async (t) => {
      const store = open();
      for (const text of ['a1', 'b22', 'b333', 'a4444']) append(store, text[0]!, text);
      const [a, b] = [store.after('a', 0), store.after('b', 0)];
      const order = [a, b, b, a].map((reader) => {
        const { sequence, bytes } = reader;
        reader.take();
        return { sequence, bytes };
      });
      t.same(
        order.map(({ bytes }) => bytes),
        [2, 3, 4, 5],
      );
      for (let n = 1; n < 4; n++) t.ok(order[n]!.sequence > order[n - 1]!.sequence);
      t.same([a.sequence, b.sequence], [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
    },
  );

  t.test(`${name}: ids are told apart in every alphabet and at every length`, async (t) => {
    const store = open();
    const ids = [
      'a',
      'b',
      'ab',
      'ba',
      'é',
      'e',
      'ā',
      '\u0101\u0101',
      '\u0001\u0001',
      '鍵',
      '🌠',
      '/',
      '//',
      'a/b',
    ];
    for (const length of [15, 16, 17, 20, 80, 81, 1_024]) ids.push('x'.repeat(length), 'ж'.repeat(length));
    for (const id of ids) append(store, id, id);
    for (const id of ids) {
      t.same([store.first(id), store.last(id)], [1, 1]);
      t.same(textsAfter(store, id, 0), [id]);
    }
    t.match(store.stats(), { ids: ids.length });
  });

  t.test(
    `${name}: bytes are the store's own, and a message that was given outlives what happens to it`,
    async (t) => {
      const store = open({ rules: [{ filter: '#', messages: 1, ageSec: 60 }] });
      for (const size of [10, 100, 10_000]) {
        const slab = Buffer.alloc(20_000, 'x');
        store.append(new Message('a', slab.subarray(50, 50 + size), 0));
        slab.fill('y');
        const given = store.after('a', 0).take();
        const before = textOf(given);
        t.equal(before, 'x'.repeat(size), 'a slice of 20,000 bytes is copied');
        store.tick(0);
        for (let n = 0; n < 10; n++) append(store, 'a', 'z'.repeat(size));
        t.equal(textOf(given), before);
      }
    },
  );

  t.test(`${name}: the last messages are kept, as many as the rule says`, async (t) => {
    const store = open({ rules: [{ filter: '#', messages: 3, ageSec: 60 }] });
    for (let n = 1; n <= 10; n++) append(store, 'a', `${n}`);
    t.same([store.first('a'), store.last('a')], [8, 10]);
    t.same(textsAfter(store, 'a', 0), ['8', '9', '10']);
    t.match(store.stats(), { messages: 3, evicted: { count: 7, age: 0, bytes: 0 } });
  });

  t.test(`${name}: a message is kept for its age, and no longer than two ticks more`, async (t) => {
    const store = open({ rules: [{ filter: '#', messages: 100, ageSec: 10 }] });
    let nowMs = 5_000;
    const tickTo = (endMs: number) => {
      for (; nowMs <= endMs; nowMs += 250) store.tick(nowMs);
    };
    append(store, 'a', 'before the first tick');
    tickTo(8_000);
    append(store, 'a', 'later');
    append(store, 'b', 'later');
    tickTo(15_000);
    t.same(textsAfter(store, 'a', 0), ['before the first tick', 'later']);
    tickTo(15_750);
    t.same(textsAfter(store, 'a', 0), ['later']);
    t.same([store.first('a'), store.last('a')], [2, 2]);
    tickTo(18_000);
    t.same(textsAfter(store, 'b', 0), ['later']);
    tickTo(18_750);
    t.same([...textsAfter(store, 'a', 0), ...textsAfter(store, 'b', 0)], []);
    t.match(store.stats(), { ids: 0, messages: 0, evicted: { age: 3 } });
    t.same([store.first('a'), store.last('a')], [3, 2], 'it is forgotten, but not how far it had got');
    t.equal(append(store, 'a', 'again'), 3);
    t.same(textsAfter(store, 'a', 2), ['again']);
  });

  t.test(`${name}: a clock that goes back changes nothing`, async (t) => {
    const store = open({ rules: [{ filter: '#', messages: 100, ageSec: 10 }] });
    store.tick(1e6);
    store.tick(1e6 + 9_000);
    append(store, 'a', 'x');
    store.tick(0);
    store.tick(1e6 + 18_000);
    t.same(textsAfter(store, 'a', 0), ['x']);
  });

  t.test(`${name}: the first rule that matches holds, and where none does there is no history`, async (t) => {
    const rules = [
      { filter: 'none/#', messages: 0, ageSec: 0 },
      { filter: 'room/+/chat', messages: 2, ageSec: 60 },
      { filter: 'room/#', messages: 1, ageSec: 60 },
      { filter: '$devices/#', messages: 3, ageSec: 60 },
      { filter: 'exact', messages: 4, ageSec: 60 },
    ];
    const store = open({ rules });
    const kept = (id: string) => {
      for (let n = 1; n <= 5; n++) append(store, id, `${n}`);
      return textsAfter(store, id, 0).length;
    };
    t.same(['room/7/chat', 'room/7', 'room', 'room/7/chat/x', 'exact'].map(kept), [2, 1, 1, 1, 4]);
    t.same(['$devices', '$devices/1'].map(kept), [3, 3]);
    for (const id of ['none', 'none/x', 'rooms', 'exact/x', '$SYS/x', '$devicesx', 'other']) {
      t.equal(append(store, id, 'x'), 0, id);
      t.same([store.keeps(id), store.first(id), store.last(id)], [false, 1, 0]);
      t.same(textsAfter(store, id, 0), []);
    }
    t.equal(store.keeps('room/7/chat'), true);
  });

  t.test(`${name}: by default, ids that begin with $ have no history`, async (t) => {
    const store = open();
    t.same(
      ['$SYS', '$SYS/x', '$other', '$', 'a', 'a/$SYS', '/'].map((id) => store.keeps(id)),
      [false, false, false, false, true, true, true],
    );
  });

  t.test(`${name}: past the bytes, the ids that were published to longest ago go first, whole`, async (t) => {
    const store = open({ bytesMax: 100_000 });
    for (const id of ['old', 'renewed', 'young'])
      for (let n = 0; n < 3; n++) append(store, id, 'x'.repeat(10_000));
    append(store, 'renewed', 'x');
    t.equal(append(store, 'new', 'x'.repeat(20_000)), 1);
    t.same(
      ['old', 'renewed', 'young', 'new'].map((id) => textsAfter(store, id, 0).length),
      [0, 4, 3, 1],
    );
    t.same([store.first('old'), store.last('old')], [4, 3]);
    append(store, 'new', 'x'.repeat(40_000));
    t.same(
      ['renewed', 'young', 'new'].map((id) => textsAfter(store, id, 0).length),
      [4, 0, 2],
    );
    t.equal(append(store, 'old', 'back'), 4);
    t.match(store.stats(), { ids: 3, messages: 7, evicted: { count: 0, age: 0, bytes: 6 } });
    t.ok(store.stats().bytes <= 100_000);
  });

  t.test(`${name}: one id alone keeps its last messages within the bytes`, async (t) => {
    const store = open({ bytesMax: 100_000 });
    for (let n = 0; n < 50; n++) append(store, 'a', 'x'.repeat(9_000));
    t.same([store.first('a'), store.last('a')], [41, 50]);
    t.match(store.stats(), { messages: 10, evicted: { count: 0, bytes: 40 } });
  });

  t.test(
    `${name}: what does not fit at all has its offset, costs no other id anything, and leaves no hole`,
    async (t) => {
      const store = open({ bytesMax: 100_000 });
      append(store, 'a', 'a1');
      append(store, 'b', 'b1');
      t.equal(append(store, 'a', 'x'.repeat(100_001)), 2);
      t.same([store.first('a'), store.last('a')], [3, 2]);
      t.same([...textsAfter(store, 'a', 0), ...textsAfter(store, 'b', 0)], ['b1']);
      t.equal(append(store, 'a', 'a3'), 3);
      t.same(textsAfter(store, 'a', 0), ['a3']);
      t.match(store.stats(), { evicted: { count: 0, age: 0, bytes: 2 } });
      t.equal(append(open({ bytesMax: 0 }), 'a', 'x'), 1, 'and with no room at all it is counted, too');
    },
  );

  t.test(`${name}: bad settings are refused with a sentence`, async (t) => {
    const rule = (messages: number, ageSec: number, filter = '#') => ({
      rules: [{ filter, messages, ageSec }],
    });
    t.throws(() => open(rule(1, 60, 'a#')), /In a topic filter, # stands alone/);
    t.throws(() => open(rule(-1, 60)), /whole number of messages/);
    t.throws(() => open(rule(1.5, 60)), /whole number of messages/);
    t.throws(() => open(rule(1, 0)), /more than 0 and at most \d+ seconds/);
    t.throws(() => open(rule(1, Number.NaN)), /seconds/);
    t.throws(() => open({ bytesMax: -1 }), /whole number of bytes/);
    t.doesNotThrow(() => open(rule(0, 0)));
    t.doesNotThrow(() => open({ rules: [] }));
  });
}

function append(store: HistoryStore, id: string, text: string): number {
  return store.append(new Message(id, Buffer.from(text), 0));
}

function allAfter(store: HistoryStore, id: string, offset: number): Message[] {
  const reader = store.after(id, offset);
  const messages: Message[] = [];
  while (reader.sequence !== Number.POSITIVE_INFINITY) messages.push(reader.take());
  return messages;
}

function textsAfter(store: HistoryStore, id: string, offset: number): string[] {
  return allAfter(store, id, offset).map(textOf);
}

function textOf({ payload }: Message): string {
  return Buffer.from(payload).toString();
}

/** From 12 on it has a publisher, properties, or both. */
function messageNumber(n: number, size: number): Message {
  const [qos, retain] = [(n % 3) as Qos, n % 2 === 1];
  return new Message('a', pattern(size), 1.7e12 + n, qos, retain, 0, publisherOf(n), propertiesOf(n));
}

function publisherOf(n: number): string | undefined {
  return n < 12 || n % 3 === 0 ? undefined : `client ${n} ü`;
}

function propertiesOf(n: number): MessageProperties | undefined {
  if (n < 12 || n % 3 === 1) return undefined;
  return new MessageProperties({
    isText: n % 2 === 0,
    contentType: 'text/plain',
    responseTopic: `answers/${n}`,
    correlationData: new Uint8Array(pattern(n)),
    userProperties: [
      ['a', ''],
      ['a', `${n}`],
    ],
  });
}

/** Bytes of which no two neighbours are the same, so that one that is misplaced is seen. */
function pattern(size: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: size }, (_, n) => (n * 7 + (n >> 8)) & 0xff));
}
