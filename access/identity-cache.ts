import { hash, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Identity } from './identity.js';
import { RevokedUsers } from './revoked-users.js';

/** Cost of an entry besides its rules: a key of 44 characters, the identity with its name, and the cache's own lists. */
const entryBytes = 352;

interface Kept {
  readonly identity: Identity;
  /** When it was asked for, of `performance.now()`. */
  readonly askedMs: number;
}

/**
 * Identities by the credentials that proved them, so that a client that comes back is let in at once. Bounded by bytes and
 * by age: for so long a password that was changed still lets in.
 */
export class IdentityCache {
  readonly #entries: LRUCache<string, Kept> | undefined;
  readonly #revoked: RevokedUsers;
  /** Only this process has it: without it a key is of no use for guessing a password. */
  readonly #secret = randomBytes(32).toString('base64');
  /** Since the start. */
  readonly counters = { hits: 0, misses: 0 };

  /** @param ageSec 0 = nothing is kept */
  constructor({ bytesMax, ageSec }: { readonly bytesMax: number; readonly ageSec: number }) {
    this.#revoked = new RevokedUsers(ageSec * 1000);
    if (ageSec === 0) return;
    this.#entries = new LRUCache({
      maxSize: bytesMax,
      sizeCalculation: ({ identity: { rules, userName } }) =>
        entryBytes + (userName?.length ?? 0) + rules.bytes,
      ttl: ageSec * 1000,
      ttlResolution: 0, // else a timer for each millisecond in which it is asked, 2 µs; the clock takes 0.04 µs
    });
  }

  get count(): number {
    return this.#entries?.size ?? 0;
  }

  get bytes(): number {
    return this.#entries?.calculatedSize ?? 0;
  }

  /**
   * A hash in one call costs a quarter of an HMAC, and serves as well: no key leaves this process.
   * @param parts all that the answer depends on; the length of each goes in, so that none can pass for two
   */
  keyOf(...parts: readonly (string | Uint8Array | undefined)[]): string {
    let text = this.#secret;
    for (const part of parts) {
      if (part === undefined) text += '-';
      else if (typeof part === 'string') text += `${part.length}:${part}`;
      else
        text += `${part.length};${Buffer.from(part.buffer, part.byteOffset, part.length).toString('latin1')}`;
    }
    return hash('sha256', text, 'base64');
  }

  /** @returns undefined where it is not known, too old, or revoked, or its credentials have ended */
  get(key: string): Identity | undefined {
    const kept = this.#entries?.get(key);
    if (kept === undefined || this.#isOver(kept)) {
      this.counters.misses++;
      return undefined;
    }
    this.counters.hits++;
    return kept.identity;
  }

  /**
   * @param ageSec in the place of the age that all have; 0 = it is not kept
   * @param askedMs when it was asked for, of `performance.now()`: what a user was before it was revoked does not count
   */
  set(key: string, identity: Identity, ageSec?: number, askedMs = performance.now()): void {
    if (ageSec === 0) return;
    if (ageSec !== undefined) this.#revoked.keepFor(ageSec * 1000);
    this.#entries?.set(key, { identity, askedMs }, ageSec === undefined ? {} : { ttl: ageSec * 1000 });
  }

  /** Nothing that is kept of this user counts any more. @param userName undefined: of all without a name */
  revoke(userName: string | undefined): void {
    this.#revoked.add(userName);
  }

  /** Forgets all identities: their users are asked for anew. */
  clear(): void {
    this.#entries?.clear();
  }

  #isOver({ identity: { userName, expiresAtMs }, askedMs }: Kept): boolean {
    const hasEnded = expiresAtMs !== undefined && expiresAtMs <= Date.now();
    return hasEnded || this.#revoked.has(userName, askedMs);
  }
}
