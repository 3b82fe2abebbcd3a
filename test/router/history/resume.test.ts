import t from 'tap';
import {
  type HistoryRule,
  Message,
  type Resumed,
  type ResumeFrom,
  type Router,
} from '../../../router/index.js';
import { Inbox, startedRouter, textOf } from '../inbox.js';

const texts = ({ messages }: Resumed) => messages.map(textOf);

function send(router: Router, id: string, ...all: string[]): void {
  for (const text of all) router.send(id, text);
}

function cursor(router: Router, ...offsets: number[]): ResumeFrom {
  return { epoch: router.history.epoch, offsets };
}

t.test('a client that resumes from a cursor gets the later messages, in order', async (t) => {
  const router = await startedRouter();
  send(router, 'a', '1', '2');
  const offsets = router.history.position(['a']);
  t.same(offsets, [2]);
  send(router, 'a', '3', '4');
  const resumed = router.history.resume(['a'], cursor(router, ...offsets), 100);
  t.same(texts(resumed), ['3', '4']);
  t.match(resumed, { recovered: true, more: false, offsets: [4] });
  t.match(router.history.resume(['a'], cursor(router, 4), 100), {
    recovered: true,
    messages: [],
    more: false,
    offsets: [4],
  });
});

t.test(
  'offsets are one sequence of an id, whoever publishes, and are there when it is delivered',
  async (t) => {
    const router = await startedRouter();
    const inbox = new Inbox();
    const seen: number[] = [];
    inbox.onDeliver = ({ offset }) => seen.push(offset);
    router.subscribe('a/#', inbox, 2);
    router.send('a/b', 'x');
    router.publish(new Message('a/b', Buffer.from('y'), 0, 2, true));
    router.send('a/c', 'z');
    router.send('a/b', 'x');
    t.same(seen, [1, 2, 1, 3]);
    t.equal(router.retainedFor('a/b')[0]!.offset, 2);
  },
);

t.test('a message of an id without history has offset 0', async (t) => {
  const router = await startedRouter();
  const inbox = new Inbox();
  inbox.onDeliver = ({ offset }) => t.equal(offset, 0);
  router.login('$SYS/x', inbox);
  router.send('$SYS/x', 'x');
  t.same(inbox.texts, ['x']);
});

t.test('a kept message carries its offset', async (t) => {
  const router = await startedRouter();
  const message = new Message('a', Buffer.from('x'), 0);
  t.equal(message.kept().offset, 0);
  router.publish(message);
  t.equal(message.kept().offset, 1, 'also where it was kept before it was published');
  t.equal(message.kept(), message.kept());
});

t.test('several ids come merged, in the order in which they were published', async (t) => {
  const router = await startedRouter();
  for (const text of ['a1', 'b1', 'c1', 'b2', 'a2', 'c2', 'a3']) router.send(text[0]!, text);
  const { history } = router;
  const ids = ['c', 'a', 'never', 'b'];
  t.match(history.resume(ids, { since: 'oldest' }, 100), { recovered: true, offsets: [2, 3, 0, 2] });
  t.same(texts(history.resume(ids, { since: 'oldest' }, 100)), ['a1', 'b1', 'c1', 'b2', 'a2', 'c2', 'a3']);
  t.same(texts(history.resume(ids, cursor(router, 2, 1, 0, 1), 100)), ['b2', 'a2', 'a3']);
  t.same(texts(history.resume(ids, { since: 1 }, 100)), ['b2', 'c2', 'a3']);
  t.same(texts(history.resume(ids, { since: 'now' }, 100)), []);
  t.same(history.resume(ids, { since: 'now' }, 100).offsets, history.position(ids));
  t.same(texts(history.resume(ids, { since: 0 }, 100)), []);
});

t.test('with more than it may give, it says so, and the next resume goes on where it ended', async (t) => {
  const router = await startedRouter();
  for (let n = 1; n <= 10; n++) router.send(n % 3 === 0 ? 'b' : 'a', `${n}`);
  let from: ResumeFrom = { since: 'oldest' };
  const rounds: string[][] = [];
  for (let more = true; more; ) {
    const resumed = router.history.resume(['a', 'b'], from, 4);
    t.equal(resumed.recovered, true);
    rounds.push(texts(resumed));
    from = cursor(router, ...resumed.offsets);
    more = resumed.more;
  }
  t.same(rounds, [
    ['1', '2', '3', '4'],
    ['5', '6', '7', '8'],
    ['9', '10'],
  ]);
});

t.test('bytes bound a resume, too, but one message there always is', async (t) => {
  const router = await startedRouter();
  for (const size of [10, 10, 50, 10, 10]) router.send('a', 'x'.repeat(size));
  const sizes = (offset: number) => {
    const { messages, more } = router.history.resume(['a'], cursor(router, offset), 100, 20);
    return [...messages.map(({ payload }) => payload.length), more];
  };
  t.same(sizes(0), [10, 10, true]);
  t.same(sizes(2), [50, true]);
  t.same(sizes(3), [10, 10, false]);
});

const three: HistoryRule[] = [{ filter: 'a/#', messages: 3, ageSec: 60 }];

