import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AdminSockets } from '../gateway/admin-sockets.js';
import { type ListenAddress, urlOf } from '../gateway/listen-address.js';
import type { RequestHandler } from './request-handler.js';

/** A whole request may take so long, and its head too: nobody may hold one of the few sockets for longer. */
const requestMs = 10_000;
const keepAliveMs = 5_000;
/** A peer that does not read its answer is cut after this time. */
const silenceMs = 30_000;
/** Node looks for overdue requests so often; its default of 30 s would keep a socket for four times as long. */
const checkMs = 2_000;

/**
 * The operator's listener, on Node's HTTP server: it answers HTTP/1.0, as HAProxy's `option httpchk`, Nagios and ab speak
 * it, and has sockets of its own, so that operators get through whatever clients and publishers do.
 */
export class AdminListener {
  readonly #server: Server;
  readonly #address: ListenAddress;

  constructor(address: ListenAddress, socketsMax: number, sockets: AdminSockets, handler: RequestHandler) {
    this.#address = address;
    const server = createServer(
      {
        requestTimeout: requestMs,
        headersTimeout: requestMs,
        keepAliveTimeout: keepAliveMs,
        connectionsCheckingInterval: checkMs,
      },
      handler.handle,
    );
    server.maxConnections = socketsMax;
    server.timeout = silenceMs;
    server.on('connection', (socket) => {
      sockets.open++;
      socket.once('close', () => sockets.open--);
    });
    server.on('drop', () => sockets.refused++);
    this.#server = server;
  }

  /** The URL has the port that the system has given, where a free one was asked for. */
  get url(): string {
    return urlOf(this.#address, (this.#server.address() as AddressInfo).port);
  }

  /** @returns the code of the error, if it cannot listen there */
  open(): Promise<string | undefined> {
    const { host, port } = this.#address;
    return new Promise((resolve) => {
      const onListening = () => {
        this.#server.off('error', onError);
        this.#server.on('error', () => {}); // an accept failed, for want of descriptors perhaps: Node tries the next one
        resolve(undefined);
      };
      const onError = (error: NodeJS.ErrnoException) => {
        this.#server.off('listening', onListening); // or each try would leave a listener behind
        resolve(error.code ?? error.message);
      };
      this.#server.once('error', onError);
      this.#server.listen({ host, port, exclusive: true }, onListening);
    });
  }

  /** Cuts answers that are on their way: the process has waited for everything else before. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}
