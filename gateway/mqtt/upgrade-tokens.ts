import type { HttpRequest } from 'uWebSockets.js';
import type { WaitingPlace } from '../../access/waiting-places.js';
import type { AccessControl } from '../access-control.js';
import type { Config } from '../config.js';
import { type TokenOfRequest, tokenBeside, tokenOfBearer } from '../http/http-credentials.js';
import { addressText, type Peer } from '../peer-address.js';
import type { Channel } from './channel.js';

/** Cost of a token besides its text: a Map entry and an object. */
const entryBytes = 160;

interface KeptToken {
  readonly token: TokenOfRequest;
  readonly place: WaitingPlace;
}

/**
 * Tokens of requests that have become WebSockets, until CONNECT is decided: a client that gives no password there is the user
 * of its token, so that a page which is logged in by its cookie needs no second login. They count for the bytes that are kept
 * for clients whose credentials are checked.
 */
export class UpgradeTokens {
  readonly #access: Pick<AccessControl, 'mqtt' | 'pending'>;
  readonly #config: Config;
  readonly #byChannel = new Map<Channel, KeptToken>();
  /** The token of the request whose WebSocket opens next, in the same turn. */
  #next: KeptToken | undefined;

  constructor(access: Pick<AccessControl, 'mqtt' | 'pending'>, config: Config) {
    this.#access = access;
    this.#config = config;
  }

  /**
   * Keeps the token of a request whose WebSocket opens next.
   * @param mayUseCookie the page is known: a browser sends its cookies for every page
   * @returns false where there is no room for it
   */
  read(request: HttpRequest, peer: Peer, mayUseCookie: boolean): boolean {
    this.#next = undefined;
    if (!this.#access.mqtt.required) return true;
    const { authJwtCookie, authJwtQuery } = this.#config;
    const bearer = tokenOfBearer(request.getHeader('authorization'));
    const token =
      bearer === undefined
        ? tokenBeside(request, mayUseCookie ? authJwtCookie : '', authJwtQuery)
        : { token: bearer };
    if (token === undefined) return true;
    const place = this.#access.pending.reserve(addressText(peer), token.token.length + entryBytes);
    if (place === undefined) return false;
    this.#next = { token, place };
    return true;
  }

  /** Its WebSocket has opened. */
  begin(channel: Channel): void {
    if (this.#next === undefined) return;
    this.#byChannel.set(channel, this.#next);
    this.#next = undefined;
  }

  /** The request has become no WebSocket. */
  drop(): void {
    if (this.#next === undefined) return;
    this.#access.pending.free(this.#next.place);
    this.#next = undefined;
  }

  of(channel: Channel): TokenOfRequest | undefined {
    return this.#byChannel.size === 0 ? undefined : this.#byChannel.get(channel)?.token;
  }

  /** Its CONNECT is decided, or it is gone. A second call does nothing. */
  release(channel: Channel): void {
    if (this.#byChannel.size === 0) return;
    const kept = this.#byChannel.get(channel);
    if (kept === undefined) return;
    this.#byChannel.delete(channel);
    this.#access.pending.free(kept.place);
  }
}
