import type { Message } from '../message.js';
import { ownText } from '../own-copy.js';
import type { ResumeFrom } from './history.js';
import type { HistoryRules } from './history-rules.js';
import type { HistoryReader, HistoryStats, HistoryStore } from './history-store.js';

/** Where a node finds what it was not sent itself: outside of the process, in one order for all nodes. */
export interface HistorySource {
  /** Another one when offsets may have been lost. */
  readonly epoch: string;
  /** Of a rule: up to here all that this node is sent has come. */
  position(rule: number): number;
  /** From now on this node is sent what is published to the id, whether anybody is logged in or not. */
  hold(id: string): void;
  release(id: string): void;
  /** What is kept of an id behind an offset; undefined = it cannot be known now. The id is held. Never rejects. */
  load(rule: number, id: string, offset: number): Promise<Loaded | undefined>;
}

export interface Loaded {
  /** All that is kept behind `floor`, up to `position`. */
  readonly messages: readonly Message[];
  /** Nothing is missing behind this offset. */
  readonly floor: number;
  /** What this node is sent itself goes on behind it. */
  readonly position: number;
}

/** How long an id is held after somebody resumed it: polls come again, and long histories are read page by page. */
const heldMs = 30_000;
/** 1.5 KB each, for the subscription. */
const heldIdsMax = 100_000;

/** An id whose messages are here for a while, as somebody is resuming it. */
class Held {
  /** Nothing is missing behind this offset; Infinity while that is not known. */
  floor = Number.POSITIVE_INFINITY;
  messages: Message[] = [];
  bytes = 0;
  untilMs = 0;
  /** Resumes that wait for it. */
  waiting = 0;
}

/**
 * History that all nodes share: kept and numbered outside of this process, by a source. An offset is the message's
 * place in the source's sequence, so offsets of one id grow but not by one, and the position of the whole sequence is
 * a cursor for any id.
 *
 * Here is only what somebody resumes right now: an id is *held* and loaded, and then read like any other history,
 * without waiting.
 *
 *     resume   prepare ──> hold: what comes from now on is noted
 *                          load: what is kept behind the cursor, up to a position that has come here, too
 *                     ──> both together, and nothing between or twice
 */
export class ReplicatedHistory implements HistoryStore {
  readonly #rules: HistoryRules;
  readonly #source: HistorySource;
  readonly #bytesMax: number;
  /** The one that was used longest ago is first. */
  readonly #held = new Map<string, Held>();
  #bytes = 0;
  #messages = 0;
  #nowMs = 0;
  #evicted = { count: 0, age: 0, bytes: 0 };

  /** @param bytesMax payloads that are held, all together; the ids that were resumed longest ago go first */
  constructor(rules: HistoryRules, source: HistorySource, bytesMax: number) {
    this.#rules = rules;
    this.#source = source;
    this.#bytesMax = bytesMax;
  }

  get epoch(): string {
    return this.#source.epoch;
  }

  keeps(id: string): boolean {
    return this.#rules.of(id) !== -1;
  }

  /** The offset came with the message; one that could not be carried has none. */
  append(message: Message): number {
    const held = this.#held.size === 0 ? undefined : this.#held.get(message.id);
    if (held !== undefined && message.offset > 0) this.#note(held, message);
    return message.offset;
  }

  first(id: string): number {
    const held = this.#held.get(id);
    return held === undefined || held.floor === Number.POSITIVE_INFINITY ? this.last(id) + 1 : held.floor + 1;
  }

  last(id: string): number {
    const rule = this.#rules.of(id);
    return rule === -1 ? 0 : this.#source.position(rule);
  }

  after(id: string, offset: number): HistoryReader {
    const messages = this.#held.get(id)?.messages ?? [];
    let at = messages.length;
    while (at > 0 && messages[at - 1]!.offset > offset) at--;
    return new HeldReader(messages, at);
  }

