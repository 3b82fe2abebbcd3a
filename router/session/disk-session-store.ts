import type { GroupCommit } from '../../store/group-commit.js';
import type { Store, Table } from '../../store/store.js';
import { StoreError } from '../../store/store-error.js';
import { keyOfText } from '../stored-key.js';
import type { SubscriptionOptions } from '../subscription-options.js';
import type { InflightEntry } from './inflight-entry.js';
import { MemoryFlow } from './memory-store.js';
import type { Queued } from './mqueue.js';
import type { SessionOwner } from './session-owner.js';
import type { Subscription } from './session-state.js';
import type { FlowTotal, SessionFlow, SessionStore, StoredSession } from './session-store.js';
import { StoredFlow } from './stored-flow.js';
import {
  kindOfKey,
  readInflight,
  readQueued,
  readSubscription,
  readTerms,
  recordKey,
  recordKind,
  type StoredTerms,
  sessionOfKey,
  storedRecordsVersion,
  subscriptionRecord,
  tailOfKey,
  termsRecord,
} from './stored-records.js';

/** One commit removes so many records that a session has left behind, at most. */
const sweptPerCommit = 1_000;

/**
 * Keeps sessions on disk that outlive their connection. In memory it has the number of each, and no more. A flow writes
 * each change; see stored-records.ts. The flows of sessions that end with their connection are in memory alone.
 */
export class DiskSessionStore implements SessionStore {
  readonly isDurable = true;
  readonly #table: Table<Uint8Array>;
  readonly #commits: GroupCommit;
  readonly #directory: string;
  readonly #numbers = new Map<string, number>();
  #last = 0;
  /** While sessions are restored, their subscriptions are on the disk already. */
  #restoring = false;

  /** @throws StoreError */
  constructor(store: Store, commits: GroupCommit) {
    this.#table = store.keyedTable('sessions', storedRecordsVersion);
    this.#commits = commits;
    this.#directory = store.directory;
  }

  /** @throws StoreError where a record is damaged */
  *restore(total: FlowTotal): Generator<StoredSession> {
    this.#restoring = true;
    let reading: ReadSession | undefined;
    for (const { key, value } of this.#table.entries()) {
      const at = Buffer.from(key);
      const number = sessionOfKey(at);
      if (number !== reading?.number) {
        if (reading !== undefined) yield* this.#sessionOf(reading, total);
        reading = new ReadSession(number);
        this.#last = Math.max(this.#last, number);
      }
      try {
        reading.add(at, Buffer.from(value));
      } catch (error) {
        throw StoreError.damaged('A session', this.#directory, error);
      }
    }
    if (reading !== undefined) yield* this.#sessionOf(reading, total);
    this.#restoring = false;
  }

  create(clientId: string, isPassing: boolean, total: FlowTotal): SessionFlow {
    if (isPassing) return new MemoryFlow(total);
    return new StoredFlow(total, this.#numberOf(clientId), { table: this.#table, commits: this.#commits });
  }

  remove(_clientId: string, flow: SessionFlow): void {
    (flow as MemoryFlow).clear();
  }

  keep(clientId: string, owner: SessionOwner | undefined, expirySec: number | undefined): void {
    let number = this.#numbers.get(clientId);
    if (number === undefined) {
      number = ++this.#last;
      this.#numbers.set(clientId, number);
    }
    const terms = termsRecord({ clientId, owner, expirySec });
    this.#commits.put(this.#table, recordKey(number, recordKind.session), terms);
  }

  forget(clientId: string): void {
    const number = this.#numbers.get(clientId);
    if (number === undefined) return;
    this.#numbers.delete(clientId);
    this.#commits.remove(this.#table, recordKey(number, recordKind.session));
    this.#sweep(number);
  }

  subscribed(clientId: string, filter: string, options: SubscriptionOptions): void {
    if (this.#restoring) return;
    const key = recordKey(this.#numberOf(clientId), recordKind.subscription, keyOfText(filter));
    this.#commits.put(this.#table, key, subscriptionRecord(filter, options));
  }

  unsubscribed(clientId: string, filter: string): void {
    const key = recordKey(this.#numberOf(clientId), recordKind.subscription, keyOfText(filter));
    this.#commits.remove(this.#table, key);
  }

  whenStored(then: () => void): void {
    this.#commits.whenStored(then);
  }

  /** The number of a session that is there already, or begins. */
  #numberOf(clientId: string): number {
    if (!this.#numbers.has(clientId)) this.keep(clientId, undefined, undefined);
    return this.#numbers.get(clientId)!;
  }

  /** Removes the rest of a session that has ended, a part with each commit: one may have a million filters. */
  #sweep(number: number): void {
    this.#commits.whenStored(() => {
      const keys = this.#table.keys(recordKey(number, 0), recordKey(number + 1, 0), sweptPerCommit);
      for (const key of keys) this.#commits.remove(this.#table, Buffer.from(key));
      if (keys.length === sweptPerCommit) this.#sweep(number);
    });
  }

  *#sessionOf(read: ReadSession, total: FlowTotal): Generator<StoredSession> {
    const { number, terms, subscriptions } = read;
    if (terms === undefined) return this.#sweep(number); // it had ended
    this.#numbers.set(terms.clientId, number);
    let flow: StoredFlow | undefined;
    if (!read.isIdle) {
      flow = new StoredFlow(total, number, { table: this.#table, commits: this.#commits });
      read.fill(flow);
    }
    yield { ...terms, flow, subscriptions };
  }
}

/** Gathers the records of one session while they are read. */
class ReadSession {
  readonly number: number;
  terms: StoredTerms | undefined;
  readonly subscriptions: Subscription[] = [];
  readonly #inflight: { order: number; entry: InflightEntry }[] = [];
  readonly #queued: { place: number; queued: Queued }[] = [];
  readonly #awaiting: number[] = [];

  constructor(number: number) {
    this.number = number;
  }

  get isIdle(): boolean {
    return this.#inflight.length + this.#queued.length + this.#awaiting.length === 0;
  }

  /** @throws Error */
  add(key: Buffer, value: Buffer): void {
    switch (kindOfKey(key)) {
      case recordKind.session:
        this.terms = readTerms(value);
        return;
      case recordKind.subscription:
        this.subscriptions.push(readSubscription(value));
        return;
      case recordKind.inflight:
        this.#inflight.push(readInflight(tailOfKey(key), value));
        return;
      case recordKind.queued:
        this.#queued.push({ place: tailOfKey(key), queued: readQueued(value) });
        return;
      case recordKind.awaiting:
        this.#awaiting.push(tailOfKey(key));
        return;
      default:
        throw new RangeError(`A record of kind ${kindOfKey(key)}.`);
    }
  }

  fill(flow: StoredFlow): void {
    this.#inflight.sort((one, other) => one.order - other.order);
    flow.restore(this.#inflight, this.#queued, this.#awaiting);
  }
}
