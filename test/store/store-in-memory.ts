import type { Store, Table } from '../../store/store.js';
import { StoreError } from '../../store/store-error.js';

type Entry = readonly [key: Uint8Array, value: Uint8Array];

/** A store whose disk is memory, and may be full. */
export class StoreInMemory implements Store {
  readonly directory = '/in/memory';
  readonly bytes = 0;
  isFull = false;
  commits = 0;
  readonly #tables = new Map<string, Map<string, Entry>>();

  table(): Table {
    throw new RangeError('Tables by number are not for these tests.');
  }

  keyedTable(name: string): Table<Uint8Array> {
    const entries = this.#tables.get(name) ?? new Map<string, Entry>();
    this.#tables.set(name, entries);
    const sorted = () =>
      [...entries].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, entry]) => entry);
    return {
      name,
      put: (key, value) => void entries.set(textOf(key), [key, value]),
      remove: (key) => void entries.delete(textOf(key)),
      get: (key) => entries.get(textOf(key))?.[1],
      entries: () => sorted().map(([key, value]) => ({ key, value })),
      keys: (from, before, most) =>
        sorted()
          .map(([key]) => key)
          .filter((key) => textOf(key) >= textOf(from) && textOf(key) < textOf(before))
          .slice(0, most),
    };
  }

  async commit(write: () => void): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.isFull) throw new StoreError('The disk is full.');
    write();
    this.commits++;
  }

  async close(): Promise<void> {}
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key).toString('latin1');
}
