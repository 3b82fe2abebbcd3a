import { type StoredPassword, storedPasswordOf } from '../../access/stored-password.js';
import type { StoredUser, UserStore } from '../../access/user-store.js';
import type { ImportedUser } from './import-record.js';
import { answered } from './user-store-options.js';

/** A line of an import: its user, or the reason why it has none. */
export interface ImportItem {
  readonly line: number;
  readonly user?: ImportedUser;
  readonly problem?: string;
}

/** One pipeline has at most so many users: 500 with 20 rules each are about 500 KB. */
const batchUsersMax = 500;
/** One pipeline has about so many rules: a user may have 1,000. */
const batchRulesMax = 20_000;
/** So many bad lines are named, and further ones are only counted. */
const namedMax = 1_000;

/** Writes users in the order of their lines: one batch is on its way while the next one is read. */
export class ImportRun {
  readonly #store: UserStore;
  readonly #passwordHash: string;
  readonly #report: (line: number, problem: string) => void;
  imported = 0;
  rules = 0;
  bad = 0;
  /** All lines up to this one are imported, or bad. */
  doneLine: number;
  #stopped = false;

  /** @param doneLine the line before the first one @param report is called for each bad line */
  constructor(
    store: UserStore,
    passwordHash: string,
    doneLine: number,
    report: (line: number, problem: string) => void,
  ) {
    this.#store = store;
    this.#passwordHash = passwordHash;
    this.doneLine = doneLine;
    this.#report = report;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Ends the run when the batches that are on their way are done. */
  stop(): void {
    this.#stopped = true;
  }

  async run(items: AsyncIterable<ImportItem> | Iterable<ImportItem>): Promise<void> {
    let batch: ImportItem[] = [];
    let rules = 0;
    let pending: Promise<void> = Promise.resolve();
    const flush = async () => {
      const next = batch;
      batch = [];
      rules = 0;
      await pending;
      pending = this.#write(next);
      pending.catch(() => {}); // whoever awaits it is told
    };
    for await (const item of items) {
      if (this.#stopped) break;
      batch.push(item);
      rules += item.user?.rules.size ?? 0;
      if (batch.length >= batchUsersMax || rules >= batchRulesMax) await flush();
    }
    if (!this.#stopped) await flush();
    await pending;
  }

  async #write(items: readonly ImportItem[]): Promise<void> {
    const good = items.filter(({ user }) => user !== undefined);
    const users = await Promise.all(good.map(({ user }) => this.#storedUser(user!)));
    const problems = new Map<number, string>();
    if (users.length > 0) {
      const answers = await answered(this.#store.replace(users));
      for (const [at, { line }] of good.entries())
        if (answers[at] !== undefined) problems.set(line, answers[at]);
    }
    for (const { line, user, problem = problems.get(line) } of items) {
      this.doneLine = line;
      if (problem === undefined) {
        this.imported++;
        this.rules += user?.rules.size ?? 0;
      } else if (++this.bad <= namedMax) this.#report(line, problem);
    }
  }

  async #storedUser({ names, password, stored, isSuperuser, rules }: ImportedUser): Promise<StoredUser> {
    const kept: StoredPassword = stored ?? (await storedPasswordOf(this.#passwordHash, password!));
    return { names, stored: kept, isSuperuser, rules };
  }
}
