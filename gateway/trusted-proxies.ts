import { type AddressRange, AddressRanges, addressBytesOf, addressRangeOf } from './address-range.js';
import type { Config } from './config.js';
import { lastForwardedHop } from './forwarded-hops.js';

/** The fields of a request in which proxies say where it comes from; several fields of a name are one list. */
export interface ForwardedFields {
  readonly forwarded: string;
  readonly xForwardedFor: string;
}

/**
 * The proxies whose word counts for the address of a client. Only one field is read, the one that they write: a client
 * could send the other, and a proxy that does not know it passes it on.
 */
export class TrustedProxies {
  readonly #ranges: AddressRanges;
  readonly #field: Config['clientAddressFrom'];

  /** @param trustedProxies which `problemOfAddressRange` has nothing against */
  constructor({ trustedProxies, clientAddressFrom }: Pick<Config, 'trustedProxies' | 'clientAddressFrom'>) {
    this.#ranges = new AddressRanges(trustedProxies.map((text) => addressRangeOf(text) as AddressRange));
    this.#field = clientAddressFrom;
  }

  get isEmpty(): boolean {
    return this.#ranges.size === 0;
  }

  /** True: no field says the address, but a header of the PROXY protocol, which uWS reads. */
  get readsProxyHeader(): boolean {
    return this.#field === 'proxy-protocol';
  }

  trust(address: Uint8Array): boolean {
    return this.#ranges.has(address);
  }

  /**
   * Goes from hop to hop, beginning with the nearest one, as long as the hop is a proxy that is trusted. The first other
   * address is the client's: what stands further away, the client may have written itself.
   * @returns undefined where the proxy says none, or hides it
   */
  clientOf(fields: ForwardedFields): Uint8Array | undefined {
    let client: Uint8Array | undefined;
    for (const hop of this.#field === 'forwarded' ? forwardedHops(fields.forwarded) : commaHops(fields)) {
      const address = addressOfHop(hop);
      if (address === undefined) return client;
      client = address;
      if (!this.trust(address)) return client;
    }
    return client;
  }
}

/** The hops of a `Forwarded` list, the nearest one first. */
function* forwardedHops(list: string): Iterable<string> {
  for (let left = list; left !== ''; ) {
    const { node, rest } = lastForwardedHop(left);
    yield node ?? '';
    left = rest;
  }
}

/** The hops of an X-Forwarded-For list, the nearest one first. It has no quotes. */
function commaHops({ xForwardedFor }: ForwardedFields): string[] {
  return xForwardedFor.split(',').reverse();
}

/** Reads the address of a hop. It may have a port, and IPv6 with a port is in brackets. A name or `unknown` is none. */
function addressOfHop(hop: string): Uint8Array | undefined {
  const text = hop.trim();
  const [, bracketed, ipv4] = /^(?:\[([0-9a-f:.]+)\](?::\d+)?|(\d+(?:\.\d+){3}):\d+)$/i.exec(text) ?? [];
  return addressBytesOf(bracketed ?? ipv4 ?? text);
}
