import type { GroupCommit } from '../store/group-commit.js';
import type { Store, Table } from '../store/store.js';
import { StoreError } from '../store/store-error.js';
import type { Message } from './message.js';
import { queuedRecord, readQueued } from './session/stored-records.js';
import { keyOfText } from './stored-key.js';

const version = 1;

/** Keeps the retained message of each id on disk: a record under the hash of the id, with the id in it. */
export class RetainedStore {
  readonly #table: Table<Uint8Array>;
  readonly #commits: GroupCommit;
  readonly #directory: string;

  /** @throws StoreError */
  constructor(store: Store, commits: GroupCommit) {
    this.#table = store.keyedTable('retained', version);
    this.#commits = commits;
    this.#directory = store.directory;
  }

  /** The messages that the process before has kept. @throws StoreError where one is damaged */
  *restore(): Generator<Message> {
    for (const { value } of this.#table.entries()) yield this.#messageIn(value);
  }

  put(message: Message): void {
    this.#commits.put(this.#table, keyOfText(message.id), queuedRecord({ message, options: message.qos }));
  }

  remove(id: string): void {
    this.#commits.remove(this.#table, keyOfText(id));
  }

  #messageIn(value: Uint8Array): Message {
    try {
      return readQueued(Buffer.from(value)).message;
    } catch (error) {
      throw StoreError.damaged('A retained message', this.#directory, error);
    }
  }
}
