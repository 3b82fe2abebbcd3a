import type { Store, Table } from './store.js';
import { StoreError } from './store-error.js';

type Keyed = Table<Uint8Array>;

/** The value of a key from the next commit on; undefined = none. */
interface Change {
  readonly table: Keyed;
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

interface Waiting {
  readonly then: () => void;
  /** Called in the place of `then` where the commit fails; absent = it waits for the one that does not. */
  readonly onTrouble: ((problem: string) => void) | undefined;
}

/** Publishers of many messages wait for the disk while more bytes than these are pending. */
const behindBytes = 8 * 1024 * 1024;
/** A change takes so many bytes besides its value. */
const changeBytes = 250;
/** A commit that failed, such as on a full disk, is tried again after so much time, ms. */
const retryMs = 500;

/**
 * Gathers changes and commits them together: while one commit is on its way to the disk, the next one fills. So a commit
 * takes a few ms, and the rate does not fall, however many wait for it. Of several changes under one key, the last counts.
 *
 *     put put put │ put put put put │ put …
 *                 └─ commit ────────┴─ commit ────── …
 *
 * A commit that fails is tried again, with what has changed since; nothing of it is lost while the process lives.
 */
export class GroupCommit {
  readonly #store: Pick<Store, 'commit'>;
  readonly #onTrouble: (problem: string | undefined) => void;
  #pending = new Map<string, Change>();
  #waiting: Waiting[] = [];
  /** Bytes of what is pending. */
  #bytes = 0;
  #writing = false;
  /** These wait for the commit on its way; `#waiting` is for the next one. */
  #waitingForThis: Waiting[] = [];
  #problem: string | undefined;
  #retry: NodeJS.Timeout | undefined;
  #onIdle: (() => void) | undefined;

  /** @param onTrouble told why a commit failed, and undefined when one succeeds again */
  constructor(store: Pick<Store, 'commit'>, onTrouble: (problem: string | undefined) => void = () => {}) {
    this.#store = store;
    this.#onTrouble = onTrouble;
  }

  /** Why nothing can be stored now; undefined where it can. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** More is pending than the disk takes in a moment. */
  get isBehind(): boolean {
    return this.#bytes > behindBytes && this.#problem === undefined;
  }

  /** The commit owns the bytes. */
  put(table: Keyed, key: Buffer, value: Uint8Array): void {
    this.#change(table, key, value);
  }

  remove(table: Keyed, key: Buffer): void {
    this.#change(table, key, undefined);
  }

  /**
   * Calls back when all changes so far are on the disk: at once where they are, else in the order of the calls.
   * @param onTrouble called instead, once, where they cannot be written now
   */
  whenStored(then: () => void, onTrouble?: (problem: string) => void): void {
    if (this.#pending.size > 0) this.#waiting.push({ then, onTrouble });
    else if (this.#writing) this.#waitingForThis.push({ then, onTrouble });
    else then();
  }

  /** Resolves when all is written, or cannot be. */
  async close(): Promise<void> {
    if (!this.#writing && this.#pending.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      if (this.#problem !== undefined && !this.#writing) this.#begin();
    });
  }

  #change(table: Keyed, key: Buffer, value: Uint8Array | undefined): void {
    const name = table.name + key.toString('latin1');
    // Then a commit is on its way, or is to begin or to be tried again, and the next one takes this change too.
    const isAwaited = this.#writing || this.#pending.size > 0;
    const before = this.#pending.get(name);
    if (before !== undefined) {
      this.#bytes -= bytesOf(before);
      this.#pending.delete(name); // to the end, so that order is that of the changes
    }
    const change = { table, key, value };
    this.#bytes += bytesOf(change);
    this.#pending.set(name, change);
    if (!isAwaited) setImmediate(this.#begin); // others' changes of this turn go with it
  }

  readonly #begin = (): void => {
    clearTimeout(this.#retry);
    if (this.#writing) return;
    const changes = this.#pending;
    this.#pending = new Map();
    this.#bytes = 0;
    this.#waitingForThis = this.#waiting;
    this.#waiting = [];
    this.#writing = true;
    const write = () => {
      for (const { table, key, value } of changes.values()) {
        if (value === undefined) table.remove(key);
        else table.put(key, value);
      }
    };
    this.#store.commit(write).then(this.#succeeded, (error: unknown) => this.#failed(changes, error));
  };

  readonly #succeeded = (): void => {
    this.#writing = false;
    if (this.#problem !== undefined) {
      this.#problem = undefined;
      this.#onTrouble(undefined);
    }
    const stored = this.#waitingForThis;
    this.#waitingForThis = [];
    if (this.#pending.size > 0) this.#begin();
    else this.#onIdle?.();
    for (const { then } of stored) then();
  };

  #failed(changes: Map<string, Change>, error: unknown): void {
    this.#writing = false;
    const problem = error instanceof StoreError ? error.message : String(error);
    const isNew = this.#problem === undefined;
    this.#problem = problem;
    for (const [name, change] of this.#pending) {
      changes.delete(name);
      changes.set(name, change);
    }
    this.#pending = changes;
    this.#bytes = 0;
    for (const change of changes.values()) this.#bytes += bytesOf(change);
    const waiting = [...this.#waitingForThis, ...this.#waiting];
    this.#waitingForThis = [];
    this.#waiting = waiting.filter(({ onTrouble }) => onTrouble === undefined);
    if (this.#onIdle === undefined) this.#retry = setTimeout(this.#begin, retryMs);
    else this.#onIdle();
    if (isNew) this.#onTrouble(problem);
    for (const { onTrouble } of waiting) onTrouble?.(problem);
  }
}

function bytesOf({ value }: Change): number {
  return changeBytes + (value?.length ?? 0);
}
