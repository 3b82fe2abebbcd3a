import type { Message } from '../message.js';
import { ownText } from '../own-copy.js';
import { Held, HeldReader } from './held.js';
import type { ResumeFrom } from './history.js';
import type { HistoryRules } from './history-rules.js';
import type { HistoryReader, HistoryStats, HistoryStore } from './history-store.js';

/** Where a node finds what it was not sent itself: outside of the process, in one order for all nodes. */
export interface HistorySource {
  /** Another one when offsets may have been lost. */
  readonly epoch: string;
  /** Of an id under that rule: up to here all that this node is sent has come. */
  position(rule: number, id: string): number;
  /** From now on this node is sent what is published to the id, whether anybody is logged in or not; until as many releases. */
  hold(id: string): void;
  release(id: string): void;
  /** Somebody begins with an id that is held: resolves when that is in effect, or cannot be known now. -1 = of one without history. Never rejects. */
  begin(rule: number, id: string): Promise<void>;
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

/**
 * How long an id is held after it was loaded: polls come again, and long histories are read page by page. So much
 * longer than its age a message may be given; so it is at most half of that.
 */
const heldMsMax = 30_000;
/** 1.5 KB each, for the subscription. */
const heldIdsMax = 100_000;
/** Ids that are loaded at a time; the others wait for them. */
const loadsMax = 128;

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
  /** The one that was loaded longest ago is first. */
  readonly #held = new Map<string, Held>();
  #loads = 0;
  /** Loads that wait for others; each is of a request that waits, so sockets are their limit. */
  readonly #queue: (() => void)[] = [];
  #bytes = 0;
  #messages = 0;
  #nowMs = 0;
  #evicted = { count: 0, age: 0, bytes: 0 };

  /** @param bytesMax payloads that are held, all together; the ids that were loaded longest ago go first */
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
    return Math.min(this.last(id), this.#held.get(id)?.floor ?? Number.POSITIVE_INFINITY) + 1;
  }

  last(id: string): number {
    const rule = this.#rules.of(id);
    return rule === -1 ? 0 : this.#source.position(rule, id);
  }

  after(id: string, offset: number): HistoryReader {
    const messages = this.#held.get(id)?.messages ?? [];
    let at = messages.length;
    while (at > 0 && messages[at - 1]!.offset > offset) at--;
    return new HeldReader(messages, at);
  }

  behindLast(id: string, count: number): number {
    const held = this.#held.get(id);
    if (held === undefined || held.messages.length === 0) return this.last(id);
    const oldest = held.messages[Math.max(0, held.messages.length - count)]!;
    return Math.max(this.first(id) - 1, oldest.offset - 1);
  }

  prepare(ids: readonly string[], from: ResumeFrom, ready: () => void): void {
    const { epoch } = this;
    const isNow = !('epoch' in from) && from.since === 'now';
    const steps: Promise<unknown>[] = [];
    const holds: string[] = [];
    const used: Held[] = [];
    for (const [index, id] of ids.entries()) {
      const rule = this.#rules.of(id);
      if (isNow || rule === -1) {
        const own = ownText(id);
        this.#source.hold(own);
        holds.push(own);
        steps.push(this.#source.begin(rule, id));
        continue;
      }
      const offset = 'epoch' in from && from.epoch === epoch ? (from.offsets[index] ?? 0) : 0;
      const held = this.#hold(id);
      held.users++;
      used.push(held);
      // A client of another node may have what has not come to this one yet.
      if (held.searched > offset || this.#source.position(rule, id) < offset) {
        steps.push(this.#load(held, rule, id, offset));
      }
    }
    const end = () => {
      if (this.epoch !== epoch && !isNow) this.prepare(ids, from, ready);
      else ready();
      for (const held of used) held.users--;
      for (const id of holds) this.#source.release(id);
    };
    if (steps.length === 0) end();
    else void Promise.all(steps).then(end);
  }

  /** This node may have missed something: nothing of what is here is complete. */
  forgetAll(): void {
    for (const [id, held] of this.#held) this.#release(id, held);
  }

  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    for (const [id, held] of this.#held) {
      if (held.untilMs <= nowMs && held.users === 0) this.#release(id, held);
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
    if (held !== undefined) return held;
    const own = ownText(id);
    held = new Held(this.#untilMs(id));
    this.#source.hold(own);
    this.#held.set(own, held);
    if (this.#held.size > heldIdsMax) this.#releaseOldest(held);
    return held;
  }

  #untilMs(id: string): number {
    return this.#nowMs + Math.min(heldMsMax, this.#rules.list[this.#rules.of(id)]!.ageSec * 500);
  }

  /** Who asks for as much as is being loaded already, or less, waits for that. */
  #load(held: Held, rule: number, id: string, offset: number): Promise<void> {
    const { loading } = held;
    if (loading !== undefined && loading.offset <= offset && this.#source.position(rule, id) >= offset) {
      return loading.done;
    }
    const done = this.#inTurn(() => this.#source.load(rule, id, offset)).then((loaded) => {
      if (held.loading?.done === done) held.loading = undefined;
      if (this.#held.get(id) !== held) return;
      if (loaded !== undefined) this.#merge(id, held, offset, loaded);
      else if (held.searched === Number.POSITIVE_INFINITY) this.#release(id, held);
    });
    held.loading = { offset, done };
    return done;
  }

  async #inTurn(load: () => Promise<Loaded | undefined>): Promise<Loaded | undefined> {
    if (this.#loads < loadsMax) this.#loads++;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
    const loaded = await load();
    const next = this.#queue.shift();
    if (next === undefined) this.#loads--;
    else next();
    return loaded;
  }

  #note(held: Held, message: Message): void {
    held.messages.push(message.kept());
    this.#count(held, message.payload.length, 1);
    this.#trim(message.id, held);
  }

  #merge(id: string, held: Held, offset: number, { messages, floor, position }: Loaded): void {
    if (offset >= held.searched) return; // all of it has been here before
    const live = held.messages.filter((message) => message.offset > position);
    this.#count(held, -held.bytes, -held.messages.length);
    const joins = held.dropped <= position;
    held.messages = joins ? [...messages, ...live] : live;
    held.floor = joins ? floor : held.dropped;
    held.searched = offset;
    held.untilMs = this.#untilMs(id);
    this.#held.delete(id);
    this.#held.set(id, held); // the last one that was loaded
    const bytes = held.messages.reduce((sum, { payload }) => sum + payload.length, 0);
    this.#count(held, bytes, held.messages.length);
    this.#trim(id, held);
  }

  #trim(id: string, held: Held): void {
    const most = this.#rules.list[this.#rules.of(id)]!.messages;
    while (held.messages.length > most) this.#dropFirst(held, 'count');
    while (this.#bytes > this.#bytesMax && this.#releaseOldest(held));
    while (this.#bytes > this.#bytesMax && held.messages.length > 0) this.#dropFirst(held, 'bytes');
  }

  #dropFirst(held: Held, why: 'count' | 'bytes'): void {
    const { offset, payload } = held.messages.shift()!;
    held.dropped = offset;
    if (held.floor < offset) held.floor = offset;
    this.#count(held, -payload.length, -1);
    this.#evicted[why]++;
  }

  /** @returns false when there is none but `besides` */
  #releaseOldest(besides: Held): boolean {
    for (const [id, held] of this.#held) {
      if (held === besides || held.users > 0) continue;
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
