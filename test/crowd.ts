import { connect, type Socket } from 'node:net';
import { resetSocket } from '../floodtest/reset-socket.js';

/** The bytes that one connection sends: at once, and after the first answer. */
export interface Opening {
  first: string;
  second?: Uint8Array;
}

/**
 * Many bare connections from one process, each on an id of its own: enough of a client for tests and
 * benchmarks, and cheap, as all sockets share one receive buffer and nothing is parsed.
 */
export class Crowd {
  readonly #port: number;
  readonly #host: string;
  readonly #sockets = new Set<Socket>();
  readonly #buffer = Buffer.allocUnsafe(256 * 1024);
  /** Bytes received by all, headers included. */
  bytes = 0;
  /** Times the marker (see `countMarkers`) was seen. */
  markers = 0;
  #marker: number | undefined;
  /** Ended by the server. */
  closed = 0;
  #closing = false;

  constructor(port: number, host = '127.0.0.1') {
    this.#port = port;
    this.#host = host;
  }

  get open(): number {
    return this.#sockets.size;
  }

  /** Counts this byte in all that is received from now on: messages, if each has one and nothing else does. */
  countMarkers(character: string): void {
    this.#marker = character.charCodeAt(0);
  }

  /** Opens `count` connections, at most 200 under way at once; resolves when each has its first bytes. */
  async add(
    count: number,
    openingOf: (n: number) => string | Opening,
    sourceOf?: (n: number) => string,
  ): Promise<void> {
    const source = ownLoopbackAddress();
    const network = source.slice(0, source.lastIndexOf('.'));
    let next = 0;
    const one = async () => {
      while (next < count) {
        const n = next++;
        const opening = openingOf(n);
        if (typeof opening === 'string') await this.#connect({ first: opening }, sourceOf?.(n) ?? source);
        // Of one address, 64 may be without their CONNECT.
        else await this.#connect(opening, sourceOf?.(n) ?? `${network}.${1 + (n % 200)}`);
      }
    };
    await Promise.all(Array.from({ length: Math.min(200, count) }, one));
  }

  /** Resets all, which leaves no port in TIME_WAIT; resolves when the sockets are gone on this side. */
  async clear(): Promise<void> {
    this.#closing = true;
    const gone = [...this.#sockets].map(
      (socket) => new Promise((resolve) => resetSocket(socket.once('close', resolve))),
    );
    await Promise.all(gone);
    this.#closing = false;
  }

  #connect({ first, second }: Opening, localAddress: string): Promise<void> {
    return new Promise((resolve, reject) => {
      let greeted = false;
      const socket = connect({
        port: this.#port,
        host: this.#host,
        localAddress,
        onread: {
          buffer: this.#buffer,
          callback: (length) => {
            if (!greeted) {
              greeted = true;
              if (second !== undefined) socket.write(second);
              resolve();
            } else if (this.#marker !== undefined) this.#count(length);
            this.bytes += length;
            return true;
          },
        },
      });
      this.#sockets.add(socket);
      socket.once('connect', () => socket.write(first));
      socket.once('error', (error) => (greeted ? undefined : reject(error)));
      socket.once('close', () => {
        this.#sockets.delete(socket);
        if (!this.#closing) this.closed++;
      });
    });
  }

  #count(length: number): void {
    for (let at = this.#buffer.indexOf(this.#marker!); at !== -1 && at < length; ) {
      this.markers++;
      at = this.#buffer.indexOf(this.#marker!, at + 1);
    }
  }
}

/**
 * All of 127.0.0.0/8 is this machine. Closed connections keep their ports for a minute, so each crowd comes from
 * an address of its own: from one address, the third crowd of 10,000 would find none left.
 */
function ownLoopbackAddress(): string {
  const byte = () => 1 + Math.floor(Math.random() * 254);
  return `127.${byte()}.${byte()}.${byte()}`;
}

export function getRequest(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
}
