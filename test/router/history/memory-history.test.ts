import t from 'tap';
import { MemoryHistory, Message } from '../../../router/index.js';
import { historyStoreContract } from '../../contracts/history-store.js';

historyStoreContract('memory', (options) => new MemoryHistory(options));

const mib = 1024 * 1024;

function fill(history: MemoryHistory, ids: number, each: number, bytes: number): void {
  const payload = Buffer.alloc(bytes, 'x');
  for (let n = 0; n < each; n++) {
    for (let id = 0; id < ids; id++) history.append(new Message(`user/${id}/inbox`, payload, 0));
  }
}

t.test(
  'a message that several ask for within a tick is one object, so that it is encoded once',
  async (t) => {
    const history = new MemoryHistory();
    fill(history, 1, 3, 10);
    const take = () => history.after('user/0/inbox', 1).take();
    const first = take();
    t.equal(take(), first);
    history.tick(0);
    t.not(take(), first);
    t.same(take().payload, first.payload);
  },
);

t.test('it is not so for more than 1 MiB', async (t) => {
  const history = new MemoryHistory();
  fill(history, 20, 1, 100_000);
  const all = () => Array.from({ length: 20 }, (_, id) => history.after(`user/${id}/inbox`, 0).take());
  const [once, twice] = [all(), all()];
  t.equal(once.filter((message, n) => message === twice[n]).length, 10);
});

t.test('the counted bytes are the reserved ones, when history is full and changes for long', async (t) => {
  for (const bytes of [10, 100, 1_000, 20_000]) {
    const history = new MemoryHistory({ bytesMax: 8 * mib });
    fill(history, 3_000, Math.ceil((40 * mib) / 3_000 / (bytes + 64)), bytes);
    const stats = history.stats();
    t.ok(stats.bytes > 7.9 * mib && stats.bytes <= 8 * mib, `${bytes} B: ${stats.bytes}`);
    t.ok(stats.reservedBytes < 8.6 * mib, `${bytes} B: ${stats.reservedBytes} reserved`);
  }
});

t.test('sizes that change do not make it larger', async (t) => {
  const history = new MemoryHistory({ bytesMax: 8 * mib });
  for (const bytes of [10, 20_000, 100, 1_000, 50_000, 10]) {
    fill(history, 500, Math.ceil((20 * mib) / 500 / (bytes + 64)), bytes);
    t.ok(history.stats().reservedBytes < 8.6 * mib, `${bytes} B`);
  }
});

t.test('when all has expired, all is given back, within as many ticks as it takes', async (t) => {
  const history = new MemoryHistory({ rules: [{ filter: '#', messages: 100, ageSec: 1 }] });
  history.tick(0);
  const empty = history.stats();
  fill(history, 90_000, 1, 64);
  t.ok(history.stats().reservedBytes > 16 * mib);
  let nowMs = 2_000;
  const tick = () => {
    history.tick(nowMs);
    nowMs += 250;
  };
  tick();
  for (let ticks = 1; history.stats().ids > 0; ticks++) {
    const { ids } = history.stats();
    tick();
    if (ids - history.stats().ids > 20_000) return t.fail('more in one tick than one turn allows');
    if (ticks > 300) return t.fail('it goes on for ever');
  }
  for (let n = 0; n < 2; n++) tick();
  t.ok(history.stats().reservedBytes <= 2 * empty.reservedBytes && empty.reservedBytes < 1_000);
});

t.test('expired messages are given to nobody, even while a burst of them still waits to go', async (t) => {
  const history = new MemoryHistory({ rules: [{ filter: '#', messages: 100, ageSec: 1 }] });
  history.tick(0);
  fill(history, 50_000, 1, 10);
  for (const nowMs of [1_250, 1_500, 1_750]) history.tick(nowMs);
  t.ok(history.stats().ids > 0);
  t.same([history.first('user/49999/inbox'), history.last('user/49999/inbox')], [2, 1]);
});

t.test('each rule has its own age, and a burst under one does not keep the other waiting', async (t) => {
  const rules = [
    { filter: 'user/#', messages: 1, ageSec: 1 },
    { filter: 'other/#', messages: 1, ageSec: 2 },
  ];
  const history = new MemoryHistory({ rules });
  history.tick(0);
  fill(history, 90_000, 1, 10);
  history.append(new Message('other/1', Buffer.from('x'), 0));
  history.tick(2_000);
  t.equal(history.last('other/1') - history.first('other/1'), 0);
  for (const nowMs of [2_400, 2_600, 2_700]) history.tick(nowMs);
  t.ok(history.stats().ids > 1);
  t.equal(history.last('other/1') - history.first('other/1'), -1);
});

t.test('an id costs nothing until it has a message, and nothing where it has no history', async (t) => {
  const history = new MemoryHistory();
  const before = history.stats();
  for (let n = 0; n < 1_000; n++) {
    history.after(`a/${n}`, 0);
    history.append(new Message(`$SYS/${n}`, Buffer.from('x'), 0));
  }
  t.same(history.stats(), before);
});
