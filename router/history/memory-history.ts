import { randomInt } from 'node:crypto';
import type { Message } from '../message.js';
import { encodeExtras } from '../message-extras.js';
import { Ages } from './ages.js';
import { type CellHandle, Cells, cellBytes } from './cells.js';
import { EntryChain } from './entry-chain.js';
import { EntryMessages, EntryReader } from './entry-reader.js';
import { ForgottenOffsets } from './forgotten-offsets.js';
import { defaultHistoryRules, type HistoryRule, HistoryRules } from './history-rules.js';
import type { HistoryEviction, HistoryReader, HistoryStats, HistoryStore } from './history-store.js';
import { IdTable } from './id-table.js';
import { cellsOf, entry, ring } from './layout.js';
import { leastRecent, Recency } from './recency.js';

export interface HistoryOptions {
  /** Rules: the first one that matches an id decides; none = no history. Default defaultHistoryRules. */
  rules?: readonly HistoryRule[];
  /** Most bytes of all history, with overhead. The ids published to longest ago go first. Default 64 MiB. */
  bytesMax?: number;
}

/**
 * Most ids and messages removed in one tick; 10,000 ids of one message each take 4 ms, or 30 before V8 has compiled the
 * code.
 */
const expiriesPerTickMax = 20_000;
const expiryMsPerTickMax = 5;
/** Ids between two looks at the clock. */
const expiriesPerLook = 256;

/**
 * History in memory, for the life of the process. It is in cells outside of V8's heap: a ring for each id with
 * messages, and an entry for each message. docs/decisions/history.md has the cost of objects instead.
 */
export class MemoryHistory implements HistoryStore {
  readonly epoch = randomInt(36 ** 8)
    .toString(36)
    .padStart(8, '0');
  #rules: HistoryRules;
  readonly #ages: Ages;
  readonly #bytesMax: number;
  readonly #cells = new Cells();
  readonly #entries = new EntryChain(this.#cells);
  readonly #given = new EntryMessages(this.#cells);
  readonly #table = new IdTable(this.#cells, randomInt(2 ** 31));
  readonly #floors = new ForgottenOffsets();
  /** By rule. */
  #recencies: Recency[];
  readonly #evicted: Record<HistoryEviction, number> = { count: 0, age: 0, bytes: 0 };
  #sequence = 0;
  #firstRuleOfTick = 0;

