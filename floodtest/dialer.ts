/**
 * The sockets of one process, by connection. Opens each from a source address and port of its own, or from another port
 * when that one is taken or the connection had a socket before.
 */
import type { Socket } from 'node:net';
import { FloodSocket, type SocketOwner } from './flood-socket.js';
import { openTlsSocket } from './flood-tls-socket.js';
import { assignmentOf, connectionsOf, numberOf, type Share, sourceOf } from './plan.js';
import { resetSocket } from './reset-socket.js';

/** Ports tried for a connection that is bound to a source address. */
const SOURCE_ATTEMPTS = 5;

export class Dialer {
  readonly #share: Share;
  readonly #owner: SocketOwner;
  readonly #sockets: (Socket | undefined)[];
  /** How many sockets each connection had before. */
  readonly #predecessors: Uint32Array;

  constructor(share: Share, owner: SocketOwner) {
    const connections = connectionsOf(share);
    this.#share = share;
    this.#owner = owner;
    this.#sockets = new Array(connections).fill(undefined);
    this.#predecessors = new Uint32Array(connections);
  }

  isOpen(connection: number): boolean {
    return this.#sockets[connection] !== undefined;
  }

  hasPredecessor(connection: number): boolean {
    return this.#predecessors[connection]! > 0;
  }

  open(connection: number, attempt = 0): void {
    const number = numberOf(this.#share, connection);
    const { address, port, tls } = assignmentOf(this.#share, number).gateway;
    // A successor uses another port: the port of its predecessor may still be in TIME_WAIT.
    const source = sourceOf(this.#share, number, attempt + this.#predecessors[connection]!);
    const target = { host: address, port, ...source };
    if (tls !== undefined) {
      this.#sockets[connection] = openTlsSocket(this.#owner, connection, attempt, { ...target, ...tls });
      return;
    }
    const socket = new FloodSocket(this.#owner, connection, attempt);
    this.#sockets[connection] = socket;
    socket.connect(target);
  }

  openSuccessor(connection: number): void {
    this.#predecessors[connection]!++;
    this.open(connection);
  }

  /** The socket is closed. @returns whether its port was the cause, and another port is worth an attempt */
  mayTryAgain(reason: string, attempt: number): boolean {
    const portTaken = reason === 'EADDRINUSE' || reason === 'EADDRNOTAVAIL';
    return portTaken && this.#share.sourceAddresses.length > 0 && attempt + 1 < SOURCE_ATTEMPTS;
  }

  forget(connection: number): void {
    this.#sockets[connection] = undefined;
  }

  write(connection: number, bytes: Buffer | string): void {
    const socket = this.#sockets[connection];
    if (socket?.writable) socket.write(bytes, 'latin1');
  }

  destroy(connection: number): void {
    this.#sockets[connection]?.destroy();
  }

  reset(connection: number): void {
    const socket = this.#sockets[connection];
    if (socket !== undefined) resetSocket(socket);
  }

  /**
   * Closes with resets. Normal closes would leave 10,000 ports in TIME_WAIT for a minute, and a few rounds of that
   * would use up all ports of the machine.
   */
  resetAll(): void {
    for (const socket of this.#sockets) if (socket !== undefined) resetSocket(socket);
  }
}
