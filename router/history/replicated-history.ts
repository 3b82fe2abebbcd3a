import type { Message } from '../message.js';
import { ownText } from '../own-copy.js';
import type { ResumeFrom } from './cursor.js';
import type { HistoryRules } from './history-rules.js';
import type { HistoryReader, HistoryStats, HistoryStore } from './history-store.js';
import { LoadedHistory } from './loaded-history.js';
import { type Loaded, type LoadedId, LoadedReader } from './loaded-id.js';

/** An external source of history, in one order for all nodes: a node finds messages there that it did not receive. */
export interface HistorySource {
  /** Changes when offsets may have been lost. */
  readonly epoch: string;
  /** For an id: this node has received everything up to here. */
  position(id: string): number;
  /**
   * From now on this node receives messages of the id, with or without a subscriber, until as many calls of `release`.
   */
  hold(id: string): void;
  release(id: string): void;
  /** Resolves when the hold of an id is in effect, or its state is unknown. Never rejects. */
  begin(id: string): Promise<void>;
  /**
   * Loads the messages of a held id behind an offset; undefined = unknown at the deadline. Never rejects.
   * @param untilMs as of performance.now()
   */
  load(rule: number, id: string, offset: number, untilMs: number): Promise<Loaded | undefined>;
}

/** Longest time that a resume tries to load all of its ids, while Redis is away. */
const resumeWaitMs = 5_000;
/** Most ids that are loaded at a time; others wait. */
const loadsMax = 128;

/**
 * History that all nodes share: an external source stores and numbers it. An offset is the message's place in the
 * source's sequence. So offsets of one id grow, but not by one, and the position of the whole sequence is a cursor of
 * any id.
 *
 * This node has only the history that clients resume right now: an id is *held* and loaded, and then read like any
 * other history, without waiting.
 *
 *     resume   prepare ──> hold: new messages are stored from now on
 *                          load: kept messages behind the cursor, up to a position that has arrived here
 *                     ──> both together, without a gap or a duplicate
 */
export class ReplicatedHistory implements HistoryStore {
  readonly #rules: HistoryRules;
  readonly #source: HistorySource;
  readonly #held: LoadedHistory;
  #loads = 0;
  /** Loads that wait for others. Each belongs to a waiting request, so sockets are their limit. */
  readonly #queue: (() => void)[] = [];

  /** @param bytesMax held payloads of all ids; the ids loaded longest ago go first */
  constructor(rules: HistoryRules, source: HistorySource, bytesMax: number) {
    this.#rules = rules;
    this.#source = source;
    this.#held = new LoadedHistory(rules, bytesMax, {
      onHold: (id) => source.hold(id),
      onRelease: (id) => source.release(id),
    });
  }

  get epoch(): string {
    return this.#source.epoch;
  }

  keeps(id: string): boolean {
    return this.#rules.of(id) !== -1;
  }

  /** The message already has its offset; a message that was not carried has none. */
  append(message: Message): number {
    const held = this.#held.get(message.id);
    if (held !== undefined && message.offset > 0) this.#held.note(held, message);
    return message.offset;
  }

  first(id: string): number {
    return Math.min(this.last(id), this.#held.get(id)?.floor ?? Number.POSITIVE_INFINITY) + 1;
  }

  last(id: string): number {
    const rule = this.#rules.of(id);
    return rule === -1 ? 0 : this.#source.position(id);
  }

  after(id: string, offset: number): HistoryReader {
    const messages = this.#held.get(id)?.messages ?? [];
    let at = messages.length;
    while (at > 0 && messages[at - 1]!.offset > offset) at--;
    return new LoadedReader(messages, at);
  }

  behindLast(id: string, count: number): number {
    const held = this.#held.get(id);
    if (held === undefined || held.messages.length === 0) return this.last(id);
    const oldest = held.messages[Math.max(0, held.messages.length - count)]!;
    return Math.max(this.first(id) - 1, oldest.offset - 1);
  }

  prepare(ids: readonly string[], from: ResumeFrom, ready: () => void): void {
    const isNow = !('epoch' in from) && from.since === 'now';
    const beginning = isNow ? ids : ids.filter((id) => !this.keeps(id));
    if (beginning.length === 0) return this.#prepareResume(ids, from, ready);
    void this.#begin(beginning).then((release) => {
      const end = () => {
        ready();
        release();
      };
      if (isNow) end();
      else this.#prepareResume(ids, from, end);
    });
  }

  /** This node may have missed messages: nothing here is complete any more. */
  forgetAll(): void {
    this.#held.forgetAll();
  }

  tick(nowMs: number): void {
    this.#held.tick(nowMs);
  }

  stats(): HistoryStats {
    return this.#held.stats();
  }

  /** Resolves when this node receives later messages of the ids; until it is released. */
  async #begin(ids: readonly string[]): Promise<() => void> {
    const own = ids.map(ownText);
    for (const id of own) this.#source.hold(id);
    await Promise.all(own.map((id) => this.#source.begin(id)));
    return () => {
      for (const id of own) this.#source.release(id);
    };
  }

  #prepareResume(
    ids: readonly string[],
    from: ResumeFrom,
    ready: () => void,
    untilMs = performance.now() + resumeWaitMs,
  ): void {
    const { epoch } = this;
    const loads: Promise<void>[] = [];
    const used: { held: LoadedId; life: number; offset: number }[] = [];
    for (const [index, id] of ids.entries()) {
      const rule = this.#rules.of(id);
      if (rule === -1) continue;
      const offset = 'epoch' in from && from.epoch === epoch ? (from.offsets[index] ?? 0) : 0;
      const held = this.#held.hold(id);
      held.users++;
      used.push({ held, life: held.life, offset });
      // A client of another node may have messages that have not arrived here yet.
      if (held.searched > offset || this.#source.position(id) < offset) {
        loads.push(this.#load(held, rule, id, offset, untilMs));
      }
    }
    const end = () => {
      // Redis may have been away since some of them were loaded.
      const again =
        this.epoch !== epoch ||
        used.some(({ held, life, offset }) => held.life !== life && held.searched > offset);
      if (again && performance.now() < untilMs) this.#prepareResume(ids, from, ready, untilMs);
      else ready();
      for (const { held } of used) held.users--;
    };
    if (loads.length === 0) end();
    else void Promise.all(loads).then(end);
  }

  /**
   * A resume that needs no more than a running load waits for it. If the load fails, it tries itself in the remaining
   * time.
   */
  #load(held: LoadedId, rule: number, id: string, offset: number, untilMs: number): Promise<void> {
    const { loading, life } = held;
    if (loading !== undefined && loading.offset <= offset && this.#source.position(id) >= offset) {
      return loading.done.then(() => {
        const nowMs = performance.now();
        const failed = held.life === life && held.searched > offset && nowMs >= loading.untilMs;
        if (failed && nowMs < untilMs) return this.#load(held, rule, id, offset, untilMs);
      });
    }
    const done = this.#inTurn(() => this.#source.load(rule, id, offset, untilMs)).then((loaded) => {
      if (held.loading?.done === done) held.loading = undefined;
      if (loaded === undefined || held.life !== life) return;
      this.#held.merge(id, held, offset, loaded);
    });
    held.loading = { offset, untilMs, done };
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
}
