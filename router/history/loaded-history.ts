import type { Message } from '../message.js';
import { ownText } from '../own-copy.js';
import type { HistoryRules } from './history-rules.js';
import type { HistoryStats } from './history-store.js';
import { type Loaded, LoadedId } from './loaded-id.js';

/**
 * How long an id is held after it was loaded: polls come again, and long histories are read in pages. A message may be
 * given out this much longer than its age, so it is at most half of the age.
 */
const loadedMsMax = 30_000;
/** 0.6 KB each, for the subscription. */
export const loadedIdsMax = 100_000;

export interface LoadedHistoryEvents {
  onHold(id: string): void;
  onRelease(id: string): void;
}

/**
 * Ids that clients resume right now, with their loaded messages. Past the byte limit, the ids loaded longest ago go
 * first.
 */
export class LoadedHistory {
  readonly #rules: HistoryRules;
  readonly #bytesMax: number;
  readonly #events: LoadedHistoryEvents;
  /** The id loaded longest ago is first. */
  readonly #byId = new Map<string, LoadedId>();
  #bytes = 0;
  #messages = 0;
  #nowMs = 0;
  #evicted = { count: 0, age: 0, bytes: 0 };

  constructor(rules: HistoryRules, bytesMax: number, events: LoadedHistoryEvents) {
    this.#rules = rules;
    this.#bytesMax = bytesMax;
    this.#events = events;
  }

  get(id: string): LoadedId | undefined {
    return this.#byId.size === 0 ? undefined : this.#byId.get(id);
  }

  hold(id: string): LoadedId {
    let held = this.#byId.get(id);
    if (held !== undefined) return held;
    const own = ownText(id);
    held = new LoadedId(this.#untilMs(id));
    this.#events.onHold(own);
    this.#byId.set(own, held);
    if (this.#byId.size > loadedIdsMax) this.#releaseOldest(held);
    return held;
  }

  /** A new message of a held id has arrived. */
  note(held: LoadedId, message: Message): void {
    held.messages.push(message.kept());
    this.#count(held, message.bytes, 1);
    this.#trim(message.id, held);
  }

  /** Joins loaded messages with those that arrived since. */
  merge(id: string, held: LoadedId, offset: number, { messages, floor, position }: Loaded): void {
    if (offset >= held.searched) return; // everything was already here
    const live = held.messages.filter((message) => message.offset > position);
    this.#count(held, -held.bytes, -held.messages.length);
    const joins = held.dropped <= position;
    held.messages = joins ? [...messages, ...live] : live;
    held.floor = joins ? floor : held.dropped;
    held.searched = offset;
    held.untilMs = this.#untilMs(id);
    this.#byId.delete(id);
    this.#byId.set(id, held); // the last one that was loaded
    const sum = held.messages.reduce((total, { bytes }) => total + bytes, 0);
    this.#count(held, sum, held.messages.length);
    this.#trim(id, held);
  }

  /** Nothing here is complete any more. Ids that are being loaded begin again. */
  forgetAll(): void {
    for (const [id, held] of this.#byId) {
      if (held.users === 0) this.#release(id, held);
      else this.#empty(held);
    }
  }

  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    for (const [id, held] of this.#byId) {
      if (held.untilMs <= nowMs && held.users === 0) this.#release(id, held);
    }
  }

  stats(): HistoryStats {
    return {
      ids: this.#byId.size,
      messages: this.#messages,
      bytes: this.#bytes,
      reservedBytes: this.#bytes,
      evicted: { ...this.#evicted },
    };
  }

  #untilMs(id: string): number {
    return this.#nowMs + Math.min(loadedMsMax, this.#rules.list[this.#rules.of(id)]!.ageSec * 500);
  }

  #trim(id: string, held: LoadedId): void {
    const most = this.#rules.list[this.#rules.of(id)]!.messages;
    while (held.messages.length > most) this.#dropFirst(held, 'count');
    while (this.#bytes > this.#bytesMax && this.#releaseOldest(held));
    while (this.#bytes > this.#bytesMax && held.messages.length > 0) this.#dropFirst(held, 'bytes');
  }

  #dropFirst(held: LoadedId, why: 'count' | 'bytes'): void {
    const { offset, bytes } = held.messages.shift()!;
    held.dropped = offset;
    if (held.floor < offset) held.floor = offset;
    this.#count(held, -bytes, -1);
    this.#evicted[why]++;
  }

  /** @returns false when there is none but `besides` */
  #releaseOldest(besides: LoadedId): boolean {
    for (const [id, held] of this.#byId) {
      if (held === besides || held.users > 0) continue;
      this.#evicted.bytes += held.messages.length;
      this.#release(id, held);
      return true;
    }
    return false;
  }

  #empty(held: LoadedId): void {
    this.#count(held, -held.bytes, -held.messages.length);
    held.empty();
  }

  #release(id: string, held: LoadedId): void {
    this.#byId.delete(id);
    this.#count(held, -held.bytes, -held.messages.length);
    this.#events.onRelease(id);
  }

  #count(held: LoadedId, bytes: number, messages: number): void {
    held.bytes += bytes;
    this.#bytes += bytes;
    this.#messages += messages;
  }
}
