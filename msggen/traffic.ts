/** Bytes that a lane has sent and received: payload of TCP, so HTTP, WebSocket and MQTT included. */
import type { Socket } from 'node:net';

export interface Traffic {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** Traffic of the sockets of a lane, one after the other. */
export class SocketTraffic implements Traffic {
  #socket: Socket | undefined;
  #sentBytes = 0;
  #receivedBytes = 0;

  /** Counts a new socket. The socket before it is closed. */
  count(socket: Socket): void {
    this.#sentBytes = this.sentBytes;
    this.#receivedBytes = this.receivedBytes;
    this.#socket = socket;
  }

  get sentBytes(): number {
    return this.#sentBytes + (this.#socket?.bytesWritten ?? 0);
  }

  get receivedBytes(): number {
    return this.#receivedBytes + (this.#socket?.bytesRead ?? 0);
  }
}
