import type { HttpResponse, WebSocket } from 'uWebSockets.js';

/** Whoever is at the other end, while the socket is open. */
export type Peer = Pick<HttpResponse | WebSocket<unknown>, 'getRemoteAddress' | 'getRemoteAddressAsText'>;

export function addressText(peer: Peer): string {
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
  const bytes = Buffer.from(peer.getRemoteAddress());
  if (bytes.length === 4) return bytes.toString('hex');
  const mapped = bytes.subarray(0, 12).equals(mappedPrefix);
  return (mapped ? bytes.subarray(12) : bytes.subarray(0, 8)).toString('hex');
}

const mappedPrefix = Buffer.from('00000000000000000000ffff', 'hex');
