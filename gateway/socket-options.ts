import { closeSync, openSync, readdirSync } from 'node:fs';
import type { Logger } from 'pino';
import type { Config } from './config.js';
import { loadSocketCalls, type SocketCalls, socketCalls, socketLevel, socketOption } from './libc.js';

/**
 * Options that uWS does not set, set on a listening socket: what is accepted there inherits them.
 *
 * - SO_RCVBUF bounds what one socket brings in one turn of the loop, and so what a flood does to the others: uWS cannot
 *   stop reading a WebSocket, and it reads a socket again at once while its 512 KB buffer comes back full. Past it TCP holds
 *   the sender back.
 * - TCP_NOTSENT_LOWAT bounds what the kernel keeps unsent for a slow reader, which is 4 MB otherwise; and the socket says
 *   "writable" as soon as half of that has gone, where it would wait for a third of the 4 MB.
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

  /** To be waited for before anything listens. */
  async load(): Promise<void> {
    const problem = await loadSocketCalls();
    if (problem === undefined || this.#options.length === 0) return;
    this.#log.warn(
      { problem },
      'socket options are not set: the kernel keeps up to 4 MB for each slow reader, and one fast sender takes longer turns',
    );
  }

  /** Listens, and sets the options on the socket that does. @param listen returns its port, or undefined where it failed */
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

/** The number that the next socket gets: no search among all that are open. */
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
