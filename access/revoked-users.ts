/** Most names that are kept. Past it, all users count as revoked: what is kept of any of them is found out anew. */
const namesMax = 100_000;

/** Users that are to be checked anew, as an operator has ended their connections: what was found out before does not count. */
export class RevokedUsers {
  #keptMs: number;
  /** When a user was revoked, of `performance.now()`, by user name; the oldest first. */
  readonly #revokedMs = new Map<string | undefined, number>();
  #allRevokedMs = Number.NEGATIVE_INFINITY;

  /** @param keptMs nothing that was found out longer ago is used */
  constructor(keptMs: number) {
    this.#keptMs = keptMs;
  }

  /** Something that was found out is used for so long. */
  keepFor(ms: number): void {
    this.#keptMs = Math.max(this.#keptMs, ms);
  }

  /** @param userName undefined: all users without a name */
  add(userName: string | undefined): void {
    const nowMs = performance.now();
    this.#revokedMs.delete(userName); // behind the others
    this.#revokedMs.set(userName, nowMs);
    for (const [oldest, atMs] of this.#revokedMs) {
      if (atMs >= nowMs - this.#keptMs) break;
      this.#revokedMs.delete(oldest);
    }
    if (this.#revokedMs.size <= namesMax) return;
    this.#revokedMs.clear();
    this.#allRevokedMs = nowMs;
  }

  /** Whether the user was revoked then or later. @param sinceMs of `performance.now()` */
  has(userName: string | undefined, sinceMs: number): boolean {
    if (this.#allRevokedMs >= sinceMs) return true;
    if (this.#revokedMs.size === 0) return false;
    const atMs = this.#revokedMs.get(userName);
    return atMs !== undefined && atMs >= sinceMs;
  }
}
