import type { Logger } from 'pino';
import { HostNames } from './auth/host-names.js';
import type { RefusalReason } from './close-reason.js';
import { FrontDoor } from './http/front-door.js';
import { type ListenAddress, listenAddressesOf } from './listen-address.js';
import { Listener } from './listener.js';
import { holdsConnections, type NodeRole } from './role.js';
import type { SharedParts } from './shared-parts.js';
import type { SocketBudget } from './socket-budget.js';
import { SocketOptions } from './socket-options.js';
import { uWS } from './uws.js';

/** A listener, and the front door of its requests. */
export interface Entrance {
  readonly listener: Listener;
  readonly door: FrontDoor;
}

/** The listeners of a gateway: for clients, for MQTT only if it has a port, and for the router API. */
export class Listeners {
  readonly public: Entrance;
  readonly mqtt: Entrance | undefined;
  readonly api: Entrance;
  readonly #options: SocketOptions;
  readonly #holdsConnections: boolean;

  constructor(shared: SharedParts, role: NodeRole, log: Logger) {
    const { config, admission, counters, publicSockets, apiSockets } = shared;
    const addresses = listenAddressesOf(config, role);
    const isClosing = () => admission.stopping;
    const publicParts = {
      hosts: HostNames.ofListener(config.host, config.allowedHosts),
      isClosing,
      onRefused: (reason: RefusalReason) => counters.refused[reason]++,
    };
    const apiParts = {
      hosts: undefined, // see ApiGuard
      isClosing,
      onRefused: (_reason: RefusalReason, status: string) => counters.countApiError(status),
    };
    // Answers that the kernel does not take at once end the connection: a publisher that pipelines reads them later.
    const apiOptions = new SocketOptions({ ...config, socketUnsentBytesMax: 0 }, log);
    this.#options = new SocketOptions(config, log);
    this.#holdsConnections = holdsConnections(role);
    this.public = entrance(addresses.gateway, publicSockets, this.#options, publicParts);
    this.mqtt = addresses.mqtt && entrance(addresses.mqtt, publicSockets, this.#options, publicParts);
    this.api = entrance(addresses.api, apiSockets, apiOptions, apiParts);

    function entrance(
      address: ListenAddress,
      sockets: SocketBudget,
      options: SocketOptions,
      parts: ConstructorParameters<typeof FrontDoor>[1],
    ): Entrance {
      const app = uWS.App();
      const listener = new Listener(app, address, config.workers > 0, sockets, options, log);
      return { listener, door: new FrontDoor(app, parts) };
    }
  }

  /**
   * Listens for clients, if the role has any, and then for the API.
   * @param onPublic called in between, when the address for clients is known
   * @throws ListenError
   */
  async open(onPublic: (listener: Listener) => void): Promise<void> {
    await this.#options.load();
    if (this.#holdsConnections) {
      await this.openPublic();
      onPublic(this.public.listener);
    }
    await this.api.listener.open();
  }

  /** Those that listen, by name. */
  get all(): (readonly [name: string, listener: Listener])[] {
    const clients: [string, Entrance | undefined][] = this.#holdsConnections
      ? [
          ['gateway', this.public],
          ['mqtt', this.mqtt],
        ]
      : [];
    const all: [string, Entrance | undefined][] = [...clients, ['api', this.api]];
    return all.flatMap(([name, entrance]) => (entrance === undefined ? [] : [[name, entrance.listener]]));
  }

  /** Accepts clients again, at the ports that it had. @throws ListenError */
  async openPublic(): Promise<void> {
    if (!this.#holdsConnections) return;
    await this.public.listener.open();
    await this.mqtt?.listener.open();
  }

  /** Accepts no more clients. The API goes on answering. */
  closePublic(): void {
    this.public.listener.close();
    this.mqtt?.listener.close();
  }

  closeApi(): void {
    this.api.listener.close();
  }

  /** Listens again where sockets are free. Called in each tick of the sweeper. */
  resume(): void {
    this.public.listener.resume();
    this.mqtt?.listener.resume();
    this.api.listener.resume();
  }
}
