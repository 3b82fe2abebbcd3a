import { LmdbStore } from '../../store/lmdb-store.js';

/**
 * A process that writes to a store: `store-child.js <directory> <commits> [bytes]`, and `0` commits until it is killed. Prints a line
 * for each commit that has resolved, and the sentence of an error.
 */
const [directory, commits, bytes] = process.argv.slice(2);

try {
  const store = await LmdbStore.open(directory!);
  const table = store.table('test', 1);
  process.stdout.write('open\n');
  const most = Number(commits) || Number.POSITIVE_INFINITY;
  for (let n = 1; n <= most; n++) {
    await store.commit(() => {
      // Both or neither.
      table.put(2 * n, textOf(n));
      table.put(2 * n + 1, textOf(n));
    });
    process.stdout.write(`${n}\n`);
  }
  await store.close();
} catch (error) {
  process.stdout.write(`${(error as Error).name}: ${(error as Error).message}\n`);
  process.exitCode = 1;
}

function textOf(n: number): Buffer {
  return Buffer.alloc(Number(bytes) || 100, `${n};`);
}
