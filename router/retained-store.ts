import type { GroupCommit } from '../store/group-commit.js';
import type { Store, Table } from '../store/store.js';
import { StoreError } from '../store/store-error.js';
import type { Message } from './message.js';
import { messageParts, queuedIn } from './session/session-encoding.js';
import { keyOfText } from './stored-key.js';

const version = 1;

/** The retained message of each id on disk: a record under the hash of the id, with the id in it. */
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

  /** Those of the process before. @throws StoreError where one is damaged */
  *restore(): Generator<Message> {
    for (const { value } of this.#table.entries()) yield this.#messageIn(value);
  }

  put(message: Message): void {
    this.#commits.put(this.#table, keyOfText(message.id), Buffer.concat(messageParts(message, message.qos)));
  }

  remove(id: string): void {
    this.#commits.remove(this.#table, keyOfText(id));
  }

  #messageIn(value: Uint8Array): Message {
    try {
      return queuedIn(Buffer.from(value)).message;
    } catch (error) {
      throw new StoreError(
        `A retained message in ${this.#directory} is damaged: restore a copy of that directory, or give --data another one.`,
        { cause: error },
      );
    }
  }
}
