import { type AddressInfo, createServer, isIPv4, type Server } from 'node:net';
import type { Config } from './config.js';
import { holdsConnections, type NodeRole, takesSends } from './role.js';

/** Where the process listens, and whether it can, asked by Node's own listen: without uWS, for who does not load it. */

export interface ListenAddress {
  /** For a sentence. */
  readonly name: string;
  /** The flag that chooses the port. */
  readonly flag: string;
  readonly host: string;
  /** 0 = a free one. */
  readonly port: number;
}

/** A port that cannot be had: the sentence says which, why, and what to do. */
export class ListenError extends Error {
  readonly code = 'ERR_ENCKE_LISTEN';
  override readonly name = 'ListenError';
}

/** Of each listener that this configuration speaks of; `mqtt` where it has a port of its own. */
export function listenAddressesOf(config: Config, role: NodeRole) {
  const { host, port, apiHost, apiPort, mqttPort } = config;
  const apiName = takesSends(role) ? 'The router API' : 'The listener of /health, /ready and /stats';
  const mqtt: ListenAddress = { name: 'MQTT', flag: '--mqtt-port', host, port: mqttPort };
  return {
    gateway: { name: 'The gateway', flag: '--port', host, port },
    api: { name: apiName, flag: '--api-port', host: apiHost, port: apiPort },
    mqtt: mqttPort === 0 ? undefined : mqtt,
  };
}

/** Those that a process of this role listens on, where they are known before. */
export function knownAddressesOf(config: Config, role: NodeRole): ListenAddress[] {
  const { gateway, api, mqtt } = listenAddressesOf(config, role);
  const all = holdsConnections(role) ? [gateway, api, ...(mqtt === undefined ? [] : [mqtt])] : [api];
  return all.filter(({ port }) => port !== 0);
}

/**
 * Nobody listens on any of them now, not even with SO_REUSEPORT, and they do not hinder each other.
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

/** Why this address could not be listened on: uWS says only that it failed. */
export async function listenErrorOf(address: ListenAddress): Promise<ListenError> {
  const probe = await listen(address.host, address.port);
  if (typeof probe !== 'string') probe.close();
  return new ListenError(sentenceOf(address, typeof probe === 'string' ? probe : 'unknown reason'));
}

/** A port that is free now; 0 when the address cannot be listened on at all. */
export async function freePort(host: string): Promise<number> {
  const probe = await listen(host, 0);
  if (typeof probe === 'string') return 0;
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** http://host:port, as a person can open it: a wildcard address is shown as loopback. */
export function urlOf(host: string, port: number): string {
  const shown = isAnyAddress(host) ? '127.0.0.1' : host;
  return `http://${shown.includes(':') ? `[${shown}]` : shown}:${port}`;
}

export function isAnyAddress(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** Of an IPv4 address, as SocketCalls has it; undefined where the host says nothing of the local end of its sockets. */
export function addressHexOf(host: string): string | undefined {
  return isIPv4(host) && !isAnyAddress(host)
    ? Buffer.from(host.split('.').map(Number)).toString('hex')
    : undefined;
}

/** @returns the error's code where it fails */
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
