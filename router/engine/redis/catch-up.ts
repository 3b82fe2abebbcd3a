import { setImmediate as nextTurn } from 'node:timers/promises';
import type { HistoryRules } from '../../history/history-rules.js';
import { insistWhile } from './calls.js';
import type { ReadPart } from './history.js';
import { messageInHistory, placeOfEntry } from './message-format.js';
import type { Receiver } from './receiver.js';
import type { SharedRetained } from './retained.js';
import type { Shard } from './shard.js';
import type { Behind } from './subscribed-connection.js';
import type { ChannelSubscriptions } from './subscriptions.js';

/** Ids of one question; 2 µs of Redis each. */
const idsMax = 500;
/** Of one answer: what is handed out in a turn of the loop. */
const pieceBytesMax = 256 * 1024;

export interface CatchUpParts {
  readonly shard: Shard;
  readonly subscriptions: ChannelSubscriptions;
  readonly receiver: Receiver;
  readonly recent: RecentIds;
  readonly retained: SharedRetained;
  readonly rules: HistoryRules;
  readonly ruleTexts: readonly string[];
  /** Before what is left of these ids is handed out. */
  readonly onGap: (reason: string, concerns: (id: string) => boolean) => Promise<void>;
}

/**
 * On a new connection a node first reads the messages that its own ids have missed, by id, in pieces, and hands them out; then
 * those that have come on the connection meanwhile.
 *
 *     lost ─────── position ── missed ────── place ── held ──── now
 *                              read                   live copies
 *
 * Of ids without history that is not possible; they are counted.
 */
export class CatchUp {
  readonly #parts: CatchUpParts;
  /** Ids and filters of which something may have been missed without a word, summed over all losses. */
  uncovered = 0;
  /** By rule: the ids under it have been told. */
  #told: readonly boolean[] = [];

  constructor(parts: CatchUpParts) {
    this.#parts = parts;
  }

  /** @throws ShardError where the connection is lost, too; the next one goes on from there */
  async run(behind: Behind): Promise<void> {
    const { receiver } = this.#parts;
    let { place, begin } = behind;
    for (;;) {
      await this.#catchUpTo(place, begin, behind);
      await this.#parts.retained.catchUp(begin, behind.isCurrent);
      await receiver.drain(place, behind.isCurrent);
      if (!receiver.overflowed) return;
      // More has come meanwhile than is held: it is read.
      receiver.hold();
      ({ place, begin } = await behind.ask());
    }
  }

