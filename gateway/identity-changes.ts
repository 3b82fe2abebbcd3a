import type { Identity } from '../access/identity.js';
import { RevokedUsers } from '../access/revoked-users.js';

/** An identity that was found good, and whose client waits on: for history, or for its client id. */
export interface WaitingIdentity {
  readonly identity: Identity;
  /** The version of `IdentityChanges` at which it was found good. */
  readonly version: number;
  /** When it was found good, of `performance.now()`. */
  readonly sinceMs: number;
}

/** The client is to be checked anew, as an operator has ended its connections; or nobody knows its user any more. */
export type LostIdentity = 'revoked' | 'gone';

/** Most clients wait for milliseconds, and 5 s for a node that is away. One that waits longer than this is checked anew. */
const waitMsMax = 60_000;

/**
 * Tells a client that was found good, and has waited since, what it is now: meanwhile its user may have left a file of users,
 * rules may be others, or an operator may have ended its connections. Those that are open are looked at by a walk, which
 * does not see the ones that wait.
 */
export class IdentityChanges {
  readonly #renew: (identity: Identity) => Identity | undefined;
  readonly #revoked = new RevokedUsers(waitMsMax);
  /** Ids of streams, and client ids: those that an operator has named in the place of a user. */
  readonly #revokedNames = new RevokedUsers(waitMsMax);
  #version = 0;

  constructor(renew: (identity: Identity) => Identity | undefined) {
    this.#renew = renew;
  }

  /** Its client begins to wait. */
  waiting(identity: Identity): WaitingIdentity {
    return { identity, version: this.#version, sinceMs: performance.now() };
  }

  /** Users or rules have changed. */
  note(): void {
    this.#version++;
  }

  /** @param userName undefined: all users without a name */
  revoke(userName: string | undefined): void {
    this.#version++;
    this.#revoked.add(userName);
  }

  /** Connections with these client ids or ids were ended. */
  revokeNames(names: readonly string[]): void {
    this.#version++;
    for (const name of names) this.#revokedNames.add(name);
  }

  /** @param sinceMs of `performance.now()` */
  isRevokedSince(userName: string | undefined, sinceMs: number): boolean {
    return this.#revoked.has(userName, sinceMs);
  }

  /** Nothing has changed since it was found good. */
  isSame({ version }: WaitingIdentity): boolean {
    return version === this.#version;
  }

  /** @param names its client id, or the ids that it wants to read */
  now(waiting: WaitingIdentity, names: readonly string[]): Identity | LostIdentity {
    if (this.isSame(waiting)) return waiting.identity;
    const { identity, sinceMs } = waiting;
    if (performance.now() - sinceMs > waitMsMax) return 'revoked';
    if (this.#revoked.has(identity.userName, sinceMs)) return 'revoked';
    if (names.some((name) => this.#revokedNames.has(name, sinceMs))) return 'revoked';
    return this.#renew(identity) ?? 'gone';
  }
}
