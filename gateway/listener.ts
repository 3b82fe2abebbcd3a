import type { HttpResponse, us_listen_socket } from 'uWebSockets.js';
import type { Logger } from 'pino';
import type { AddressAdmission } from './address-admission.js';
import { socketCalls } from './libc.js';
import {
  addressHexOf,
  freePort,
  isAnyAddress,
  type ListenAddress,
  listenErrorOf,
  urlOf,
} from './listen-address.js';
import type { RoutedApp } from './routed-app.js';
import type { SocketBudget } from './socket-budget.js';
import type { SocketOptions } from './socket-options.js';
import { uWS } from './uws.js';

/** LIBUS_LISTEN_EXCLUSIVE_PORT, which is missing in the types. */
const exclusivePort = 1;
/** uWS sets SO_REUSEPORT. */
const sharedPort = 0;

/**
 * One listening address and the sockets that were accepted there, with or without a request. Stops listening while its
 * budget is used up.
 */
export class Listener {
  readonly #app: RoutedApp;
  readonly #address: ListenAddress;
  readonly #shared: boolean;
  readonly #budget: SocketBudget;
  readonly #options: SocketOptions;
  readonly #log: Logger;
  #port: number;
  #listenSocket: us_listen_socket | undefined;
  #sockets = 0;
  #paused = false;
  #pauses = 0;

  /**
   * @param shared whether other processes listen there too, and the kernel spreads connections over them
   * @param addresses which of them may connect; undefined: all
   */
  constructor(
    app: RoutedApp,
    address: ListenAddress,
    shared: boolean,
    budget: SocketBudget,
    options: SocketOptions,
    log: Logger,
    addresses?: AddressAdmission,
  ) {
    this.#app = app;
    this.#options = options;
    this.#address = address;
    this.#shared = shared;
    this.#port = address.port;
    this.#budget = budget;
    this.#log = log;
    budget.onFull(() => this.#pause());
    app.filter((response, change) => (change > 0 ? this.#opened(response, addresses) : this.#closed()));
  }

  /**
   * A WebSocket has closed: uWS's filter reports its opening, but not its end.
   * @param lingers we have closed it, and its descriptor is free only when the peer has closed too
   */
  readonly webSocketGone = (lingers: boolean): void => {
    this.#sockets--;
    if (lingers) this.#budget.giveLater();
    else this.#budget.give();
  };

  /** Accepted and not closed yet, with or without a request. */
  get sockets(): number {
    return this.#sockets;
  }

  /** How often it had to stop listening because all sockets were taken. */
  get pauses(): number {
    return this.#pauses;
  }

  get onAnyAddress(): boolean {
    return isAnyAddress(this.#address.host);
  }

  /** The port; with port 0, the one that it got. */
  get port(): number {
    return this.#port;
  }

  get url(): string {
    return urlOf(this.#address, this.#port);
  }

  /** Whether a socket was accepted here. If the host is a name or a wildcard, the port decides. */
  accepted(descriptor: number): boolean {
    const calls = socketCalls();
    if (calls === undefined || calls.localPort(descriptor) !== this.#port) return false;
    const own = addressHexOf(this.#address.host);
    return own === undefined || calls.localAddress(descriptor) === own;
  }

  /** @throws ListenError */
  async open(): Promise<void> {
    if (this.#port === 0) return this.#openOnFreePort();
    if (await this.#listen()) return;
    throw await listenErrorOf({ ...this.#address, port: this.#port });
  }

  /**
   * On port 0 uWS does not set SO_REUSEADDR, so it could never listen again on its port while streams are open there.
   * So a free port is found first. Another program may take it meanwhile, hence the tries.
   */
  async #openOnFreePort(): Promise<void> {
    for (let tries = 0; tries < 10; tries++) {
      this.#port = await freePort(this.#address.host);
      if (await this.#listen()) return;
    }
    throw await listenErrorOf({ ...this.#address, port: this.#port });
  }

  close(): void {
    this.#paused = false;
    if (this.#listenSocket === undefined) return;
    uWS.us_listen_socket_close(this.#listenSocket);
    this.#listenSocket = undefined;
  }

  /** Listens again when there is room. Called by the sweeper, not from a close event. */
  resume(): void {
    if (!this.#paused || this.#budget.full) return;
    this.#paused = false;
    this.#listen().then((listening) => {
      if (listening) return;
      this.#paused = true;
      this.#log.error({ url: this.url }, `${this.#address.name}: cannot listen again, trying on`);
    });
  }

  #opened(response: HttpResponse, addresses: AddressAdmission | undefined): void {
    this.#sockets++;
    this.#budget.take();
    if (addresses?.admitSocket(response) === false) response.close();
  }

  #closed(): void {
    this.#sockets--;
    this.#budget.give();
  }

  #pause(): void {
    if (this.#listenSocket === undefined) return;
    this.close();
    this.#paused = true;
    this.#pauses++;
    this.#log.warn(
      { sockets: this.#sockets, taken: this.#budget.taken },
      `${this.#address.name}: all sockets taken, not listening until one is free`,
    );
  }

  async #listen(): Promise<boolean> {
    let socket: us_listen_socket | false = false;
    this.#options.apply(() => {
      // Exclusive: with SO_REUSEPORT two servers of one user could share the port, but a taken port must stop the start.
      const options = this.#shared ? sharedPort : exclusivePort;
      this.#app.listen(this.#address.host, this.#port, options, (opened) => {
        socket = opened; // before `listen` returns
      });
      if (socket === false) return undefined;
      this.#listenSocket = socket;
      this.#port = uWS.us_socket_local_port(socket as never);
      return this.#port;
    });
    return socket !== false;
  }
}