t.test('a loss is said, and what is left is given', async (t) => {
  const router = await startedRouter({ history: { rules: three } });
  send(router, 'a', '1', '2', '3', '4', '5');
  const resume = (offset: number) => router.history.resume(['a'], cursor(router, offset), 100);
  t.match(resume(2), { recovered: true, offsets: [5] });
  t.same(texts(resume(2)), ['3', '4', '5']);
  t.match(resume(1), { recovered: false, offsets: [5] });
  t.same(texts(resume(1)), ['3', '4', '5']);
  t.equal(resume(5).recovered, true);
});

t.test(
  'a loss of one id says nothing bad of the others, whose messages come from their cursor on',
  async (t) => {
    const router = await startedRouter({ history: { rules: three } });
    send(router, 'a/1', '1', '2', '3', '4', '5');
    send(router, 'a/2', '6', '7', '8');
    const resumed = router.history.resume(['a/1', 'a/2'], cursor(router, 0, 2), 2);
    t.match(resumed, { recovered: false, more: true, offsets: [4, 2] });
    t.same(texts(resumed), ['3', '4']);
    const rest = router.history.resume(['a/1', 'a/2'], cursor(router, ...resumed.offsets), 100);
    t.match(rest, { recovered: true, more: false, offsets: [5, 3] });
    t.same(texts(rest), ['5', '8']);
  },
);

t.test('a cursor that is not of this history is told so, and gives away nothing of another id', async (t) => {
  const router = await startedRouter();
  const other = await startedRouter();
  send(router, 'a', '1', '2');
  send(router, 'b', 'secret');
  const { epoch } = router.history;
  const bad: ResumeFrom[] = [
    { epoch: other.history.epoch, offsets: [2] },
    { epoch: '', offsets: [2] },
    { epoch, offsets: [3] },
    { epoch, offsets: [Number.MAX_SAFE_INTEGER] },
    { epoch, offsets: [] },
    { epoch, offsets: [-1] },
    { epoch, offsets: [Number.NaN] },
  ];
  for (const from of bad) {
    const resumed = router.history.resume(['a'], from, 100);
    t.match(resumed, { recovered: false, more: false, offsets: [2] }, JSON.stringify(from));
    t.same(texts(resumed), ['1', '2']);
  }
  t.match(router.history.resume(['never'], cursor(router, 1), 100), { recovered: false, offsets: [0] });
  t.match(router.history.resume(['never'], cursor(router, 0), 100), { recovered: true, offsets: [0] });
});

t.test('of an id without history nobody knows what was missed, and so it is said', async (t) => {
  const router = await startedRouter({ history: { rules: three } });
  router.send('b', 'x');
  t.same(router.history.position(['b', 'a']), [0, 0]);
  t.match(router.history.resume(['b'], cursor(router, 0), 100), {
    recovered: false,
    messages: [],
    offsets: [0],
  });
  t.match(router.history.resume(['b'], { since: 'oldest' }, 100), { recovered: true, messages: [] });
});

t.test('an id that was forgotten: who had everything is told so, and who had not is told that', async (t) => {
  const router = await startedRouter();
  const { history } = router;
  history.tick(0);
  send(router, 'a', '1', '2', '3');
  for (const nowMs of [60_000, 60_500, 61_000]) history.tick(nowMs);
  t.match(router.stats().history, { ids: 0, messages: 0, evicted: { age: 3 } });
  t.same(history.position(['a']), [3]);
  t.match(history.resume(['a'], cursor(router, 3), 100), { recovered: true, messages: [], offsets: [3] });
  t.match(history.resume(['a'], cursor(router, 2), 100), { recovered: false, messages: [], offsets: [3] });
  router.send('a', '4');
  t.same(texts(history.resume(['a'], cursor(router, 3), 100)), ['4']);
  t.equal(history.resume(['a'], cursor(router, 3), 100).recovered, true);
  t.equal(history.resume(['a'], cursor(router, 2), 100).recovered, false);
});

t.test('login and resume in one turn, in either order: no gap and no double', async (t) => {
  for (const loginFirst of [true, false]) {
    const router = await startedRouter();
    send(router, 'a', '1', '2');
    const before = cursor(router, 1);
    const inbox = new Inbox();
    if (loginFirst) router.login('a', inbox);
    const resumed = router.history.resume(['a'], before, 100);
    if (!loginFirst) router.login('a', inbox);
    send(router, 'a', '3', '4');
    t.same([...texts(resumed), ...inbox.texts], ['2', '3', '4'], loginFirst ? 'login first' : 'resume first');
    router.logout(inbox);
    send(router, 'a', '5');
    const again = router.history.resume(['a'], cursor(router, 4), 100);
    t.same(texts(again), ['5'], 'and the offset of what was delivered last is the next cursor');
  }
});

t.test(
  'a message published from inside a deliver comes behind the one that is delivered, in history as well',
  async (t) => {
    const router = await startedRouter();
    const inbox = new Inbox();
    inbox.onDeliver = (message) => {
      if (textOf(message) === 'first') router.send('a', 'will');
    };
    router.login('a', inbox);
    router.send('a', 'first');
    t.same(inbox.texts, ['first', 'will']);
    t.same(texts(router.history.resume(['a'], { since: 'oldest' }, 9)), ['first', 'will']);
  },
);

t.test('without rules there is no history, and messages are delivered as ever', async (t) => {
  const router = await startedRouter({ history: { rules: [] } });
  const inbox = new Inbox();
  router.login('a', inbox);
  router.send('a', 'x');
  t.same(inbox.texts, ['x']);
  t.match(router.stats().history, { ids: 0, messages: 0 });
});
