import { createHmac, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Identity } from './identity.js';

/** Cost of an entry besides its rules: a key of 44 characters, the identity with its name, and the cache's own lists. */
const entryBytes = 320;

/**
 * Identities by the credentials that proved them, so that a client that comes back is let in at once. Bounded by bytes and
 * by age: for so long a password that was changed still lets in.
 */
export class IdentityCache {
  readonly #entries: LRUCache<string, Identity> | undefined;
  /** Of this process alone: without it a key is of no use for guessing a password. */
  readonly #secret = randomBytes(32);
  /** Since the start. */
  readonly counters = { hits: 0, misses: 0 };

  /** @param ageSec 0 = nothing is kept */
  constructor({ bytesMax, ageSec }: { readonly bytesMax: number; readonly ageSec: number }) {
    if (ageSec === 0) return;
    this.#entries = new LRUCache({
      maxSize: bytesMax,
      sizeCalculation: ({ rules, userName }) => entryBytes + (userName?.length ?? 0) + rules.bytes,
      ttl: ageSec * 1000,
    });
  }

  get count(): number {
    return this.#entries?.size ?? 0;
  }

  get bytes(): number {
    return this.#entries?.calculatedSize ?? 0;
  }

  /** @param parts all that the answer depends on; the length of each goes in, so that none can pass for two */
  keyOf(...parts: readonly (string | Uint8Array | undefined)[]): string {
    const hmac = createHmac('sha256', this.#secret);
    for (const part of parts) {
      if (part === undefined) hmac.update('-');
      else hmac.update(`${typeof part === 'string' ? Buffer.byteLength(part) : part.length}:`).update(part);
    }
    return hmac.digest('base64');
  }

  /** @returns undefined where it is not known, too old, or its credentials have ended */
  get(key: string): Identity | undefined {
    const identity = this.#entries?.get(key);
    if (identity === undefined || (identity.expiresAtMs ?? Number.POSITIVE_INFINITY) <= Date.now()) {
      this.counters.misses++;
      return undefined;
    }
    this.counters.hits++;
    return identity;
  }

  /** @param ageSec in the place of the age that all have; 0 = it is not kept */
  set(key: string, identity: Identity, ageSec?: number): void {
    if (ageSec === 0) return;
    this.#entries?.set(key, identity, ageSec === undefined ? {} : { ttl: ageSec * 1000 });
  }

  /** All are asked anew. */
  clear(): void {
    this.#entries?.clear();
  }
}
