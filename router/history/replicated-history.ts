import type { Message } from '../message.js';
import { ownText } from '../own-copy.js';
import type { ResumeFrom } from './cursor.js';
import type { HistoryRules } from './history-rules.js';
import type { HistoryReader, HistoryStats, HistoryStore } from './history-store.js';
import { LoadedHistory } from './loaded-history.js';
import { type Loaded, type LoadedId, LoadedReader } from './loaded-id.js';

/** Where a node finds what it was not sent itself: outside of the process, in one order for all nodes. */
export interface HistorySource {
  /** Another one when offsets may have been lost. */
  readonly epoch: string;
  /** Of an id: up to here all that this node is sent has come. */
  position(id: string): number;
  /** From now on this node is sent what is published to the id, whether anybody is logged in or not; until as many releases. */
  hold(id: string): void;
  release(id: string): void;
  /** Somebody begins with an id that is held: resolves when that is in effect, or cannot be known now. Never rejects. */
  begin(id: string): Promise<void>;
  /**
   * Loads the messages of an id behind an offset; undefined = it could not be known until then. The id is held. Never rejects.
   * @param untilMs as of performance.now()
   */
  load(rule: number, id: string, offset: number, untilMs: number): Promise<Loaded | undefined>;
}

/** For so long it is tried to have all ids of a resume at hand at the same time, where Redis is away. */
const resumeWaitMs = 5_000;
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
  readonly #held: LoadedHistory;
  #loads = 0;
  /** Loads that wait for others; each is of a request that waits, so sockets are their limit. */
  readonly #queue: (() => void)[] = [];

  /** @param bytesMax payloads that are held, all together; the ids that were loaded longest ago go first */
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

  /** The offset came with the message; one that could not be carried has none. */
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

  /** This node may have missed something: nothing of what is here is complete. */
  forgetAll(): void {
    this.#held.forgetAll();
  }

  tick(nowMs: number): void {
    this.#held.tick(nowMs);
  }

  stats(): HistoryStats {
    return this.#held.stats();
  }

  /** Resolves when what is sent to the ids from then on comes to this node; until it is released. */
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
      // A client of another node may have what has not come to this one yet.
      if (held.searched > offset || this.#source.position(id) < offset) {
        loads.push(this.#load(held, rule, id, offset, untilMs));
      }
    }
    const end = () => {
      // Redis may have gone and come back since some of them were loaded.
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

  /** A resume that asks for no more than is being loaded waits for that load. Where it fails, it tries in the time it has left. */
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
