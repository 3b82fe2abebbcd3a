import { type AddressInfo, createServer, isIPv4, type Server } from 'node:net';
import type { Config } from './config.js';
import { holdsConnections, type NodeRole, takesSends } from './role.js';

/** The addresses on which the process listens, checked with Node's own listen, for processes without uWS. */

export interface ListenAddress {
  /** For a sentence. */
  readonly name: string;
  /** The flag that chooses the port. */
  readonly flag: string;
  readonly host: string;
  /** 0 = a free one. */
  readonly port: number;
  readonly tls: boolean;
}

/** A port that is not available. The sentence says which, why, and what to do. */
export class ListenError extends Error {
  readonly code = 'ERR_ENCKE_LISTEN';
  override readonly name = 'ListenError';
}

/** The listeners of a configuration; `mqtt` where it has a port of its own, `admin` where it is not switched off. */
export function listenAddressesOf(config: Config, role: NodeRole) {
  const { host, port, apiHost, apiPort, mqttPort, admin, adminHost, adminPort } = config;
  const { tlsCertFile, tlsListeners } = config;
  const tls = (name: string) => tlsCertFile.length > 0 && tlsListeners.includes(name);
  const apiName = takesSends(role) ? 'The router API' : 'The listener of /health, /ready and /stats';
  const mqtt: ListenAddress = {
    name: 'MQTT',
    flag: '--mqtt-port',
    host,
    port: mqttPort,
    tls: tls('mqtt'),
  };
  const operators: ListenAddress = {
    name: "The operator's listener",
    flag: '--admin-port',
    host: adminHost,
    port: adminPort,
    tls: false,
  };
  return {
    gateway: { name: 'The gateway', flag: '--port', host, port, tls: tls('gateway') },
    api: { name: apiName, flag: '--api-port', host: apiHost, port: apiPort, tls: tls('api') },
    mqtt: mqttPort === 0 ? undefined : mqtt,
    admin: admin === 'false' ? undefined : operators,
  };
}

/** The addresses on which a process of this role listens, without those on port 0. */
export function knownAddressesOf(config: Config, role: NodeRole): ListenAddress[] {
  const { gateway, api, mqtt, admin } = listenAddressesOf(config, role);
  const clients = holdsConnections(role) ? [gateway, mqtt] : [];
  // With `auto`, a taken port is no reason not to start.
  const all = [...clients, api, config.admin === 'true' ? admin : undefined];
  return all.filter((address) => address !== undefined && address.port !== 0) as ListenAddress[];
}

/**
 * Checks that all addresses are free, also of listeners with SO_REUSEPORT, and that they do not conflict.
 * @throws ListenError
 */
export async function assertFree(addresses: readonly ListenAddress[]): Promise<void> {
  const held: Server[] = [];
  try {
    for (const address of addresses) {
      const probe = await listen(address.host, address.port);
      if (typeof probe === 'string') throw new ListenError(sentenceOf(address, probe));
      held.push(probe);
    }
  } finally {
    await Promise.all(held.map((probe) => new Promise((resolve) => probe.close(resolve))));
  }
}

/** Finds out why listening failed: uWS does not say. */
export async function listenErrorOf(address: ListenAddress): Promise<ListenError> {
  const probe = await listen(address.host, address.port);
  if (typeof probe !== 'string') probe.close();
  return new ListenError(sentenceOf(address, typeof probe === 'string' ? probe : 'unknown reason'));
}

/** A free port; 0 when the address cannot be used at all. */
export async function freePort(host: string): Promise<number> {
  const probe = await listen(host, 0);
  if (typeof probe === 'string') return 0;
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** http://host:port for a browser, or https: a wildcard address is shown as loopback. */
export function urlOf({ host, tls }: Pick<ListenAddress, 'host' | 'tls'>, port: number): string {
  const shown = isAnyAddress(host) ? '127.0.0.1' : host;
  return `${tls ? 'https' : 'http'}://${shown.includes(':') ? `[${shown}]` : shown}:${port}`;
}

export function isAnyAddress(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** An IPv4 address in the form of SocketCalls; undefined for a name or a wildcard. */
export function addressHexOf(host: string): string | undefined {
  return isIPv4(host) && !isAnyAddress(host)
    ? Buffer.from(host.split('.').map(Number)).toString('hex')
    : undefined;
}

/** @returns the code of the error, if it fails */
function listen(host: string, port: number): Promise<Server | string> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, host, () => resolve(server));
  });
}

function sentenceOf({ name, flag, host, port }: ListenAddress, code: string): string {
  const where = `${name} cannot listen on ${host}:${port}`;
  if (code === 'EADDRINUSE')
    return `${where}: the port is taken. Stop what uses it, or choose another with ${flag}.`;
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return `${where}: this machine does not have that address.`;
  if (code === 'EACCES') return `${where}: ports below 1024 need a privilege (CAP_NET_BIND_SERVICE).`;
  return `${where} (${code}).`;
}
