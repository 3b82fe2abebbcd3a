import type { Credentials } from '../../access/authenticator.js';
import { addressText, type Peer } from '../address-limit.js';

type AddressedPeer = Pick<Peer, 'getRemoteAddressAsText' | 'address'>;

/** The credentials in a request: `Authorization: Bearer` has a token, `Basic` a user name and a password. */
export class HttpCredentials implements Credentials {
  readonly transport: 'http' | 'api';
  readonly userName?: string;
  readonly password?: Buffer;
  readonly token?: string;
  readonly tokenIsCookie?: true;
  readonly #peer: AddressedPeer;
  #address: string | undefined;

  /** @param cookieToken the token in a cookie, for a request without Authorization */
  constructor(
    transport: 'http' | 'api',
    peer: AddressedPeer,
    authorization: string,
    cookieToken: string | undefined,
  ) {
    this.transport = transport;
    this.#peer = peer;
    if (authorization === '' && cookieToken !== undefined) {
      this.token = cookieToken;
      this.tokenIsCookie = true;
    }
    const [scheme] = schemePattern.exec(authorization) ?? [];
    if (scheme === undefined) {
      if (authorization !== '') this.token = unreadable;
      return;
    }
    const rest = authorization.slice(scheme.length);
    if (/^bearer/i.test(scheme)) {
      this.token = rest;
      return;
    }
    const pair = Buffer.from(rest, 'base64');
    const colon = pair.indexOf(':'); // a user name has none (RFC 7617 2)
    if (colon === -1) {
      this.token = unreadable;
      return;
    }
    this.userName = pair.toString('utf8', 0, colon);
    this.password = pair.subarray(colon + 1);
  }

  /** Few authenticators ask for it, and it costs a microsecond. */
  get address(): string {
    this.#address ??= addressText(this.#peer);
    return this.#address;
  }

  /** Reads what an authenticator may ask for when the socket is gone. In the route handler only. */
  keepAddress(): void {
    this.#address ??= addressText(this.#peer);
  }
}

/** @returns undefined where there is no such cookie */
export function cookieOf(header: string, name: string): string | undefined {
  for (const pair of header.split(';')) {
    const [key, value] = pair.trim().split(/=(.*)/s);
    if (key === name && value !== undefined) return value.replace(/^"(.*)"$/, '$1');
  }
  return undefined;
}

/** Of another scheme, or garbled: it is a wrong token, and not none, as a client without any may be let in. */
const unreadable = '';

/** The scheme is case-insensitive, and one or more spaces follow it (RFC 9110 11.1, 11.4). */
const schemePattern = /^(?:bearer|basic) +/i;
