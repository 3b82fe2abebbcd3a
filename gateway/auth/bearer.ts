import { timingSafeEqual } from 'node:crypto';

/** Lets in those who know the token, where one is set. Without one, everybody who can reach the listener. */
export class BearerAuth {
  /** Undefined = no check. */
  readonly #token: Buffer | undefined;

  /** @param token empty = no check */
  constructor(token: string) {
    this.#token = token === '' ? undefined : Buffer.from(token);
  }

  get required(): boolean {
    return this.#token !== undefined;
  }

  /** @param authorization the HTTP header */
  allows(authorization: string): boolean {
    if (this.#token === undefined) return true;
    const scheme = schemePattern.exec(authorization)?.[0];
    return scheme !== undefined && this.allowsToken(Buffer.from(authorization.slice(scheme.length)));
  }

  /** Compares in constant time: how long it takes tells nothing about the token but its length. */
  allowsToken(given: Uint8Array): boolean {
    if (this.#token === undefined) return true;
    return given.length === this.#token.length && timingSafeEqual(given, this.#token);
  }
}

/** The scheme is case-insensitive, and one or more spaces follow it (RFC 9110 11.1, 11.4). */
const schemePattern = /^bearer +/i;
