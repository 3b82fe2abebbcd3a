import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { LmdbStore } from '../../store/lmdb-store.js';
import type { Table } from '../../store/store.js';
import { killAtExit, plainNode } from '../child-processes.js';
import { SeededRandom } from '../seeded-random.js';
import { until } from '../until.js';

const program = fileURLToPath(new URL('./store-child.js', import.meta.url));

function child(
  directory: string,
  commits: number,
  bytes = 100,
): { process: ChildProcess; said: () => string } {
  return run([...plainNode, program, directory, String(commits), String(bytes)]);
}

function run(command: readonly string[]): { process: ChildProcess; said: () => string } {
  const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  killAtExit(child);
  let text = '';
  child.stdout.on('data', (piece) => {
    text += piece;
  });
  return { process: child, said: () => text };
}

function keysOf(table: Table): number[] {
  return [...table.entries()].map(({ key }) => key);
}

t.test('what was committed is there after a close, in the order of the keys', async (t) => {
  const directory = t.testdir();
  const store = await LmdbStore.open(directory);
  const table = store.table('test', 1);
  await store.commit(() => {
    for (const key of [300, 1, 70_000, 256]) table.put(key, Buffer.from(`value ${key}`));
  });
  await store.commit(() => {
    table.remove(256);
    table.put(1, Buffer.from('another'));
  });
  await store.close();

  const again = await LmdbStore.open(directory);
  const same = again.table('test', 1);
  const all = [...same.entries()].map(({ key, value }) => [key, Buffer.from(value).toString()]);
  t.same(all, [
    [1, 'another'],
    [300, 'value 300'],
    [70_000, 'value 70000'],
  ]);
  t.equal(Buffer.from(same.get(300)!).toString(), 'value 300');
  t.equal(same.get(256), undefined);
  t.same(keysOf(again.table('another', 1)), [], 'a table of its own');
  t.ok(again.bytes > 0);
  await again.close();
});

t.test('another format of a table is refused, and names both', async (t) => {
  const directory = t.testdir();
  const store = await LmdbStore.open(directory);
  store.table('test', 2);
  t.throws(() => store.table('test', 1), { code: 'ERR_ENCKE_STORE', message: /format 2.*reads format 1/ });
  await store.close();
});

t.test('a directory belongs to one process, until that ends however it ends', async (t) => {
  const directory = t.testdir();
  const first = child(directory, 0);
  await until('it writes', () => first.said().includes('\n1\n'));
  await t.rejects(LmdbStore.open(directory), {
    code: 'ERR_ENCKE_STORE',
    message: new RegExp(`Another process \\(${first.process.pid}\\) uses .*stop it first`),
  });
  first.process.kill('SIGKILL');
  await once(first.process, 'exit');
  const store = await LmdbStore.open(directory);
  await t.rejects(LmdbStore.open(directory), { message: /Another process/ }, 'nor may the same one, twice');
  await store.close();
  await (await LmdbStore.open(directory)).close();
});

t.test('after a kill, every commit that had resolved is there, and each is whole', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed}`);
  for (let round = 0; round < 5; round++) {
    const directory = t.testdir();
    const writer = child(directory, 0, 3000);
    const after = 1 + random.below(60);
    await until(`${after} commits`, () => writer.said().includes(`\n${after}\n`));
    writer.process.kill('SIGKILL');
    await once(writer.process, 'exit');
    const acknowledged = Number(/(\d+)\n(?:\d*)$/.exec(writer.said())![1]);
    const store = await LmdbStore.open(directory);
    const keys = new Set(keysOf(store.table('test', 1)));
    t.ok(keys.size >= 2 * acknowledged, `${keys.size} values of ${acknowledged} commits`);
    for (const key of keys) if (!keys.has(key ^ 1)) t.fail(`half of a commit: ${key}`);
    await store.close();
  }
});

t.test('a full disk refuses the commit with a reason, and nothing that was committed is lost', async (t) => {
  const directory = t.testdir();
  // A limit of 4 MiB for files is a disk that is full at that: the signal is ignored, so that write() fails.
  const limited = `trap '' XFSZ; ulimit -f 4096; exec ${[...plainNode, program, directory, '0', '20000'].join(' ')}`;
  const writer = run(['bash', '-c', limited]);
  const [code] = await once(writer.process, 'exit');
  t.equal(code, 1);
  const said = writer.said().trim().split('\n');
  t.match(said.at(-1), /^StoreError: .*see whether the disk is full/);
  const acknowledged = Number(said.at(-2));
  t.ok(acknowledged > 10, `${acknowledged} commits`);
  const store = await LmdbStore.open(directory);
  const table = store.table('test', 1);
  t.equal(keysOf(table).length, 2 * acknowledged);
  await store.commit(() => table.put(1, Buffer.from('goes on')));
  t.equal(Buffer.from(table.get(1)!).toString(), 'goes on');
  await store.close();
});

t.test('a commit that would leave too little room on the disk is refused before lmdb writes', async (t) => {
  const directory = t.testdir();
  const store = await LmdbStore.open(directory);
  const table = store.table('test', 1);
  await store.commit(() => table.put(1, Buffer.from('there is room')));
  await store.close();
  const full = await LmdbStore.open(directory, { freeBytesMin: Number.MAX_SAFE_INTEGER });
  const before = full.table('test', 1);
  let called = false;
  await t.rejects(
    full.commit(() => {
      called = true;
    }),
    {
      code: 'ERR_ENCKE_STORE',
      message: /^The disk of .* has [\d,]+ MB free, .*: make room, and it goes on\.$/,
    },
  );
  t.notOk(called, 'nothing is written');
  t.equal(Buffer.from(before.get(1)!).toString(), 'there is room', 'and what is there can be read');
  await full.close();
});

t.test('a directory that cannot be made, or has a damaged file, is a sentence', async (t) => {
  const directory = t.testdir({ file: 'x' });
  await t.rejects(LmdbStore.open(join(directory, 'file', 'data')), {
    code: 'ERR_ENCKE_STORE',
    message: /cannot be made \(ENOTDIR\)/,
  });
  const damaged = t.testdir();
  writeFileSync(join(damaged, 'data.mdb'), Buffer.alloc(10_000, 'no database'));
  await t.rejects(LmdbStore.open(damaged), { code: 'ERR_ENCKE_STORE', message: /is damaged/ });
});
