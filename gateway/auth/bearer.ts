import { timingSafeEqual } from 'node:crypto';

/** Who may use the router API: whoever knows the token. Without one, everybody who can reach the listener. */
export class BearerAuth {
  readonly #expected: Buffer | undefined;

  /** @param token empty = no check */
  constructor(token: string) {
    this.#expected = token === '' ? undefined : Buffer.from(`Bearer ${token}`);
  }

  get required(): boolean {
    return this.#expected !== undefined;
  }

  /** Compares in constant time: how long it takes tells nothing about the token but its length. */
  allows(authorization: string): boolean {
    if (this.#expected === undefined) return true;
    const given = Buffer.from(authorization);
    if (given.length !== this.#expected.length) return false;
    return timingSafeEqual(given, this.#expected);
  }
}
