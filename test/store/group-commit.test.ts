import t from 'tap';
import { GroupCommit } from '../../store/group-commit.js';
import { until } from '../until.js';
import { StoreInMemory } from './store-in-memory.js';

const key = Buffer.from('key');

t.test('changes of one turn are one commit, and the last one under a key counts', async (t) => {
  const store = new StoreInMemory();
  const table = store.keyedTable('test');
  const commits = new GroupCommit(store);
  let stored = 0;
  commits.whenStored(() => stored++);
  t.equal(stored, 1, 'at once where there is nothing to store');
  commits.put(table, key, Buffer.from('first'));
  commits.put(table, key, Buffer.from('second'));
  commits.put(table, Buffer.from('gone'), Buffer.from('x'));
  commits.remove(table, Buffer.from('gone'));
  commits.whenStored(() => stored++);
  t.equal(stored, 1, 'not before it is stored');
  await until('it is stored', () => stored === 2);
  t.equal(store.commits, 1);
  t.same(
    [...table.entries()].map(({ value }) => String(value)),
    ['second'],
  );
});

t.test('callbacks come in the order of the calls, each with its own commit', async (t) => {
  const store = new StoreInMemory();
  const table = store.keyedTable('test');
  const commits = new GroupCommit(store);
  const order: number[] = [];
  for (let n = 0; n < 20; n++) {
    commits.put(table, key, Buffer.of(n));
    commits.whenStored(() => order.push(n));
    if (n % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await commits.close();
  await until('all are told', () => order.length === 20);
  t.same(
    order,
    [...order].sort((one, other) => one - other),
  );
  t.equal([...table.entries()][0]!.value[0], 19);
});

t.test(
  'a full disk is told with its reason; nothing is lost, and it goes on when there is room',
  async (t) => {
    const store = new StoreInMemory();
    const table = store.keyedTable('test');
    const told: (string | undefined)[] = [];
    const commits = new GroupCommit(store, (problem) => told.push(problem));
    store.isFull = true;
    const heard: string[] = [];
    commits.put(table, key, Buffer.from('kept'));
    commits.whenStored(() => heard.push('stored'));
    commits.whenStored(
      () => heard.push('wrong'),
      (problem) => heard.push(problem),
    );
    await until('it fails', () => commits.problem !== undefined);
    t.same(heard, ['The disk is full.']);
    t.equal(commits.problem, 'The disk is full.');
    commits.put(table, Buffer.from('later'), Buffer.from('also'));
    store.isFull = false;
    await until('it is tried again', () => heard.includes('stored'));
    t.equal(commits.problem, undefined);
    t.same(told, ['The disk is full.', undefined], 'once each');
    t.same(
      [...table.entries()].map(({ value }) => String(value)),
      ['kept', 'also'],
    );
  },
);
