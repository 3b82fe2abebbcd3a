import { type MqttSocket, sendStatus } from './mqtt-socket.js';

/**
 * Takes the place of a socket that its peer has closed, while the rest of what has come on it is still handled: uWS throws
 * at every call on a closed one.
 */
export class GoneSocket implements MqttSocket {
  readonly #addressText: string;
  readonly #onEnd: () => void;

  /** @param onEnd called when it is closed from this side, too */
  constructor(addressText: string, onEnd: () => void) {
    this.#addressText = addressText;
    this.#onEnd = onEnd;
  }

  send(): number {
    return sendStatus.sent;
  }

  cork(write: () => void): void {
    write();
  }

  end(): void {
    this.#onEnd();
  }

  close(): void {
    this.#onEnd();
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
