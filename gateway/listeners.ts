import type { Logger } from 'pino';
import { addressAdmissionOf } from './address-admission.js';
import { isLoopback } from './auth/host-address.js';
import { HostNames } from './auth/host-names.js';
import type { RefusalReason } from './close-reason.js';
import type { Config } from './config.js';
import { FrontDoor, type FrontDoorParts } from './http/front-door.js';
import { type ListenAddress, listenAddressesOf } from './listen-address.js';
import { Listener } from './listener.js';
import { holdsConnections, type NodeRole } from './role.js';
import type { RoutedApp } from './routed-app.js';
import type { SharedParts } from './shared-parts.js';
import type { SocketBudget } from './socket-budget.js';
import { SocketOptions } from './socket-options.js';
import { type Certificates, certificateFilesOf, certificatesOf } from './tls/certificates.js';
import type { NameField } from './tls/client-names.js';
import { renewableAppOf } from './tls/renewable-app.js';
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
  /** Undefined where no listener has TLS. */
  readonly certificates: Certificates | undefined;
  readonly #options: SocketOptions;
  readonly #holdsConnections: boolean;

  constructor(shared: SharedParts, role: NodeRole, log: Logger) {
    const { config, admission, counters, publicSockets, apiSockets } = shared;
    const addressesOf = (setting: 'addressRules' | 'apiAddressRules') =>
      addressAdmissionOf(config, setting, counters, shared.log);
    const addresses = listenAddressesOf(config, role);
    const isClosing = () => admission.stopping;
    const used = (
      holdsConnections(role) ? Object.values(addresses) : [addresses.api, addresses.admin]
    ).filter((address) => address !== undefined);
    const certificates = used.some(({ tls }) => tls) ? certificatesOf(config, log) : undefined;
    this.certificates = certificates;
    warnOfClearText(config, used, log);
    const hosts = HostNames.ofListener(config.host, config.allowedHosts);
    shared.changes.on(['allowedHosts'], (next) => () => hosts.takeOfListener(next.host, next.allowedHosts));
    shared.changes.on(
      ['tlsCertFile', 'tlsKeyFile'],
      (next) => certificates?.replaced(certificateFilesOf(next)) ?? (() => {}),
      (_key, next) => certificates !== undefined && next.tlsCertFile.length > 0,
    );
    const publicParts = {
      hosts,
      addresses: addressesOf('addressRules'),
      isClosing,
      onRefused: (reason: RefusalReason) => counters.refused[reason]++,
    };
    const apiParts = {
      hosts: undefined, // see ApiGuard
      addresses: addressesOf('apiAddressRules'),
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
      parts: Omit<FrontDoorParts, 'nameField'>,
    ): Entrance {
      const app =
        address.tls && certificates !== undefined ? renewableAppOf(certificates, config) : plainApp();
      const listener = new Listener(app, address, config.workers > 0, sockets, options, log, parts.addresses);
      return { listener, door: new FrontDoor(app, { ...parts, nameField: nameFieldOf(address, config) }) };
    }
  }

  /**
   * Listens for clients, if the role has any, and then for the API.
   * @param onPublic is called in between, when the address for clients is known
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

  /** The listeners that a node of this role opens, by name. */
  get all(): (readonly [name: string, listener: Listener])[] {
    const ofClients = this.#holdsConnections ? { gateway: this.public, mqtt: this.mqtt } : {};
    const all: Record<string, Entrance | undefined> = { ...ofClients, api: this.api };
    return Object.entries(all).flatMap(([name, entrance]) =>
      entrance === undefined ? [] : [[name, entrance.listener] as const],
    );
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

  /** Listens again where sockets are free. The sweeper calls it in each tick. */
  resume(): void {
    this.public.listener.resume();
    this.mqtt?.listener.resume();
    this.api.listener.resume();
  }
}

function nameFieldOf({ tls }: ListenAddress, { auth, authCertificateName }: Config): NameField | undefined {
  return tls && auth.includes('certificate') ? authCertificateName : undefined;
}

/** With a host, uWS takes options of `listen` too, though its types do not say so. */
function plainApp(): RoutedApp {
  return uWS.App() as unknown as RoutedApp;
}

/** Says once which secrets others on the network can read. */
function warnOfClearText(
  { auth, apiToken, mqttToken }: Config,
  addresses: readonly ListenAddress[],
  log: Logger,
): void {
  if (auth.length === 0 && apiToken === '' && mqttToken === '') return;
  const plain = addresses.filter(({ tls, host }) => !tls && !isLoopback(host));
  if (plain.length === 0) return;
  const listeners = plain.map(({ flag, host }) => `${flag.slice(2)} ${host}`);
  log.warn(
    { listeners },
    'no TLS on these listeners: tokens, passwords and messages go over the network as they are. Set --tls-cert-file and --tls-key-file, or let a proxy with TLS stand in front, on a network that nobody else reads',
  );
}
