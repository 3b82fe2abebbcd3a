import type { GroupCommit } from '../../store/group-commit.js';
import type { Table } from '../../store/store.js';
import type { InflightEntry } from './inflight-entry.js';
import { MemoryFlow } from './memory-store.js';
import type { Queued } from './mqueue.js';
import type { FlowTotal } from './session-store.js';
import { inflightRecord, queuedRecord, recordKey, recordKind } from './stored-records.js';

/** Flows are written to this table, with these commits. */
export interface FlowTable {
  readonly table: Table<Uint8Array>;
  readonly commits: GroupCommit;
}

/** Keeps a flow in memory, and each change of it goes to the disk with the next commit. */
export class StoredFlow extends MemoryFlow {
  readonly #at: FlowTable;
  /** The number of its session, see stored-records.ts. */
  readonly #number: number;
  /** The order of the last entry that was sent or released. */
  #order = 0;
  /** The place of the first waiting message, and of the next one. */
  #first = 0;
  #next = 0;

  constructor(total: FlowTotal, number: number, at: FlowTable) {
    super(total);
    this.#number = number;
    this.#at = at;
  }

  /** Fills it with what is on the disk. @param queued in the order of their places @param inflight in that of repeats */
  restore(
    inflight: readonly { order: number; entry: InflightEntry }[],
    queued: readonly { place: number; queued: Queued }[],
    awaiting: readonly number[],
  ): void {
    for (const { order, entry } of inflight) {
      super.send(entry);
      this.#order = order;
    }
    this.#first = queued[0]?.place ?? 0;
    this.#next = this.#first;
    for (const each of queued) {
      super.enqueue(each.queued);
      this.#next++;
    }
    for (const packetId of awaiting) super.beginAwaiting(packetId, 0);
  }

  override send(entry: InflightEntry): void {
    super.send(entry);
    this.#putInflight(entry);
  }

  override release(entry: InflightEntry): void {
    super.release(entry);
    this.#putInflight(entry);
  }

  override remove(entry: InflightEntry): void {
    super.remove(entry);
    this.#remove(recordKind.inflight, entry.packetId);
  }

  override enqueue(queued: Queued): void {
    super.enqueue(queued);
    this.#put(recordKind.queued, this.#next++, queuedRecord(queued));
  }

  override dequeue(): Queued | undefined {
    const queued = super.dequeue();
    if (queued !== undefined) this.#remove(recordKind.queued, this.#first++);
    return queued;
  }

  override beginAwaiting(packetId: number, nowSec: number): void {
    super.beginAwaiting(packetId, nowSec);
    this.#put(recordKind.awaiting, packetId, Buffer.of(0));
  }

  override endAwaiting(packetId: number): boolean {
    const was = super.endAwaiting(packetId);
    if (was) this.#remove(recordKind.awaiting, packetId);
    return was;
  }

  override expireAwaiting(lastSec: number): number {
    const before = [...this.awaitingIds()];
    const expired = super.expireAwaiting(lastSec);
    if (expired > 0)
      for (const packetId of before)
        if (!this.isAwaiting(packetId)) this.#remove(recordKind.awaiting, packetId);
    return expired;
  }

  override clear(): void {
    for (const { packetId } of this.entries()) this.#remove(recordKind.inflight, packetId);
    for (; this.#first < this.#next; this.#first++) this.#remove(recordKind.queued, this.#first);
    for (const packetId of this.awaitingIds()) this.#remove(recordKind.awaiting, packetId);
    super.clear();
  }

  #putInflight(entry: InflightEntry): void {
    this.#put(recordKind.inflight, entry.packetId, inflightRecord(entry, ++this.#order));
  }

  #put(kind: number, tail: number, value: Buffer): void {
    this.#at.commits.put(this.#at.table, recordKey(this.#number, kind, tail), value);
  }

  #remove(kind: number, tail: number): void {
    this.#at.commits.remove(this.#at.table, recordKey(this.#number, kind, tail));
  }
}
