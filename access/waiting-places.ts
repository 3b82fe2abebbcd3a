import { customerOf } from './address-share.js';

/** The place of a client that waits. */
export interface WaitingPlace {
  /** Its address, or the IPv6 /64 of that. */
  readonly customer: string;
  bytes: number;
}

export interface WaitingPlacesOptions {
  readonly max: number;
  readonly bytesMax: number;
  /** The part of both that one address may have; 1 = all. */
  readonly sharePerAddress: number;
}

interface Held {
  count: number;
  bytes: number;
}

/** Places for those that wait for an answer from outside, bounded in number and in bytes, for all and for each address. */
export class WaitingPlaces {
  readonly #max: Held;
  readonly #maxPerAddress: Held;
  readonly #held: Held = { count: 0, bytes: 0 };
  readonly #byCustomer = new Map<string, Held>();

  constructor({ max, bytesMax, sharePerAddress }: WaitingPlacesOptions) {
    this.#max = { count: max, bytes: bytesMax };
    this.#maxPerAddress = { count: Math.max(1, max * sharePerAddress), bytes: bytesMax * sharePerAddress };
  }

  /** Places that are taken now. */
  get count(): number {
    return this.#held.count;
  }

  get bytes(): number {
    return this.#held.bytes;
  }

  /** @param address in the form of uWS @returns undefined where there is no room */
  take(address: string, bytes: number): WaitingPlace | undefined {
    const customer = customerOf(address);
    const held = this.#byCustomer.get(customer) ?? { count: 0, bytes: 0 };
    if (!hasRoom(this.#held, this.#max, 1, bytes) || !hasRoom(held, this.#maxPerAddress, 1, bytes))
      return undefined;
    this.#byCustomer.set(customer, held);
    add(held, 1, bytes);
    add(this.#held, 1, bytes);
    return { customer, bytes };
  }

  /** The client that waits has sent more. @returns false where there is no room for that */
  takeMore(place: WaitingPlace, bytes: number): boolean {
    const held = this.#byCustomer.get(place.customer)!;
    if (!hasRoom(this.#held, this.#max, 0, bytes) || !hasRoom(held, this.#maxPerAddress, 0, bytes))
      return false;
    place.bytes += bytes;
    add(held, 0, bytes);
    add(this.#held, 0, bytes);
    return true;
  }

  /** Gives a place back. Call it once for each place. */
  give({ customer, bytes }: WaitingPlace): void {
    const held = this.#byCustomer.get(customer)!;
    add(held, -1, -bytes);
    add(this.#held, -1, -bytes);
    if (held.count === 0) this.#byCustomer.delete(customer);
  }
}

function hasRoom(held: Held, max: Held, count: number, bytes: number): boolean {
  return held.count + count <= max.count && held.bytes + bytes <= max.bytes;
}

function add(held: Held, count: number, bytes: number): void {
  held.count += count;
  held.bytes += bytes;
}