  prepare(ids: readonly string[], from: ResumeFrom, ready: () => void): void {
    if (!('epoch' in from) && from.since === 'now') return ready();
    let missing = 1;
    const done = () => {
      missing--;
      if (missing === 0) ready();
    };
    for (const [index, id] of ids.entries()) {
      const rule = this.#rules.of(id);
      if (rule === -1) continue;
      const offset = 'epoch' in from && from.epoch === this.epoch ? (from.offsets[index] ?? 0) : 0;
      const held = this.#hold(ownText(id));
      if (held.floor <= offset) continue;
      missing++;
      held.waiting++;
      this.#source.load(rule, id, offset).then((loaded) => {
        held.waiting--;
        if (loaded !== undefined && this.#held.get(id) === held) this.#merge(held, loaded);
        done();
      });
    }
    done();
  }

  /** This node may have missed something: nothing of what is here is complete. */
  forgetAll(): void {
    for (const [id, held] of this.#held) this.#release(id, held);
  }

  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    for (const [id, held] of this.#held) {
      if (held.untilMs > nowMs) return;
      if (held.waiting === 0) this.#release(id, held);
    }
  }

  stats(): HistoryStats {
    return {
      ids: this.#held.size,
      messages: this.#messages,
      bytes: this.#bytes,
      reservedBytes: this.#bytes,
      evicted: { ...this.#evicted },
    };
  }

  #hold(id: string): Held {
    let held = this.#held.get(id);
    if (held === undefined) {
      held = new Held();
      this.#source.hold(id);
    } else {
      this.#held.delete(id);
    }
    held.untilMs = this.#nowMs + heldMs;
    this.#held.set(id, held);
    if (this.#held.size > heldIdsMax) this.#releaseOldest(held);
    return held;
  }

  #note(held: Held, message: Message): void {
    held.messages.push(message.kept());
    this.#count(held, message.payload.length, 1);
    const most = this.#rules.list[this.#rules.of(message.id)]!.messages;
    if (held.messages.length > most && held.waiting === 0) this.#dropFirst(held);
    while (this.#bytes > this.#bytesMax && this.#releaseOldest(held));
  }

  #merge(held: Held, { messages, floor, position }: Loaded): void {
    const live = held.messages.filter(({ offset }) => offset > position);
    this.#count(held, -held.bytes, -held.messages.length);
    held.messages = [...messages, ...live];
    held.floor = floor;
    const bytes = held.messages.reduce((sum, { payload }) => sum + payload.length, 0);
    this.#count(held, bytes, held.messages.length);
    while (this.#bytes > this.#bytesMax && this.#releaseOldest(held));
  }

  #dropFirst(held: Held): void {
    const { offset, payload } = held.messages.shift()!;
    if (held.floor < offset) held.floor = offset;
    this.#count(held, -payload.length, -1);
    this.#evicted.count++;
  }

  /** @returns false when there is none but `besides` */
  #releaseOldest(besides: Held): boolean {
    for (const [id, held] of this.#held) {
      if (held === besides || held.waiting > 0) continue;
      this.#evicted.bytes += held.messages.length;
      this.#release(id, held);
      return true;
    }
    return false;
  }

  #release(id: string, held: Held): void {
    this.#held.delete(id);
    this.#count(held, -held.bytes, -held.messages.length);
    this.#source.release(id);
  }

  #count(held: Held, bytes: number, messages: number): void {
    held.bytes += bytes;
    this.#bytes += bytes;
    this.#messages += messages;
  }
}

class HeldReader implements HistoryReader {
  readonly #messages: readonly Message[];
  #at: number;

  constructor(messages: readonly Message[], at: number) {
    this.#messages = messages;
    this.#at = at;
  }

  get sequence(): number {
    return this.#messages[this.#at]?.offset ?? Number.POSITIVE_INFINITY;
  }

  get bytes(): number {
    return this.#messages[this.#at]?.payload.length ?? 0;
  }

  take(): Message {
    return this.#messages[this.#at++]!;
  }
}
