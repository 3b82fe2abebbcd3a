import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Store, Table } from '../../store/store.js';
import { StoreError } from '../../store/store-error.js';
import { grownFor } from './columns.js';
import { Graph, type GraphKeeper } from './graph.js';
import type { GraphLimits } from './graph-limits.js';
import { decodeRecord, encodeRecord, recordVersion } from './graph-record.js';

/** Records in one transaction; 1 us each in this process, the rest in the thread of the store. */
const recordsPerCommit = 4096;
/** Loading lets the loop turn after so much time, ms. */
const sliceMs = 20;
/** Records between two looks at the clock. */
const recordsPerLook = 256;
/** A larger number is damage, which would make tables of gigabytes. */
const numberMax = 2 ** 28;

/**
 * Keeps a graph in a table of the store: a record for each id, with what it follows. The other direction is made
 * of these records at the start.
 *
 * A transaction holds all that has changed since the last one began, so the more is changed at once the fewer bytes
 * each change writes. What could not be written (a full disk) is written with the next change.
 */
export class GraphStore implements GraphKeeper {
  readonly #graph: Graph;
  readonly #store: Store;
  readonly #table: Table;
  /** Numbers that have changed since they were written. */
  #changed = new Set<number>();
  #writing: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  private constructor(graph: Graph, store: Store, table: Table) {
    this.#graph = graph;
    this.#store = store;
    this.#table = table;
  }

  /** @throws StoreError */
  static async open(store: Store, limits: Partial<GraphLimits> = {}): Promise<Graph> {
    const graph = new Graph(limits);
    const table = store.table('graph', recordVersion);
    await load(graph, table, store);
    graph.keeper = new GraphStore(graph, store, table);
    return graph;
  }

  changed(number: number): void {
    this.#changed.add(number);
  }

  stored(): Promise<void> {
    if (this.#writing === undefined) return this.#begin();
    // The records that are being written may have been read before the last change.
    this.#next ??= this.#writing.then(
      () => this.#begin(),
      () => this.#begin(),
    );
    return this.#next;
  }

  async close(): Promise<void> {
    // Nobody was told that changes are stored which a full disk keeps out.
    await this.stored().catch(() => undefined);
    await this.#store.close();
  }

  #begin(): Promise<void> {
    this.#next = undefined;
    const writing = this.#writeAll().finally(() => {
      if (this.#writing === writing) this.#writing = undefined;
    });
    this.#writing = writing;
    return writing;
  }

  async #writeAll(): Promise<void> {
    if (this.#changed.size === 0) return;
    await nextTurn(); // others' changes of this turn go with it
    const changed = this.#changed;
    this.#changed = new Set();
    const all = [...changed];
    try {
      for (let at = 0; at < all.length; at += recordsPerCommit) {
        const some = all.slice(at, at + recordsPerCommit);
        await this.#store.commit(() => this.#write(some));
        for (const number of some) changed.delete(number);
      }
    } catch (error) {
      for (const number of changed) this.#changed.add(number);
      throw error;
    }
  }

  #write(some: readonly number[]): void {
    for (const number of some) {
      if (this.#graph.numbers.has(number)) this.#table.put(number, encodeRecord(this.#graph, number));
      else this.#table.remove(number);
    }
  }
}

/** @throws StoreError where the table is damaged */
async function load(graph: Graph, table: Table, store: Store): Promise<void> {
  const { numbers, subscriptions } = graph;
  const damaged = (part: string) =>
    new StoreError(
      `The graph in ${store.directory} is damaged (${part}): restore a copy of that directory, or give --data another one.`,
    );
  const pause = pauseEach(sliceMs);
  /** Followers of each number. */
  let counts = new Uint32Array(1024);
  for (const { key, value } of table.entries()) {
    const record = decodeRecord(value);
    if (record === undefined || key === 0 || key > numberMax || !numbers.restore(key, record.id))
      throw damaged(`record ${key}`);
    subscriptions.fill(key, record.subscriptions);
    graph.edges += record.subscriptions.length;
    for (const other of record.subscriptions) {
      if (other > numberMax) throw damaged(`record ${key}`);
      counts = grownFor(counts, other);
      counts[other]!++;
    }
    const wait = pause();
    if (wait !== undefined) await wait;
  }
  numbers.settle();
  const missing = counts.findIndex((count, number) => count > 0 && !numbers.has(number));
  if (missing !== -1) throw damaged(`id ${missing} is missing`);
  await loadSubscribers(graph, counts, pause);
}

/** Turns the lists of subscriptions round: in one array at first, so that each list is made at its full length. */
async function loadSubscribers(
  { numbers, subscriptions, subscribers, edges }: Graph,
  counts: Uint32Array,
  pause: () => Promise<void> | undefined,
): Promise<void> {
  const ends = new Uint32Array(counts.length);
  for (let number = 1; number < counts.length; number++)
    ends[number] = ends[number - 1]! + counts[number - 1]!;
  const all = new Uint32Array(edges);
  for (let number = 1; number < numbers.end; number++) {
    subscriptions.forEach(number, (other) => {
      all[ends[other]!++] = number;
    });
    const wait = pause();
    if (wait !== undefined) await wait;
  }
  for (let number = 1; number < counts.length; number++) {
    const end = ends[number]!;
    subscribers.fill(number, all.subarray(end - counts[number]!, end));
    const wait = pause();
    if (wait !== undefined) await wait;
  }
}

/** Lets the loop turn after so much time. */
function pauseEach(ms: number): () => Promise<void> | undefined {
  let untilMs = performance.now() + ms;
  let seen = 0;
  return () => {
    if (++seen % recordsPerLook !== 0 || performance.now() < untilMs) return undefined;
    return nextTurn().then(() => {
      untilMs = performance.now() + ms;
    });
  };
}
