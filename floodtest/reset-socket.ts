import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/**
 * Ends a connection with a reset, as when the network fails or its process is killed. A connection that is already
 * ending, even because of the peer in this turn, is left alone: Node (20.20, 22.23) gives EINVAL, never closes it, and
 * spins for ever at the end of the process.
 */
export function resetSocket(socket: Socket): void {
  // Node has no reset for a socket over TLS.
  if (socket.writable && !(socket instanceof TLSSocket)) socket.resetAndDestroy();
  else socket.destroy();
}
