import type { HttpResponse } from 'uWebSockets.js';
import { plainBytes } from './address-range.js';
import { AddressRules } from './address-rules.js';
import { type Config, flagOf } from './config.js';
import type { Counters } from './counters.js';
import { keepClientAddress, textOfAddress } from './peer-address.js';
import type { SampledLog } from './sampled-log.js';
import { type ForwardedFields, TrustedProxies } from './trusted-proxies.js';

/**
 * Admits clients by their addresses, in two places: a socket when it was accepted, before anything is read from it (with
 * TLS: before the handshake), and a client behind a trusted proxy when its request says its address.
 */
export class AddressAdmission {
  readonly #rules: AddressRules;
  readonly #proxies: TrustedProxies;
  readonly #onRefused: (address: string) => void;

  constructor(rules: AddressRules, proxies: TrustedProxies, onRefused: (address: string) => void) {
    this.#rules = rules;
    this.#proxies = proxies;
    this.#onRefused = onRefused;
  }

  /** A trusted proxy may always connect: its clients are looked at. @returns false: the socket is to be closed */
  admitSocket(response: Pick<HttpResponse, 'getRemoteAddress'>): boolean {
    const address = new Uint8Array(response.getRemoteAddress());
    if (this.#proxies.trust(address)) return true;
    return this.#isAllowed(address);
  }

  /** Keeps the address of a client behind a trusted proxy with its response. @returns false: it is to be refused */
  admitRequest(response: HttpResponse, fields: ForwardedFields): boolean {
    if (this.#proxies.isEmpty) return true;
    const proxy = new Uint8Array(response.getRemoteAddress());
    if (!this.#proxies.trust(proxy)) return true;
    const client = this.#proxies.readsProxyHeader
      ? proxiedAddressOf(response)
      : this.#proxies.clientOf(fields);
    if (client !== undefined) keepClientAddress(response, client, proxy);
    return this.#isAllowed(client ?? proxy);
  }

  #isAllowed(address: Uint8Array): boolean {
    if (this.#rules.allow(address)) return true;
    this.#onRefused(textOfAddress(address));
    return false;
  }
}

/**
 * Reads the address in the PROXY header, and makes this the only request of its connection.
 * @returns undefined where the header has no address, as in the health checks of a proxy
 */
function proxiedAddressOf(response: HttpResponse): Uint8Array | undefined {
  response.oneRequest = true;
  response.closes = true;
  const address = new Uint8Array(response.getProxiedRemoteAddress());
  return address.length === 0 ? undefined : plainBytes(address);
}

/** @returns undefined where no setting asks for it, so that nothing is done for each socket */
export function addressAdmissionOf(
  config: Config,
  setting: 'addressRules' | 'apiAddressRules',
  counters: Counters,
  log: SampledLog,
): AddressAdmission | undefined {
  const isApi = setting === 'apiAddressRules';
  // A body may come behind the header of a POST, and a request behind that, in one read: see `oneRequest`.
  const trustedProxies = isApi && config.clientAddressFrom === 'proxy-protocol' ? [] : config.trustedProxies;
  if (config[setting].length === 0 && trustedProxies.length === 0) return undefined;
  const proxies = new TrustedProxies({ ...config, trustedProxies });
  return new AddressAdmission(new AddressRules(config[setting]), proxies, (address) => {
    counters.refused['address-denied']++;
    log.warn(
      'address-denied',
      { address, setting: flagOf(setting) },
      'no connections are taken from this address',
    );
  });
}
