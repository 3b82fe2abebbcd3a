import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/**
 * Ends a connection with a reset, as when the network fails or its process is killed. Not where it is being ended
 * already, be it because the peer has ended it in this very turn: Node (20.20, 22.23) cannot reset that, EINVAL, never
 * closes it then, and spins for ever when the process comes to its end.
 */
export function resetSocket(socket: Socket): void {
  // Node has no reset for a socket over TLS.
  if (socket.writable && !(socket instanceof TLSSocket)) socket.resetAndDestroy();
  else socket.destroy();
}
