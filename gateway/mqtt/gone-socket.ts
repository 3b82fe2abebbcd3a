import type { WebSocket } from 'uWebSockets.js';
import type { AddressKept } from '../address-limit.js';
import type { ChannelOfSocket } from './channel.js';

/** What of a WebSocket is asked for once its peer has closed it, while the rest of what it has sent is still handled. */
export type ChannelSocket = Pick<
  WebSocket<ChannelOfSocket>,
  'send' | 'cork' | 'end' | 'close' | 'getBufferedAmount' | 'getRemoteAddress' | 'getRemoteAddressAsText'
> &
  AddressKept;

/** `send` says so when the system has taken it. */
const sent = 1;

/** Takes the place of a socket that is closed: uWS throws at whoever touches that. */
export class GoneSocket implements ChannelSocket {
  readonly #addressText: string;
  readonly #onEnd: () => void;

  /** @param onEnd called when it is closed from this side, too */
  constructor(addressText: string, onEnd: () => void) {
    this.#addressText = addressText;
    this.#onEnd = onEnd;
  }

  send(): number {
    return sent;
  }

  cork(write: () => void): never {
    write();
    return this as never;
  }

  end(): void {
    this.#onEnd();
  }

  close(): never {
    this.#onEnd();
    return this as never;
  }

  getBufferedAmount(): number {
    return 0;
  }

  getRemoteAddress(): ArrayBuffer {
    const text = this.#addressText;
    const bytes = text.includes(':')
      ? Buffer.from(text.replaceAll(':', ''), 'hex')
      : text.split('.').map(Number);
    return Uint8Array.from(bytes).buffer;
  }

  getRemoteAddressAsText(): ArrayBuffer {
    return new TextEncoder().encode(this.#addressText).buffer;
  }
}
