import { timingSafeEqual } from 'node:crypto';
import {
  type AuthenticationResult,
  type Authenticator,
  type Credentials,
  unknownUser,
} from './authenticator.js';
import { unrestricted } from './identity.js';

/** Lets in everybody who knows one token, which stands in the settings (--api-token, --mqtt-token). */
export class SharedToken implements Authenticator {
  readonly name = 'token';
  readonly #token: Buffer;

  /** @param token not empty */
  constructor(token: string) {
    if (token === '')
      throw new RangeError('an empty token would let everybody in: leave the authenticator out');
    this.#token = Buffer.from(token);
  }

  /** Takes the token over HTTP as `Authorization: Bearer` alone, never from a cookie or the URL; over MQTT as the password. */
  authenticate({
    transport,
    token,
    tokenIsCookie,
    tokenIsInUrl,
    password,
  }: Credentials): AuthenticationResult {
    const isGiven = token !== undefined && tokenIsCookie !== true && tokenIsInUrl !== true;
    if (isGiven && this.#is(Buffer.from(token))) return accepted;
    if (transport === 'mqtt' && password !== undefined && this.#is(password)) return accepted;
    return unknownUser;
  }

  /** Compares in constant time: how long it takes tells nothing about the token but its length. */
  #is(given: Uint8Array): boolean {
    return given.length === this.#token.length && timingSafeEqual(given, this.#token);
  }
}

const accepted: AuthenticationResult = { outcome: 'accepted', identity: unrestricted };
