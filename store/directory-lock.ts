import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { StoreError } from './store-error.js';

const exclusive = 2;
const atOnce = 4;

/**
 * Claims a directory for this process, by flock(2): the system takes the claim back when the process ends, however it
 * ends. LMDB alone would let a second process write, too.
 * @returns a function that gives it back
 * @throws StoreError if another process has it, or it cannot be written to
 */
export async function lockDirectory(directory: string): Promise<() => void> {
  const path = join(directory, 'encke.lock');
  const { default: koffi } = await import('koffi');
  const flock = koffi.load(null).func('int flock(int, int)');
  let file: number;
  try {
    file = openSync(path, 'a+');
  } catch (error) {
    throw new StoreError(
      `${path} cannot be written (${(error as NodeJS.ErrnoException).code}): give this user the right to write there, or give --data another directory.`,
    );
  }
  if (flock(file, exclusive | atOnce) !== 0) {
    const owner = readFileSync(path, 'utf8').trim();
    closeSync(file);
    throw new StoreError(
      `Another process${owner === '' ? '' : ` (${owner})`} uses ${directory}: stop it first, or give --data another directory.`,
    );
  }
  ftruncateSync(file);
  writeSync(file, `${process.pid}\n`);
  return () => closeSync(file);
}
