import uWS, { type TemplatedApp, type us_listen_socket } from 'uWebSockets.js';
import { type AddressInfo, createServer } from 'node:net';
import type { Logger } from 'pino';
import type { SocketBudget } from './socket-budget.js';

/** LIBUS_LISTEN_EXCLUSIVE_PORT, which the types do not have where the module has it. */
const exclusivePort = 1;

type ListenOn = (
  host: string,
  port: number,
  options: number,
  callback: (socket: us_listen_socket | false) => void,
) => void;

/** A port that cannot be had: the sentence says which, why, and what to do. */
export class ListenError extends Error {
  readonly code = 'ERR_ENCKE_LISTEN';
  override readonly name = 'ListenError';
}

/**
 * One listening address and the sockets accepted there, with or without a request. Where its budget is spent it stops
 * listening until there is room again.
 */
export class Listener {
  readonly #app: TemplatedApp;
  readonly #name: string;
  /** The flag that chooses the port, for the error. */
  readonly #flag: string;
  readonly #host: string;
  readonly #budget: SocketBudget;
  readonly #log: Logger;
  #port: number;
  #listenSocket: us_listen_socket | undefined;
  #sockets = 0;
  #paused = false;
  #pauses = 0;

  constructor(
    app: TemplatedApp,
    address: { name: string; flag: string; host: string; port: number },
    budget: SocketBudget,
    log: Logger,
  ) {
    this.#app = app;
    this.#name = address.name;
    this.#flag = address.flag;
    this.#host = address.host;
    this.#port = address.port;
    this.#budget = budget;
    this.#log = log;
    budget.onFull(() => this.#pause());
    app.filter((_response, change) => (Number(change) > 0 ? this.#opened() : this.#closed()));
  }

  /**
   * A WebSocket has closed: uWS's filter counts those when they come, and not when they go.
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
    return this.#host === '0.0.0.0' || this.#host === '::';
  }

  /** http://host:port, as a person can open it: a wildcard address is shown as loopback. */
  get url(): string {
    const host = this.onAnyAddress ? '127.0.0.1' : this.#host;
    return `http://${host.includes(':') ? `[${host}]` : host}:${this.#port}`;
  }

  /** @throws ListenError */
  async open(): Promise<void> {
    if (this.#port === 0) return this.#openOnFreePort();
    if (await this.#listen()) return;
    throw new ListenError(await this.#explain());
  }

  /**
   * On port 0 uWS leaves SO_REUSEADDR out, and then it could never listen again on the port it got while streams
   * are open there. So the free port is found first; another program may take it meanwhile, hence the tries.
   */
  async #openOnFreePort(): Promise<void> {
    for (let tries = 0; tries < 10; tries++) {
      this.#port = await freePort(this.#host);
      if (await this.#listen()) return;
    }
    throw new ListenError(await this.#explain());
  }

  close(): void {
    this.#paused = false;
    if (this.#listenSocket === undefined) return;
    uWS.us_listen_socket_close(this.#listenSocket);
    this.#listenSocket = undefined;
  }

  /** Listens again when there is room. Called by the sweeper, not from the close event that made the room. */
  resume(): void {
    if (!this.#paused || this.#budget.full) return;
    this.#paused = false;
    this.#listen().then((listening) => {
      if (listening) return;
      this.#paused = true;
      this.#log.error({ url: this.url }, `${this.#name}: cannot listen again, trying on`);
    });
  }

  #opened(): void {
    this.#sockets++;
    this.#budget.take();
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
      `${this.#name}: all sockets taken, not listening until one is free`,
    );
  }

  #listen(): Promise<boolean> {
    return new Promise((resolve) => {
      // With a host, uWS takes options too, though its types do not say so. Exclusive: SO_REUSEPORT would
      // let two servers of one user share the port, where a taken port must stop the start.
      const listen = this.#app.listen.bind(this.#app) as unknown as ListenOn;
      listen(this.#host, this.#port, exclusivePort, (socket) => {
        if (socket === false) return resolve(false);
        this.#listenSocket = socket;
        this.#port = uWS.us_socket_local_port(socket as never);
        resolve(true);
      });
    });
  }

  /** uWS says only that it failed; Node's own listen says why. */
  async #explain(): Promise<string> {
    const code = await new Promise<string>((resolve) => {
      const probe = createServer();
      probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      probe.listen(this.#port, this.#host, () => probe.close(() => resolve('unknown reason')));
    });
    const where = `${this.#name} cannot listen on ${this.#host}:${this.#port}`;
    if (code === 'EADDRINUSE')
      return `${where}: the port is taken. Stop what uses it, or choose another with ${this.#flag}.`;
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
      return `${where}: this machine does not have that address.`;
    if (code === 'EACCES') return `${where}: ports below 1024 need a privilege (CAP_NET_BIND_SERVICE).`;
    return `${where} (${code}).`;
  }
}

/** A port that is free now; 0 when the address cannot be listened on at all. */
function freePort(host: string): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(0));
    probe.listen(0, host, () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}
