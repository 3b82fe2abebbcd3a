import { assertLimit } from './arguments.js';
import type { Message } from './message.js';
import { RetainedCursor } from './retained-cursor.js';
import { RetainedTree } from './retained-tree.js';
import { levelsOf } from './topic.js';
import { hasWildcard } from './topic-filter.js';

export interface RetainedOptions {
  /** Retained messages in all. Default 100,000. */
  maxRetained?: number;
  /** Largest payload that is retained, bytes. Default 65,536. */
  maxRetainedSize?: number;
  /** All retained messages together with their ids, bytes. Default 256 MiB. */
  retainedBytesTotalMax?: number;
}

/** Which limit has kept a message from being retained. */
export type RetainedRefusal = 'count' | 'size' | 'bytes';

/** A Message and its typed array, besides payload and id: 300 B measured; keeps empty-handed topics from being free. */
const messageBytes = 330;
/** A node, its text and its place among its siblings: 66 B measured in a long id of short levels, 130 B of long ones. */
const nodeBytes = 120;

/**
 * The last message of each id that was published to be kept, for who subscribes later: by level, so that a filter
 * with wildcards looks only where it can match. Owns what it keeps.
 */
export class Retained {
  readonly #tree = new RetainedTree();
  readonly #max: number;
  readonly #sizeMax: number;
  readonly #bytesMax: number;
  #messageBytes = 0;
  /** Messages that were not retained, by the limit that they crossed. */
  readonly refused: Record<RetainedRefusal, number> = { count: 0, size: 0, bytes: 0 };

  constructor(options: RetainedOptions = {}) {
    this.#max = options.maxRetained ?? 100_000;
    this.#sizeMax = options.maxRetainedSize ?? 65_536;
    this.#bytesMax = options.retainedBytesTotalMax ?? 256 * 1024 * 1024;
    assertLimit('maxRetained', this.#max);
    assertLimit('maxRetainedSize', this.#sizeMax);
    assertLimit('retainedBytesTotalMax', this.#bytesMax);
  }

  get count(): number {
    return this.#tree.size;
  }

  /** Payloads, ids and what is around them; a level that several ids share is there once. */
  get bytes(): number {
    return this.#messageBytes + this.#tree.nodes * nodeBytes;
  }

  /**
   * Keeps the message in place of the last one of its id; an empty one only clears [MQTT-3.3.1-10]. Where a limit
   * refuses it, the last one goes all the same: it is no longer what the publisher wants told.
   */
  keep(message: Message): void {
    const last = this.#tree.get(message.id);
    const refusal = this.#refusalOf(message, last);
    if (message.payload.length === 0 || refusal !== undefined) {
      if (last !== undefined) this.#delete(last);
      if (refusal !== undefined) this.refused[refusal]++;
      return;
    }
    if (last !== undefined) this.#messageBytes -= bytesOf(last);
    const kept = message.kept().asRetained();
    this.#tree.set(kept.id, kept);
    this.#messageBytes += bytesOf(kept);
  }

  /** Ends all that a filter matches. */
  forget(filter: string): void {
    const walk = this.walk(filter);
    for (walk.seek(Infinity); !walk.done; walk.seek(Infinity)) this.#delete(walk.take());
  }

  /** A walk through what is kept now for the ids that a filter matches. @param without the publisher whose messages it leaves out */
  walk(filter: string, without?: string): RetainedCursor {
    return new RetainedCursor(this.#tree, filter, without);
  }

  /** Cheaper than a walk. @returns false where it would find nothing; of a filter with wildcards only where nothing is kept */
  mayHave(filter: string): boolean {
    return hasWildcard(filter) ? this.#tree.size > 0 : this.#tree.get(filter) !== undefined;
  }

  /** All that is kept now for the ids that a filter matches, in no order. */
  all(filter: string): Message[] {
    const found: Message[] = [];
    const walk = this.walk(filter);
    for (walk.seek(Infinity); !walk.done; walk.seek(Infinity)) found.push(walk.take());
    return found;
  }

  #delete(last: Message): void {
    this.#messageBytes -= bytesOf(last);
    this.#tree.delete(last.id);
  }

  #refusalOf(message: Message, last: Message | undefined): RetainedRefusal | undefined {
    if (message.payload.length === 0) return undefined;
    if (message.payload.length > this.#sizeMax) return 'size';
    if (last === undefined && this.count >= this.#max) return 'count';
    const freed = last === undefined ? 0 : bytesOf(last);
    // As if none of its levels was there: to look for them in the tree is dearer than what that gives away.
    const nodes = last === undefined ? levelsOf(message.id) : 0;
    const bytes = this.bytes - freed + bytesOf(message) + nodes * nodeBytes;
    return bytes > this.#bytesMax ? 'bytes' : undefined;
  }
}

function bytesOf({ id, bytes }: Message): number {
  return id.length + bytes + messageBytes;
}
