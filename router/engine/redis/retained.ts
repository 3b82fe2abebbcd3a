import { setTimeout as pause } from 'node:timers/promises';
import { Message } from '../../message.js';
import type { RetainedCopy } from '../engine.js';
import { insistWhile } from './calls.js';
import { bodyOf, isBareEntry, messageInHistory } from './message-format.js';
import type { Shard } from './shard.js';

/** Of one answer. */
const pageBytesMax = 1024 * 1024;
/** Most messages of one call that gives back what a server has lost. */
const restoredMax = 100;
const restoredBytesMax = 256 * 1024;
const retryMs = 100;

export interface SharedRetainedParts {
  readonly shard: Shard;
  /** Whether the id is one of this shard. */
  readonly owns: (id: string) => boolean;
  /** Whether a place is an offset in the history of the id. */
  readonly hasHistory: (id: string) => boolean;
}

/** `retained` of read.lua: floor, where to go on, 1 = that is all, and id and entry of each change. */
type Page = [floor: number, next: number, complete: number, ...changes: Buffer[]];

/**
 * Retained messages of a shard's ids: Redis keeps them, and every node has a copy. What is published comes to all nodes; one
 * that was away reads what has changed since, in order. What begins with $ goes with the node that published it, and is
 * not in Redis.
 */
export class SharedRetained {
  readonly #parts: SharedRetainedParts;
  #copy: RetainedCopy | undefined;
  /** All changes up to here are in the copy, besides those that come to this node. */
  #position = 0;
  /** Of the generation that the copy is of: a server that began anew since may have lost its data, whatever it has published. */
  #begin = 0;
  #loaded = false;
  /** Messages that the server does not know any more, until it does. */
  readonly #lost = new Map<string, Message>();
  #stopped = false;

  constructor(parts: SharedRetainedParts) {
    this.#parts = parts;
    parts.shard.onBack(() => {
      if (this.#copy !== undefined && !this.#loaded) void this.#load().catch(() => {});
    });
  }

  /** Reads all; later, where the server is away. */
  async start(copy: RetainedCopy): Promise<void> {
    this.#copy = copy;
    if (this.#parts.shard.usable) await this.#load().catch(() => {});
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Somebody has published it: it is known again. */
  note(message: Message): void {
    if (this.#lost.size > 0) this.#lost.delete(message.id);
    this.#copy?.keep(message);
  }

  /**
   * On a new connection, before what comes on it is handed out.
   * @param begin nothing that happened before is known to be known to the server
   */
  async catchUp(begin: number, isCurrent: () => boolean): Promise<void> {
    const { shard } = this.#parts;
    if (this.#copy === undefined || !this.#loaded) return;
    const after = Math.max(this.#position, shard.subscribed.position);
    const first = await this.#page(after, isCurrent);
    const isBehind = begin !== this.#begin || first[0] > after;
    this.#begin = begin;
    // Of what was cleared since, the server knows only for a while, or not at all: then all is compared.
    const seen = isBehind ? new Set<string>() : undefined;
    this.#position = await this.#apply(isBehind ? await this.#page(0, isCurrent) : first, isCurrent, seen);
    if (seen === undefined) return;
    const missing = this.#missing(seen);
    // The server has begun anew and may have lost it; what was cleared lately it knows, and does not take.
    if (first[0] <= begin) this.#restore(missing);
    else for (const { id } of missing) this.#copy.forget(id);
  }

  async #load(): Promise<void> {
    const { shard } = this.#parts;
    const isCurrent = () => shard.usable && !this.#stopped;
    this.#begin = shard.begin;
    this.#position = await this.#apply(await this.#page(0, isCurrent), isCurrent);
    this.#loaded = true;
  }

  /** @returns up to where that is all */
  async #apply(first: Page, isCurrent: () => boolean, seen?: Set<string>): Promise<number> {
    for (let page = first; ; ) {
      const [, next, complete, ...changes] = page;
      for (let n = 0; n < changes.length; n += 2) {
        const id = changes[n]!.toString();
        this.#keep(id, changes[n + 1]!);
        seen?.add(id);
      }
      if (complete === 1) return next;
      page = await this.#page(next, isCurrent);
    }
  }

  #keep(id: string, entry: Buffer): void {
    if (isBareEntry(entry)) this.#copy!.keep(new Message(id, Buffer.alloc(0), 0, 0, true));
    else {
      const message = messageInHistory(id, entry);
      if (!this.#parts.hasHistory(id)) message.offset = 0;
      this.#copy!.keep(message);
    }
  }

  #page(after: number, isCurrent: () => boolean): Promise<Page> {
    const args = [after, pageBytesMax];
    return insistWhile(isCurrent, () => this.#parts.shard.read('retained', args)) as Promise<Page>;
  }

  #missing(seen: ReadonlySet<string>): Message[] {
    const missing: Message[] = [];
    const walk = this.#copy!.walk('#'); // none that begins with $
    for (walk.seek(Infinity); !walk.done; walk.seek(Infinity)) {
      const message = walk.take();
      if (!seen.has(message.id) && this.#parts.owns(message.id)) missing.push(message);
    }
    return missing;
  }

  /** Gives them back to the server. Each node has them, and begins somewhere else, so that each has a part of the work. */
  #restore(missing: readonly Message[]): void {
    const isUnderWay = this.#lost.size > 0;
    const middle = Math.floor(Math.random() * missing.length);
    for (const message of [...missing.slice(middle), ...missing.slice(0, middle)])
      this.#lost.set(message.id, message);
    if (!isUnderWay && this.#lost.size > 0) void this.#restoreAll();
  }

  /** As many of the lost messages as go into one call. */
  #someLost(): Message[] {
    const some: Message[] = [];
    let bytes = 0;
    for (const message of this.#lost.values()) {
      bytes += message.bytes;
      if (some.length === restoredMax || (some.length > 0 && bytes > restoredBytesMax)) break;
      some.push(message);
    }
    return some;
  }

  async #restoreAll(): Promise<void> {
    const { shard } = this.#parts;
    while (this.#lost.size > 0 && !this.#stopped) {
      const some = this.#someLost();
      const args = some.flatMap((message) => [message.id, bodyOf(message)]);
      try {
        await shard.call('restore', [shard.parts.run, ...args]);
        for (const { id } of some) this.#lost.delete(id);
      } catch {
        await pause(retryMs);
      }
    }
  }
}
