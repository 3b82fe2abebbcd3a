import { assertLimit } from './arguments.js';
import type { Message } from './message.js';
import { RetainedCursor } from './retained-cursor.js';
import type { RetainedStore } from './retained-store.js';
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

/** The limit that refused a retained message. */
export type RetainedRefusal = 'count' | 'size' | 'bytes';

/** A Message and its typed array, besides payload and id: 300 B measured. So empty messages count too. */
const messageBytes = 330;
/** A node, its text and its entry among siblings: 66 B measured in a long id of short levels, 130 B with long ones. */
const nodeBytes = 120;

/**
 * The retained message of each id, for later subscribers. In a tree by level, so that a filter with wildcards searches
 * only where it can match. Owns the messages.
 */
export class Retained {
  readonly #tree = new RetainedTree();
  readonly #max: number;
  readonly #sizeMax: number;
  readonly #bytesMax: number;
  readonly #store: RetainedStore | undefined;
  #messageBytes = 0;
  /** Messages that were not retained, by limit. */
  readonly refused: Record<RetainedRefusal, number> = { count: 0, size: 0, bytes: 0 };

  constructor(options: RetainedOptions = {}, store?: RetainedStore) {
    this.#max = options.maxRetained ?? 100_000;
    this.#sizeMax = options.maxRetainedSize ?? 65_536;
    this.#bytesMax = options.retainedBytesTotalMax ?? 256 * 1024 * 1024;
    assertLimit('maxRetained', this.#max);
    assertLimit('maxRetainedSize', this.#sizeMax);
    assertLimit('retainedBytesTotalMax', this.#bytesMax);
    for (const message of store?.restore() ?? []) this.keep(message);
    this.#store = store;
  }

  get count(): number {
    return this.#tree.size;
  }

  /** Bytes of payloads, ids and overhead; a shared level counts once. */
  get bytes(): number {
    return this.#messageBytes + this.#tree.nodes * nodeBytes;
  }

  /**
   * Replaces the retained message of an id; an empty one only clears [MQTT-3.3.1-10]. If a limit refuses the new
   * message, the old one is still removed, because it is out of date.
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
    this.#store?.put(kept);
  }

  /** Removes all messages of a filter. */
  forget(filter: string): void {
    const walk = this.walk(filter);
    for (walk.seek(Infinity); !walk.done; walk.seek(Infinity)) this.#delete(walk.take());
  }

  /** A walk through the current messages of a filter. @param without the publisher whose messages are omitted */
  walk(filter: string, without?: string): RetainedCursor {
    return new RetainedCursor(this.#tree, filter, without);
  }

  /**
   * Cheaper than a walk.
   * @returns false if a walk finds nothing; for a filter with wildcards, only if nothing is retained at all
   */
  mayHave(filter: string): boolean {
    return hasWildcard(filter) ? this.#tree.size > 0 : this.#tree.get(filter) !== undefined;
  }

  /** All current messages of a filter, in no order. */
  all(filter: string): Message[] {
    const found: Message[] = [];
    const walk = this.walk(filter);
    for (walk.seek(Infinity); !walk.done; walk.seek(Infinity)) found.push(walk.take());
    return found;
  }

  #delete(last: Message): void {
    this.#messageBytes -= bytesOf(last);
    this.#tree.delete(last.id);
    this.#store?.remove(last.id);
  }

  #refusalOf(message: Message, last: Message | undefined): RetainedRefusal | undefined {
    if (message.payload.length === 0) return undefined;
    if (message.payload.length > this.#sizeMax) return 'size';
    if (last === undefined && this.count >= this.#max) return 'count';
    const freed = last === undefined ? 0 : bytesOf(last);
    // Counted as if all its levels were new: searching the tree would cost more than the difference.
    const nodes = last === undefined ? levelsOf(message.id) : 0;
    const bytes = this.bytes - freed + bytesOf(message) + nodes * nodeBytes;
    return bytes > this.#bytesMax ? 'bytes' : undefined;
  }
}

function bytesOf({ id, bytes }: Message): number {
  return id.length + bytes + messageBytes;
}
