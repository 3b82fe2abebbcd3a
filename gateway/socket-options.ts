import { closeSync, openSync, readdirSync } from 'node:fs';
import type { Logger } from 'pino';
import type { Config } from './config.js';
import { loadSocketCalls, type SocketCalls, socketCalls, socketLevel, socketOption } from './libc.js';

/**
 * Socket options that uWS does not set. Set on a listening socket, they are inherited by accepted sockets.
 *
 * - SO_RCVBUF bounds the bytes of one socket in one turn of the loop, and so the effect of a flood. uWS cannot stop
 *   reading a WebSocket, and reads a socket again at once while its 512 KB buffer comes back full. Past SO_RCVBUF, TCP
 *   holds the sender back.
 * - TCP_NOTSENT_LOWAT bounds the unsent bytes in the kernel for a slow reader, otherwise 4 MB. And the socket is
 *   writable when half of that has gone, not a third of 4 MB.
 */
export class SocketOptions {
  readonly #options: readonly (readonly [name: string, level: number, option: number, value: number])[];
  readonly #log: Logger;

  constructor(config: Pick<Config, 'socketReceiveBufferBytes' | 'socketUnsentBytesMax'>, log: Logger) {
    const { socket, tcp } = socketLevel;
    const all = [
      ['SO_RCVBUF', socket, socketOption.receiveBuffer, config.socketReceiveBufferBytes],
      ['TCP_NOTSENT_LOWAT', tcp, socketOption.notSentLowat, config.socketUnsentBytesMax],
    ] as const;
    this.#options = all.filter(([, , , value]) => value > 0);
    this.#log = log;
  }

  /** Must resolve before anything listens. */
  async load(): Promise<void> {
    const problem = await loadSocketCalls();
    if (problem === undefined || this.#options.length === 0) return;
    this.#log.warn(
      { problem },
      'socket options are not set: the kernel keeps up to 4 MB for each slow reader, and one fast sender takes longer turns',
    );
  }

  /** Listens, and sets the options on the listening socket. @param listen returns the port, or undefined on failure */
  apply(listen: () => number | undefined): void {
    const guess = lowestFreeDescriptor();
    const port = listen();
    const calls = socketCalls();
    if (port === undefined || calls === undefined || this.#options.length === 0) return;
    const descriptor = listensOn(calls, guess, port) ? guess : findListening(calls, port);
    for (const [name, level, option, value] of this.#options) {
      if (descriptor !== undefined && calls.setOption(descriptor, level, option, value)) continue;
      this.#log.warn({ port, option: name, value }, 'this socket option could not be set');
    }
  }
}

/** The lowest free descriptor, which the next socket gets. So no search is needed. */
function lowestFreeDescriptor(): number {
  const descriptor = openSync('/dev/null', 'r');
  closeSync(descriptor);
  return descriptor;
}

function listensOn(calls: SocketCalls, descriptor: number, port: number): boolean {
  return (
    calls.option(descriptor, socketLevel.socket, socketOption.acceptsConnections) === 1 &&
    calls.localPort(descriptor) === port
  );
}

function findListening(calls: SocketCalls, port: number): number | undefined {
  const open = readdirSync('/proc/self/fd').map(Number);
  return open.find((descriptor) => listensOn(calls, descriptor, port));
}
