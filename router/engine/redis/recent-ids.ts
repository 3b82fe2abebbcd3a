import { setTimeout as pause } from 'node:timers/promises';
import type { Shard } from './shard.js';

/** Before the ids of a second expire; recent.lua keeps them a bit longer. */
const ageMsMax = 55_000;
/** A second with more is not complete. */
const secondBytesMax = 1024 * 1024;
const secondUs = 1_000_000;
/** A batch lies in the second of its first message. */
const batchUsMax = 10_000;
const retryMs = 50;

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
    for (let second = Math.floor((from - batchUsMax) / secondUs); second <= to / secondUs; ) {
      let text: Buffer;
      try {
        text = (await this.#shard.read('recent', [second])) as Buffer;
      } catch {
        if (!isCurrent()) throw new Error('the connection has ended');
        await pause(retryMs);
        continue;
      }
      if (text.length > secondBytesMax) covered = false;
      const ids = new Set(text.toString().split('\0'));
      ids.delete('');
      await take(ids);
      second++;
    }
    return covered;
  }
}
