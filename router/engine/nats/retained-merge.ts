import type { Message } from '../../message.js';
import type { RetainedCopy } from '../engine.js';

/** Ids that were published to while a replay is due. Past it a replayed message may take the place of a newer one. */
const liveMax = 1_000_000;

/**
 * Brings this node's copy of what is retained to where the stream is, while messages go on coming: what came live since
 * the replay became due is newer than what is replayed, and what the stream has no more is no longer retained.
 *
 *     due ──── live: b = 2 ──── replayed: a = 1, b = 1, c = 1 ──── end        a = 1, b = 2, c = 1; d, from before, goes
 */
export class RetainedMerge {
  readonly #copy: RetainedCopy;
  readonly #liveMax: number;
  /** Undefined while no replay is due. */
  #live: Set<string> | undefined;
  #replayed = new Set<string>();

  constructor(copy: RetainedCopy, max = liveMax) {
    this.#copy = copy;
    this.#liveMax = max;
  }

  /** From now on what comes live is newer than what will be replayed. */
  due(): void {
    this.#live = new Set();
    this.#replayed = new Set();
  }

  /** All nodes have been sent a retained message of this id, by this one or another. */
  live(id: string): void {
    if (this.#live !== undefined && this.#live.size < this.#liveMax) this.#live.add(id);
  }

  /** A replay begins, maybe after another that did not get to its end. */
  begin(): void {
    this.#live ??= new Set();
    this.#replayed = new Set();
  }

  replay(message: Message): void {
    this.#replayed.add(message.id);
    if (!this.#live?.has(message.id)) this.#copy.keep(message);
  }

  /** @param sweep what was neither replayed nor live goes; $-topics are in no stream, and stay */
  end(sweep: boolean): void {
    if (sweep) this.#sweep();
    this.#live = undefined;
    this.#replayed = new Set();
  }

  #sweep(): void {
    const gone: string[] = [];
    const walk = this.#copy.walk('#');
    for (walk.seek(Infinity); !walk.done; walk.seek(Infinity)) {
      const { id } = walk.take();
      if (!this.#replayed.has(id) && !this.#live?.has(id)) gone.push(id);
    }
    for (const id of gone) this.#copy.forget(id);
  }
}
