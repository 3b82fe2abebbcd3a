import type { HttpResponse, WebSocket } from 'uWebSockets.js';
import { plainBytes } from './address-range.js';
import { webSocketsHaveAddress } from './uws.js';

/** The address of the peer, while the socket is open. */
export type Peer = Pick<HttpResponse | WebSocket<unknown>, 'getRemoteAddress' | 'getRemoteAddressAsText'> &
  AddressKept;

/**
 * Each string holds the 4 or 16 bytes of an address in Latin-1: it takes 24 to 32 bytes, a Buffer over 100. The
 * connection of a client behind a trusted proxy keeps both, and each WebSocket of uWebSockets.js 20.69, which has no
 * address, the first.
 */
export interface AddressKept {
  /** The client has this address. */
  readonly address?: string;
  /** The proxy in front of the client has this address. */
  readonly proxyAddress?: string;
}

/** Keeps the address that a trusted proxy has said: from now on it is the address of the client. */
export function keepClientAddress(response: HttpResponse, client: Uint8Array, proxy: Uint8Array): void {
  response.address = latin1Of(client);
  response.proxyAddress = latin1Of(proxy);
}

/** Keeps the address of an upgrade request for its WebSocket. */
export function keepAddress(response: Pick<HttpResponse, 'getRemoteAddress'> & AddressKept): AddressKept {
  const { address, proxyAddress } = response;
  if (address !== undefined && proxyAddress !== undefined) return { address, proxyAddress };
  if (webSocketsHaveAddress) return {};
  return { address: Buffer.from(response.getRemoteAddress()).toString('latin1') };
}

export function addressText(peer: Pick<Peer, 'getRemoteAddressAsText' | 'address'>): string {
  if (peer.address !== undefined) return textOfAddress(Buffer.from(peer.address, 'latin1'));
  return Buffer.from(peer.getRemoteAddressAsText()).toString('latin1');
}

/** Gives the address of the socket's other end: it is the client's, or that of the proxy in front of it. */
export function socketAddressText(
  peer: Pick<Peer, 'getRemoteAddressAsText' | 'address' | 'proxyAddress'>,
): string {
  if (peer.proxyAddress !== undefined) return textOfAddress(Buffer.from(peer.proxyAddress, 'latin1'));
  return addressText(peer);
}

/**
 * The key stands for one IPv4 address, or for one IPv6 /64, which a single customer usually has. An IPv4 address mapped
 * into IPv6 counts as IPv4.
 */
export function addressKeyOf(peer: Peer): string {
  const { address } = peer;
  const bytes = address === undefined ? Buffer.from(peer.getRemoteAddress()) : Buffer.from(address, 'latin1');
  return plainBytes(bytes).toString('hex', 0, 8);
}

/** Writes the key of an address as text: 192.0.2.7, or 2001:db8:1:2::/64. */
export function addressKeyText(peer: Peer | string): string {
  const key = typeof peer === 'string' ? peer : addressKeyOf(peer);
  if (key.length === 8) return Buffer.from(key, 'hex').join('.');
  const groups = key.match(/.{4}/g)!.map((hex) => Number.parseInt(hex, 16).toString(16));
  return `${groups.join(':')}::/64`;
}

/** Writes an address as uWS does, with all digits of IPv6. */
export function textOfAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  return Buffer.from(bytes).toString('hex').match(/.{4}/g)!.join(':');
}

function latin1Of(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}