  async #catchUpTo(place: number, begin: number, behind: Behind): Promise<void> {
    const { shard, rules, subscriptions } = this.#parts;
    const from = shard.subscribed.position;
    if (place <= from) return;
    await this.#tellKnownGaps(from, begin);
    const asked: string[] = [];
    for (const id of subscriptions.ids()) {
      if (rules.of(id) === -1) this.uncovered++;
      else if (asked.push(id) === idsMax) await this.#read(asked.splice(0), from, place, behind);
    }
    await this.#read(asked, from, place, behind);
    if (subscriptions.prefixes > 0) await this.#readFiltered(from, place, behind);
  }

  /** Those of whole rules: what is older than its age has gone, and all from before the server's last restart. */
  async #tellKnownGaps(from: number, begin: number): Promise<void> {
    const { shard, rules, onGap } = this.#parts;
    const nowMs = shard.clock.at();
    this.#told = rules.list.map(
      ({ messages, ageSec }) => messages > 0 && (begin > from || from < (nowMs - ageSec * 1000) * 1000),
    );
    if (!this.#told.includes(true)) return;
    const reason = begin > from ? 'the server has begun anew' : 'it took longer than history lasts';
    await onGap(reason, (id) => this.#told[rules.of(id)] === true);
  }

  /** For filters: Redis is asked which ids had a message. */
  async #readFiltered(from: number, place: number, behind: Behind): Promise<void> {
    const { recent, receiver, rules, subscriptions } = this.#parts;
    const covered = await recent.walk(from, place, receiver.heldSinceMs, behind.isCurrent, async (ids) => {
      const asked = [...ids].filter(
        (id) => rules.of(id) !== -1 && subscriptions.matchesFilter(id) && !subscriptions.has(id),
      );
      while (asked.length > 0) await this.#read(asked.splice(0, idsMax), from, place, behind);
    });
    if (!covered) this.uncovered += subscriptions.prefixes;
  }

  async #read(ids: string[], from: number, place: number, behind: Behind): Promise<void> {
    const { shard, rules, ruleTexts, receiver, subscriptions } = this.#parts;
    const after = (id: string) => Math.max(subscriptions.since(id) ?? from, receiver.progressOf(id));
    while (ids.length > 0) {
      const triples = ids.flatMap((id) => [id, after(id), ruleTexts[rules.of(id)]!]);
      const args = [shard.parts.run, pieceBytesMax, ...triples];
      const reply = await insistWhile(behind.isCurrent, () => shard.read('read', args));
      const parts = (reply as unknown[]).slice(2) as ReadPart[];
      await this.#tellGaps(ids, parts, after);
      if (!behind.isCurrent()) throw new Error('the connection has ended');
      let isComplete = true;
      for (const [index, [, complete, ...entries]] of parts.entries()) {
        const id = ids[index]!;
        let isLate = false;
        for (const entry of entries) {
          isLate = placeOfEntry(entry) > place; // then it is among those that are held
          if (isLate) break;
          receiver.handOutMissed(messageInHistory(id, entry));
        }
        isComplete = complete === 1 || isLate;
      }
      // The last one is asked for again where there is more of it.
      ids.splice(0, isComplete ? parts.length : parts.length - 1);
      await nextTurn();
    }
  }

  /** Of ids that got more messages than are kept. */
  async #tellGaps(
    ids: readonly string[],
    parts: readonly ReadPart[],
    after: (id: string) => number,
  ): Promise<void> {
    const gone = new Set<string>();
    const { rules, onGap } = this.#parts;
    for (const [index, [floor]] of parts.entries()) {
      const id = ids[index]!;
      if (floor > after(id) && this.#told[rules.of(id)] !== true) gone.add(id);
    }
    if (gone.size > 0) await onGap('more was missed than is kept', (id) => gone.has(id));
  }
}

/** Before the ids of a second expire; message.lua keeps them a bit longer. */
const ageMsMax = 55_000;
/** A second with more is not complete. */
const secondBytesMax = 1024 * 1024;
const secondUs = 1_000_000;
/** A batch lies in the second of its first message. */
const batchUsMax = 10_000;

/** The ids of a shard that had a message with history of late. */
export class RecentIds {
  readonly #shard: Shard;

  constructor(shard: Shard) {
    this.#shard = shard;
  }

  /**
   * Gives those of each second between two places.
   * @param sinceMs when the first of them was the last, at least, as of performance.now()
   * @returns false where not all of them are known
   */
  async walk(
    from: number,
    to: number,
    sinceMs: number,
    isCurrent: () => boolean,
    take: (ids: ReadonlySet<string>) => Promise<void>,
  ): Promise<boolean> {
    if (performance.now() - sinceMs > ageMsMax || to - from > ageMsMax * 1000) return false;
    let covered = true;
    for (let second = Math.floor((from - batchUsMax) / secondUs); second <= to / secondUs; second++) {
      const key = `${this.#shard.parts.library.name}:recent:${second}`;
      const get = () => this.#shard.useReads((redis) => redis.getBuffer(key));
      const text = (await insistWhile(isCurrent, get)) ?? Buffer.alloc(0);
      if (text.length > secondBytesMax) covered = false;
      const ids = new Set(text.toString().split('\0'));
      ids.delete('');
      await take(ids);
    }
    return covered;
  }
}
