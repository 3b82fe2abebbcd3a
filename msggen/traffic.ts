/** Bytes that a lane has sent and received: payload of TCP, so HTTP, WebSocket and MQTT included. */
import type { Socket } from 'node:net';

export interface Traffic {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** Of the sockets that a lane has had, one after the other. */
export class SocketTraffic implements Traffic {
  #socket: Socket | undefined;
  #sentBytes = 0;
  #receivedBytes = 0;

  /** The one before, if there was one, is over. */
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
