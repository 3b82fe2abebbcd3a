import type { HttpRequest } from 'uWebSockets.js';
import type { Credentials } from '../../access/authenticator.js';
import { addressText, type Peer } from '../peer-address.js';

type AddressedPeer = Pick<Peer, 'getRemoteAddressAsText' | 'address'> & {
  /** The name in the certificate of the client. */
  readonly certificateName?: string | undefined;
};

/** A token, and where in the request it was. */
export type TokenOfRequest = Pick<Credentials, 'tokenIsCookie' | 'tokenIsInUrl'> & { readonly token: string };

/** The credentials in a request: `Authorization: Bearer` has a token, `Basic` a user name and a password. */
export class HttpCredentials implements Credentials {
  readonly transport: 'http' | 'api';
  readonly userName?: string;
  readonly password?: Buffer;
  readonly token?: string;
  readonly tokenIsCookie?: true;
  readonly tokenIsInUrl?: true;
  readonly certificateNames?: readonly string[];
  readonly #peer: AddressedPeer;
  #address: string | undefined;

  /** @param beside a token in the query or in a cookie; undefined for a request with Authorization */
  constructor(
    transport: 'http' | 'api',
    peer: AddressedPeer,
    authorization: string,
    beside: TokenOfRequest | undefined,
  ) {
    this.transport = transport;
    this.#peer = peer;
    if (peer.certificateName !== undefined) this.certificateNames = [peer.certificateName];
    if (beside !== undefined) Object.assign(this, beside);
    const bearer = tokenOfBearer(authorization);
    if (bearer !== undefined) {
      this.token = bearer;
      return;
    }
    const [scheme] = basicPattern.exec(authorization) ?? [];
    if (scheme === undefined) {
      if (authorization !== '') this.token = unreadable;
      return;
    }
    const pair = Buffer.from(authorization.slice(scheme.length), 'base64');
    const colon = pair.indexOf(':'); // a user name has none (RFC 7617 2)
    if (colon === -1) {
      this.token = unreadable;
      return;
    }
    this.userName = pair.toString('utf8', 0, colon);
    this.password = pair.subarray(colon + 1);
  }

  /**
   * The address is read when it is asked for: that costs a microsecond, and few authenticators need it. A request that
   * waits asks for it in its route handler, so that it is there for an authenticator that asks when the socket is gone.
   */
  get address(): string {
    this.#address ??= addressText(this.#peer);
    return this.#address;
  }
}

/** @returns undefined where the header is of another scheme */
export function tokenOfBearer(authorization: string): string | undefined {
  const [scheme] = bearerPattern.exec(authorization) ?? [];
  return scheme === undefined ? undefined : authorization.slice(scheme.length);
}

/**
 * The token of a client that can set no header, such as an EventSource.
 * @param cookieName,queryName '' = not looked at
 */
export function tokenBeside(
  request: HttpRequest,
  cookieName: string,
  queryName: string,
): TokenOfRequest | undefined {
  const inQuery = queryName === '' ? null : new URLSearchParams(request.getQuery() ?? '').get(queryName);
  if (inQuery !== null) return { token: inQuery, tokenIsInUrl: true };
  const token = cookieName === '' ? undefined : cookieOf(request.getHeader('cookie'), cookieName);
  return token === undefined ? undefined : { token, tokenIsCookie: true };
}

/** @returns undefined where there is no such cookie */
function cookieOf(header: string, name: string): string | undefined {
  for (const pair of header.split(';')) {
    const [key, value] = pair.trim().split(/=(.*)/s);
    if (key === name && value !== undefined) return value.replace(/^"(.*)"$/, '$1');
  }
  return undefined;
}

/** Credentials of another scheme, or garbled ones, count as a wrong token, and not as none: clients without any may be let in. */
const unreadable = '';

/** The scheme is case-insensitive, and one or more spaces follow it (RFC 9110 11.1, 11.4). */
const bearerPattern = /^bearer +/i;
const basicPattern = /^basic +/i;
