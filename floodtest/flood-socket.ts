/**
 * A connection's socket: bare node:net that reads into one buffer shared by all (2 to 3 KB each; with undici 9 to 12
 * KB: docs/decisions/floodtest-client.md).
 */
import { Socket } from 'node:net';

/** Reason of a connection that the server closed without an error. */
export const ENDED_BY_SERVER = 'ended by the server';

const READ_BUFFER_BYTES = 64 * 1024;

export interface SocketOwner {
  opened(connection: number): void;
  /** Bytes 0 up to `end`; they are only valid during the call. */
  received(connection: number, bytes: Buffer, end: number): void;
  gone(connection: number, reason: string, attempt: number): void;
}

/** All sockets share these functions and the buffer: node calls them with the socket as `this`. */
const onread = {
  buffer: Buffer.allocUnsafeSlow(READ_BUFFER_BYTES),
  callback(this: FloodSocket, bytesRead: number, bytes: Uint8Array): boolean {
    this.owner.received(this.connection, bytes as Buffer, bytesRead);
    return true;
  },
};

export class FloodSocket extends Socket {
  readonly owner: SocketOwner;
  readonly connection: number;
  readonly attempt: number;
  reason = ENDED_BY_SERVER;

  constructor(owner: SocketOwner, connection: number, attempt: number) {
    // @types/node 20 has `onread` for net.connect only, but the constructor takes it.
    super({ onread } as object);
    this.owner = owner;
    this.connection = connection;
    this.attempt = attempt;
    this.on('connect', onConnect).on('error', onError).on('close', onClose);
  }
}

function onConnect(this: FloodSocket): void {
  this.owner.opened(this.connection);
}

function onError(this: FloodSocket, error: NodeJS.ErrnoException): void {
  this.reason = error.code || error.message || error.name;
}

function onClose(this: FloodSocket): void {
  this.owner.gone(this.connection, this.reason, this.attempt);
}
