import type { HttpResponse, WebSocket } from 'uWebSockets.js';
import { webSocketsHaveAddress } from './uws.js';

/** The other end, while the socket is open. */
export type Peer = Pick<HttpResponse | WebSocket<unknown>, 'getRemoteAddress' | 'getRemoteAddressAsText'> &
  AddressKept;

/** A WebSocket of uWebSockets.js 20.69 has none of its own: what was kept of the request that it began as. */
export interface AddressKept {
  /** Its 4 or 16 bytes, as Latin-1: a string of these costs 24 to 32 bytes, a Buffer over 100. */
  readonly address?: string;
}

/** For a WebSocket that this request becomes. */
export function keepAddress(response: Pick<HttpResponse, 'getRemoteAddress'>): AddressKept {
  if (webSocketsHaveAddress) return {};
  return { address: Buffer.from(response.getRemoteAddress()).toString('latin1') };
}

export function addressText(peer: Pick<Peer, 'getRemoteAddressAsText' | 'address'>): string {
  if (peer.address !== undefined) return textOf(Buffer.from(peer.address, 'latin1'));
  return Buffer.from(peer.getRemoteAddressAsText()).toString('latin1');
}

/**
 * Open streams for each source address. Switched off (max 0) it holds nothing; switched on, an address costs
 * a Map entry and a string for as long as it has a stream.
 */
export class AddressLimit {
  readonly #max: number;
  readonly #open = new Map<string, number>();
  readonly #keyOfSlot: (string | undefined)[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  full(peer: Peer): boolean {
    return this.#max > 0 && (this.#open.get(addressKeyOf(peer)) ?? 0) >= this.#max;
  }

  add(slot: number, peer: Peer): void {
    if (this.#max === 0) return;
    const key = addressKeyOf(peer);
    this.#keyOfSlot[slot] = key;
    this.#open.set(key, (this.#open.get(key) ?? 0) + 1);
  }

  remove(slot: number): void {
    const key = this.#keyOfSlot[slot];
    if (key === undefined) return;
    this.#keyOfSlot[slot] = undefined;
    const open = this.#open.get(key)! - 1;
    if (open === 0) this.#open.delete(key);
    else this.#open.set(key, open);
  }

  /** Addresses with an open stream, now. */
  get addresses(): number {
    return this.#open.size;
  }
}

/** One IPv4 address, or one IPv6 /64: what a single customer usually has. An IPv4 address mapped into IPv6 counts as IPv4. */
export function addressKeyOf(peer: Peer): string {
  const { address } = peer;
  const bytes = address === undefined ? Buffer.from(peer.getRemoteAddress()) : Buffer.from(address, 'latin1');
  if (bytes.length === 4) return bytes.toString('hex');
  const mapped = bytes.subarray(0, 12).equals(mappedPrefix);
  return (mapped ? bytes.subarray(12) : bytes.subarray(0, 8)).toString('hex');
}

/** The same for people: 192.0.2.7, or 2001:db8:1:2::/64. */
export function addressKeyText(peer: Peer | string): string {
  const key = typeof peer === 'string' ? peer : addressKeyOf(peer);
  if (key.length === 8) return Buffer.from(key, 'hex').join('.');
  const groups = key.match(/.{4}/g)!.map((hex) => Number.parseInt(hex, 16).toString(16));
  return `${groups.join(':')}::/64`;
}

const mappedPrefix = Buffer.from('00000000000000000000ffff', 'hex');

/** As uWS writes it. */
function textOf(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  return bytes.toString('hex').match(/.{4}/g)!.join(':');
}
