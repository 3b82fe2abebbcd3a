/**
 * Keeps tables of bytes by number, or by a key of bytes, on disk, where they outlive the process.
 *
 * Order: commits are in the order of the calls. Guarantee: a commit that has resolved is on the disk, and a commit is
 * there whole or not at all, whenever the process or the machine dies. Buffers: the store owns the bytes that `put` got,
 * and nobody writes to them afterwards. Errors: `commit` and `close` may reject, `table` and `entries` throw; always a
 * StoreError.
 */
export interface Store {
  readonly directory: string;
  /**
   * Opens a table, and makes it if it is not there.
   * @param version of the format of its values
   */
  table(name: string, version: number): Table;
  /** Opens a table as `table` does, with keys of 1 to 500 bytes. */
  keyedTable(name: string, version: number): Table<Uint8Array>;
  /** Writes what `write` puts and removes, at once, and resolves when it is on the disk. */
  commit(write: () => void): Promise<void>;
  /** Bytes that the store has on disk. */
  readonly bytes: number;
  close(): Promise<void>;
}

export interface Table<Key = number> {
  readonly name: string;
  /** May be called inside `commit` only. */
  put(key: Key, value: Uint8Array): void;
  /** May be called inside `commit` only. */
  remove(key: Key): void;
  get(key: Key): Uint8Array | undefined;
  /** All values, in the order of their keys. A value is valid until the next one is asked for. */
  entries(): Iterable<{ readonly key: Key; readonly value: Uint8Array }>;
  /** The keys from one up to before another, at most so many. */
  keys(from: Key, before: Key, most: number): Key[];
}