  /** @throws InvalidFilterError, RangeError */
  constructor(options: HistoryOptions = {}) {
    this.#rules = new HistoryRules(options.rules ?? defaultHistoryRules);
    this.#ages = new Ages(this.#cells, this.#rules.list);
    this.#recencies = this.#rules.list.map(() => new Recency(this.#cells));
    this.#bytesMax = options.bytesMax ?? 64 * 1024 * 1024;
    if (!Number.isSafeInteger(this.#bytesMax) || this.#bytesMax < 0) {
      throw new RangeError(`History keeps a whole number of bytes, 0 or more. Got ${this.#bytesMax}.`);
    }
  }

  /**
   * Checks other rules. Once they are in force, all messages of ids that have no history any more are forgotten; other ids keep
   * what they have, and go by their new rule from the next message on.
   * @returns a function that puts the rules in force; for 100,000 ids it takes 0.1 to 0.2 s if filters have changed, and no time if
   * only numbers have
   * @throws InvalidFilterError, RangeError
   */
  prepareRules(rules: readonly HistoryRule[]): () => void {
    const next = new HistoryRules(rules);
    return () => {
      const former = this.#rules.list;
      this.#rules = next;
      this.#ages.take(next.list);
      if (isSameOrder(former, next.list)) return;
      this.#firstRuleOfTick = 0;
      this.#sortByRules();
    };
  }

  keeps(id: string): boolean {
    return this.#rules.of(id) !== -1;
  }

  append(message: Message): number {
    if (this.#recencies.length === 0) return 0;
    const { id } = message;
    const hash = this.#table.hashOf(id);
    const found = this.#table.find(id, hash);
    const rule = found === 0 ? this.#rules.of(id) : this.#table.ruleOf(found);
    if (rule === -1) return 0;
    const last = found === 0 ? this.#floors.get(hash) : this.#cells.double(found, ring.last);
    const extras = encodeExtras(message);
    const content = extras === undefined ? message.payload : Buffer.concat([extras, message.payload]);
    const count = cellsOf(content.length);
    const ringCells = found === 0 ? this.#table.cellsOf(id) : 0;
    this.#sequence++;
    if ((count + ringCells) * cellBytes + this.#table.bytes > this.#bytesMax)
      return this.#giveUp(found, hash, last + 1);
    const owner = found === 0 ? this.#createRing(id, hash, rule, last) : found;
    if (found !== 0) this.#makeRoomByRule(owner, rule);
    this.#recencies[rule]!.touch(owner);
    if (!this.#makeRoom(count, owner)) return this.#giveUp(owner, hash, last + 1);
    this.#cells.setDouble(owner, ring.last, last + 1);
    this.#entries.add(owner, count, message, content, this.#sequence, this.#ages.now);
    return last + 1;
  }

  first(id: string): number {
    const hash = this.#table.hashOf(id);
    const found = this.#findFresh(id, hash);
    if (found === 0) return this.#lastOfForgotten(id, hash) + 1;
    return this.#cells.double(found, ring.last) - this.#cells.word(found, ring.count) + 1;
  }

  last(id: string): number {
    const hash = this.#table.hashOf(id);
    const found = this.#findFresh(id, hash);
    return found === 0 ? this.#lastOfForgotten(id, hash) : this.#cells.double(found, ring.last);
  }

  after(id: string, offset: number): HistoryReader {
    const found = this.#findFresh(id, this.#table.hashOf(id));
    if (found === 0) return new EntryReader(this.#given, id, 0, 0);
    const last = this.#cells.double(found, ring.last);
    const count = this.#cells.word(found, ring.count);
    const skipped = Math.max(0, offset - (last - count));
    if (skipped >= count) return new EntryReader(this.#given, id, 0, 0);
    return new EntryReader(
      this.#given,
      id,
      this.#entries.at(found, skipped, count),
      last - count + skipped + 1,
    );
  }

  tick(nowMs: number): void {
    this.#ages.tick(nowMs);
    this.#given.forget();
    this.#expire();
    this.#cells.release();
  }

  stats(): HistoryStats {
    return {
      ids: this.#table.count,
      messages: this.#entries.count,
      bytes: this.#bytes,
      reservedBytes: this.#cells.reservedBytes + this.#table.bytes,
      evicted: { ...this.#evicted },
    };
  }

  get #bytes(): number {
    return this.#cells.used * cellBytes + this.#table.bytes;
  }

  #lastOfForgotten(id: string, hash: number): number {
    return this.keeps(id) ? this.#floors.get(hash) : 0;
  }

  /** The ring of an id, after its old messages are removed; 0 if nothing is left. */
  #findFresh(id: string, hash: number): CellHandle {
    const found = this.#table.find(id, hash);
    if (found === 0) return 0;
    const rule = this.#table.ruleOf(found);
    this.#dropExpired(found, rule);
    if (this.#cells.word(found, ring.count) > 0) return found;
    this.#forget(found);
    return 0;
  }

  #createRing(id: string, hash: number, rule: number, last: number): CellHandle {
    const cells = this.#cells;
    const created = cells.take(this.#table.cellsOf(id));
    cells.setDouble(created, ring.last, last);
    this.#entries.begin(created);
    this.#table.add(created, id, hash, rule);
    this.#recencies[rule]!.add(created);
    return created;
  }

  /** Makes room for one more message of the id, by age and by count. */
  #makeRoomByRule(owner: CellHandle, rule: number): void {
    this.#dropExpired(owner, rule);
    while (this.#cells.word(owner, ring.count) >= this.#rules.list[rule]!.messages)
      this.#dropOldest(owner, 'count');
  }

  /** @returns false if the id cannot get so many cells even when all others are gone */
  #makeRoom(cellCount: number, owner: CellHandle): boolean {
    while (this.#bytes + cellCount * cellBytes > this.#bytesMax) {
      const other = leastRecent(this.#recencies, this.#cells, owner);
      if (other !== 0) this.#evict(other, 'bytes');
      else if (this.#cells.word(owner, ring.count) > 0) this.#dropOldest(owner, 'bytes');
      else return false;
    }
    return true;
  }

  /** A message without room still gets an offset, and older messages are removed, so that there are no holes. */
  #giveUp(owner: CellHandle, hash: number, offset: number): number {
    if (owner !== 0) this.#evict(owner, 'bytes');
    this.#evicted.bytes++;
    this.#floors.raise(hash, offset);
    return offset;
  }

  #dropExpired(owner: CellHandle, rule: number): void {
    const cells = this.#cells;
    if (!this.#ages.mayHaveTooOld(owner, rule)) return;
    let oldest = cells.word(owner, ring.oldest);
    while (oldest !== 0 && this.#ages.isTooOld(oldest, rule)) {
      this.#dropOldest(owner, 'age');
      oldest = cells.word(owner, ring.oldest);
    }
    if (oldest !== 0) cells.setWord(owner, ring.oldestStamp, cells.word(oldest, entry.stamp));
  }

  #dropOldest(owner: CellHandle, reason: HistoryEviction): void {
    this.#entries.dropOldest(owner);
    this.#evicted[reason]++;
  }

  /** @returns the number of its messages */
  #evict(owner: CellHandle, reason: HistoryEviction): number {
    const count = this.#entries.dropAll(owner);
    this.#evicted[reason] += count;
    this.#forget(owner);
    return count;
  }

  /** Finds the rule of each id anew. */
  #sortByRules(): void {
    const former = this.#recencies;
    this.#recencies = this.#rules.list.map(() => new Recency(this.#cells));
    for (let owner = 0; ; ) {
      owner = leastRecent(former, this.#cells, 0);
      if (owner === 0) return;
      const recency = former[this.#table.ruleOf(owner)]!;
      const rule = this.#rules.of(this.#table.idOf(owner));
      if (rule === -1) {
        this.#evicted.count += this.#entries.dropAll(owner);
        this.#forget(owner, recency);
        continue;
      }
      recency.remove(owner);
      this.#table.setRule(owner, rule);
      this.#recencies[rule]!.add(owner);
    }
  }

  /** Forgets the id, except for its last offset. */
  #forget(owner: CellHandle, recency = this.#recencies[this.#table.ruleOf(owner)]!): void {
    const cells = this.#cells;
    this.#floors.raise(cells.word(owner, ring.hash), cells.double(owner, ring.last));
    recency.remove(owner);
    this.#table.remove(owner);
    cells.give(owner);
  }

  /**
   * Removes some of the ids whose messages are all too old. Each tick begins with another rule, so that none waits for
   * ever.
   */
  #expire(): void {
    const rules = this.#recencies.length;
    let left = expiriesPerTickMax;
    const endMs = performance.now() + expiryMsPerTickMax;
    for (let i = 0; i < rules && left > 0; i++) {
      left = this.#expireRule((this.#firstRuleOfTick + i) % rules, left, endMs);
    }
    if (rules > 0) this.#firstRuleOfTick = (this.#firstRuleOfTick + 1) % rules;
  }

  /** @returns the rest of this tick's limit */
  #expireRule(rule: number, most: number, endMs: number): number {
    const recency = this.#recencies[rule]!;
    let left = most;
    for (let gone = 1; left > 0 && recency.oldest !== 0; gone++) {
      if (!this.#ages.isTooOld(this.#cells.word(recency.oldest, ring.newest), rule)) return left;
      left -= 1 + this.#evict(recency.oldest, 'age');
      if (gone % expiriesPerLook === 0 && performance.now() >= endMs) return 0;
    }
    return left;
  }
}

/** Whether the rule of an id has the same place in both, and keeps something in both or in neither. */
function isSameOrder(some: readonly HistoryRule[], others: readonly HistoryRule[]): boolean {
  return (
    some.length === others.length &&
    some.every(
      ({ filter, messages }, i) => filter === others[i]!.filter && messages > 0 === others[i]!.messages > 0,
    )
  );
}
