import { AwaitingRel } from './awaiting-rel.js';
import type { InflightEntry } from './inflight-entry.js';
import { InflightWindow } from './inflight-window.js';
import { Mqueue, type Queued } from './mqueue.js';
import type { FlowTotal, SessionFlow, SessionStore, StoredSession } from './session-store.js';
import { weightOfAwaiting } from './weight.js';

/** Flows in memory, for the life of the process. Only the session refers to its flow. */
export class MemoryStore implements SessionStore {
  readonly isDurable: boolean = false;

  restore(_total: FlowTotal): Iterable<StoredSession> {
    return [];
  }

  keep(): void {}

  forget(): void {}

  subscribed(): void {}

  unsubscribed(): void {}

  whenStored(then: () => void): void {
    then();
  }

  create(_clientId: string, _isPassing: boolean, total: FlowTotal): SessionFlow {
    return new MemoryFlow(total);
  }

  remove(_clientId: string, flow: SessionFlow): void {
    (flow as MemoryFlow).clear();
  }
}

/** Each of the three parts exists only while it has content. */
export class MemoryFlow implements SessionFlow {
  readonly #total: FlowTotal;
  #window: InflightWindow | undefined = undefined;
  #mqueue: Mqueue | undefined = undefined;
  #awaiting: AwaitingRel | undefined = undefined;

  constructor(total: FlowTotal) {
    this.#total = total;
  }

  get empty(): boolean {
    return this.#window === undefined && this.#mqueue === undefined && this.#awaiting === undefined;
  }

  get inflight(): number {
    return this.#window === undefined ? 0 : this.#window.size;
  }

  entry(packetId: number): InflightEntry | undefined {
    return this.#window?.get(packetId);
  }

  entries(): Iterable<InflightEntry> {
    return this.#window?.entries() ?? [];
  }

  send(entry: InflightEntry): void {
    this.#window ??= new InflightWindow();
    const before = this.#window.bytes;
    this.#window.add(entry);
    this.#total.bytes += this.#window.bytes - before;
  }

  release(entry: InflightEntry): void {
    const window = this.#window!;
    const before = window.bytes;
    window.release(entry);
    this.#total.bytes += window.bytes - before;
  }

  remove(entry: InflightEntry): void {
    const window = this.#window!;
    const before = window.bytes;
    window.remove(entry);
    this.#total.bytes += window.bytes - before;
    if (window.size === 0) this.#window = undefined;
  }

  get queued(): number {
    return this.#mqueue === undefined ? 0 : this.#mqueue.size;
  }

  get queuedQos0(): number {
    return this.#mqueue === undefined ? 0 : this.#mqueue.qos0;
  }

  get queuedBytes(): number {
    return this.#mqueue === undefined ? 0 : this.#mqueue.bytes;
  }

  get head(): Queued | undefined {
    return this.#mqueue?.head;
  }

  enqueue(queued: Queued): void {
    this.#mqueue ??= new Mqueue();
    const before = this.#mqueue.bytes;
    this.#mqueue.push(queued);
    this.#total.bytes += this.#mqueue.bytes - before;
  }

  dequeue(): Queued | undefined {
    const mqueue = this.#mqueue;
    if (mqueue === undefined) return undefined;
    const before = mqueue.bytes;
    const queued = mqueue.shift();
    this.#total.bytes += mqueue.bytes - before;
    if (mqueue.size === 0) this.#mqueue = undefined;
    return queued;
  }

  get awaiting(): number {
    return this.#awaiting === undefined ? 0 : this.#awaiting.size;
  }

  isAwaiting(packetId: number): boolean {
    return this.#awaiting?.has(packetId) ?? false;
  }

  awaitingIds(): Iterable<number> {
    return this.#awaiting?.packetIds() ?? [];
  }

  beginAwaiting(packetId: number, nowSec: number): void {
    this.#awaiting ??= new AwaitingRel();
    if (!this.#awaiting.has(packetId)) this.#total.bytes += weightOfAwaiting;
    this.#awaiting.add(packetId, nowSec);
  }

  endAwaiting(packetId: number): boolean {
    const was = this.#awaiting?.remove(packetId) ?? false;
    if (was) this.#total.bytes -= weightOfAwaiting;
    this.#forgetAwaiting();
    return was;
  }

  expireAwaiting(lastSec: number): number {
    const expired = this.#awaiting?.expire(lastSec) ?? 0;
    this.#total.bytes -= expired * weightOfAwaiting;
    this.#forgetAwaiting();
    return expired;
  }

  pauseAwaiting(nowSec: number): void {
    this.#awaiting?.pause(nowSec);
  }

  resumeAwaiting(nowSec: number): void {
    this.#awaiting?.resume(nowSec);
  }

  clear(): void {
    this.#total.bytes -= (this.#window?.bytes ?? 0) + this.queuedBytes + this.awaiting * weightOfAwaiting;
    this.#window = undefined;
    this.#mqueue = undefined;
    this.#awaiting = undefined;
  }

  #forgetAwaiting(): void {
    if (this.#awaiting?.size === 0) this.#awaiting = undefined;
  }
}
