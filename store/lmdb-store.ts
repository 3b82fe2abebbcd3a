import { mkdirSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Database, open, type RootDatabase } from 'lmdb';
import { lockDirectory } from './directory-lock.js';
import { checkLmdbFile } from './lmdb-file.js';
import type { Store, Table } from './store.js';
import { StoreError } from './store-error.js';

/** The format of the directory as a whole: which tables there are, and how their keys are written. */
const layoutVersion = 1;
const layoutName = 'encke';
const tablesMax = 16;
const fileName = 'data.mdb';
/**
 * Bytes of the disk that stay free. lmdb 3.5 may abort the process (SIGABRT) where a write fails, so a commit is refused
 * before that. It is more than the commits that are under way at once (8 MB each, and as much for the tree above them).
 */
const freeBytesMin = 64_000_000;

interface LmdbOptions {
  /** Commits are refused while the disk has less free, bytes. Default: 64,000,000. */
  readonly freeBytesMin?: number;
}

/**
 * Keeps a store in LMDB: one file, which is read through the page cache, and written by a thread of its own. A commit is
 * written behind the pages that are valid before it, and then the one page that names the newest. So there is nothing to
 * repair after a crash.
 */
export class LmdbStore implements Store {
  readonly directory: string;
  readonly #root: RootDatabase<Uint8Array, number>;
  readonly #versions: Database<number, string>;
  readonly #unlock: () => void;
  readonly #freeBytesMin: number;

  private constructor(directory: string, unlock: () => void, options: LmdbOptions) {
    this.directory = directory;
    this.#unlock = unlock;
    this.#freeBytesMin = options.freeBytesMin ?? freeBytesMin;
    this.#root = open<Uint8Array, number>({
      path: directory,
      noSubdir: false,
      maxDbs: tablesMax,
      overlappingSync: false, // a commit resolves when it is on the disk
      // With it lmdb makes a promise that nobody can listen to, and a full disk would end the process.
      eventTurnBatching: false,
    });
    this.#versions = this.#root.openDB<number, string>({ name: 'versions' });
  }

  /** @param directory made if it is not there @throws StoreError */
  static async open(directory: string, options: LmdbOptions = {}): Promise<LmdbStore> {
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw new StoreError(
        `The directory ${directory} cannot be made (${(error as NodeJS.ErrnoException).code}): make it yourself, or give --data another one.`,
      );
    }
    const unlock = await lockDirectory(directory);
    try {
      checkLmdbFile(join(directory, fileName));
      const store = new LmdbStore(directory, unlock, options);
      store.#checkVersion(layoutName, layoutVersion);
      return store;
    } catch (error) {
      unlock();
      throw asStoreError(error, directory);
    }
  }

  table(name: string, version: number): Table {
    return this.#open<number>(name, version, 'uint32');
  }

  keyedTable(name: string, version: number): Table<Uint8Array> {
    return this.#open<Uint8Array>(name, version, 'binary');
  }

  #open<Key extends number | Uint8Array>(
    name: string,
    version: number,
    keyEncoding: 'uint32' | 'binary',
  ): Table<Key> {
    try {
      this.#checkVersion(name, version);
      return new LmdbTable(
        name,
        this.#root.openDB<Uint8Array, Key>({ name, keyEncoding, encoding: 'binary' }),
      );
    } catch (error) {
      throw asStoreError(error, this.directory);
    }
  }

  async commit(write: () => void): Promise<void> {
    try {
      this.#assertRoom();
      await this.#root.batch(write);
    } catch (error) {
      throw asStoreError(await causeOf(error), this.directory);
    }
  }

  /** It asks the system at each commit, which takes some 5 µs. */
  #assertRoom(): void {
    const { bavail, bsize } = statfsSync(this.directory);
    const freeBytes = bavail * bsize;
    if (freeBytes >= this.#freeBytesMin) return;
    throw new StoreError(
      `The disk of ${this.directory} has ${megabytes(freeBytes)} free, and nothing is written with less than ${megabytes(this.#freeBytesMin)}: make room, and it goes on.`,
    );
  }

  get bytes(): number {
    return statSync(join(this.directory, fileName)).size;
  }

  async close(): Promise<void> {
    await this.#root.close();
    this.#unlock();
  }

  /** Notes the version of something new. @throws StoreError where it is there in another version */
  #checkVersion(name: string, version: number): void {
    const known = this.#versions.get(name);
    if (known === undefined) this.#versions.putSync(name, version);
    else if (known !== version)
      throw new StoreError(
        `"${name}" in ${this.directory} has format ${known}, and this version of Encke reads format ${version}: start the version that wrote it, or give --data another directory.`,
      );
  }
}

function megabytes(bytes: number): string {
  return `${Math.floor(bytes / 1e6).toLocaleString('en')} MB`;
}

class LmdbTable<Key extends number | Uint8Array> implements Table<Key> {
  readonly name: string;
  readonly #database: Database<Uint8Array, Key>;

  constructor(name: string, database: Database<Uint8Array, Key>) {
    this.name = name;
    this.#database = database;
  }

  put(key: Key, value: Uint8Array): void {
    this.#database.put(key, value).catch(isToldByCommit);
  }

  remove(key: Key): void {
    this.#database.remove(key).catch(isToldByCommit);
  }

  get(key: Key): Uint8Array | undefined {
    return this.#database.getBinary(key);
  }

  entries(): Iterable<{ readonly key: Key; readonly value: Uint8Array }> {
    return this.#database.getRange({ snapshot: false });
  }

  keys(from: Key, before: Key, most: number): Key[] {
    return [...this.#database.getKeys({ start: from, end: before, limit: most })];
  }
}

/** Each write has a promise of its own, which fails with the commit: unheard, it would end the process. */
function isToldByCommit(): void {}

/** The system's error behind a commit that failed: lmdb has it as a promise that fails, in the same turn or never. */
async function causeOf(error: unknown): Promise<unknown> {
  const { commitError } = error as { commitError?: unknown };
  if (!(commitError instanceof Promise)) return error;
  const cause = commitError.catch((reason: unknown) => reason);
  return Promise.race([cause, nextTurn(error)]);
}

function asStoreError(error: unknown, directory: string): StoreError {
  if (error instanceof StoreError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new StoreError(
    `${directory} cannot be used or written (${why}): see whether the disk is full, and whether this user may write there.`,
    { cause: error },
  );
}
