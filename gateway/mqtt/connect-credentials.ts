import type { Credentials } from '../../access/authenticator.js';
import type { TokenOfRequest } from '../http/http-credentials.js';
import type { Channel } from './channel.js';
import type { ConnectPacket } from './connect-packet.js';

/** The credentials in a CONNECT, or those of the request that became its WebSocket. */
export class ConnectCredentials implements Credentials {
  readonly transport = 'mqtt';
  readonly clientId: string;
  readonly userName?: string;
  readonly password?: Buffer;
  readonly token?: string;
  readonly tokenIsCookie?: true;
  readonly tokenIsInUrl?: true;
  readonly certificateNames?: readonly string[];
  readonly #channel: Channel;
  #address: string | undefined;

  /** @param beside a token of the request: it counts where CONNECT has no password */
  constructor(channel: Channel, packet: ConnectPacket, beside: TokenOfRequest | undefined) {
    const { clientId, userName, password } = packet;
    const { certificateName } = channel.socket;
    this.#channel = channel;
    this.clientId = clientId;
    if (userName !== undefined) this.userName = userName;
    if (password !== undefined) this.password = password;
    else if (beside !== undefined) Object.assign(this, beside);
    if (certificateName !== undefined) this.certificateNames = [certificateName];
  }

  /**
   * The address is read when it is asked for: that costs a microsecond, and nobody needs it for credentials that are known.
   * A CONNECT that waits asks for it at once, so that it is there for an authenticator that asks when the socket is gone.
   */
  get address(): string {
    this.#address ??= this.#channel.remoteAddress();
    return this.#address;
  }
}
