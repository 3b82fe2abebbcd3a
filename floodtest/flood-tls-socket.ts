/** A connection's socket over TLS. It reads into buffers of its own, and costs some 30 KB where a plain one costs 3. */
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import type { SocketOwner } from './flood-socket.js';

export function openTlsSocket(
  owner: SocketOwner,
  connection: number,
  attempt: number,
  options: ConnectionOptions,
): TLSSocket {
  let reason = 'ended by the server';
  return connect(options)
    .on('secureConnect', () => owner.opened(connection))
    .on('data', (bytes) => owner.received(connection, bytes, bytes.length))
    .on('error', (error: NodeJS.ErrnoException) => {
      reason = error.code || error.message || error.name;
    })
    .on('close', () => owner.gone(connection, reason, attempt));
}
