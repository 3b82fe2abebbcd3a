import { isAddressOrLocalhost, isLoopback, nameOf } from './host-address.js';

/**
 * By which names requests may come. A page of a name that was made to lead to somebody's loopback (DNS rebinding) is of
 * the same origin as what answers there, so a browser lets it read all of it; and `Host` says that name. An address, or
 * `localhost`, cannot be made to lead elsewhere.
 */
export class HostNames {
  #names!: ReadonlySet<string>;
  /** All names are good: nobody outside of this machine is kept out by where it listens. */
  #open = false;

  /** @param names as in --allowed-hosts; `*`: all */
  constructor(names: readonly string[], open = false) {
    this.take(names, open);
  }

  /** From now on these are the names. */
  take(names: readonly string[], open = false): void {
    this.#names = new Set(names.map(nameOf));
    this.#open = open || this.#names.has('*');
  }

  /** Of a listener: on loopback it takes addresses and what it is told, elsewhere all, unless it is told some. */
  static ofListener(host: string, allowedHosts: readonly string[]): HostNames {
    return new HostNames(allowedHosts, isOpen(host, allowedHosts));
  }

  /** The same for names that have changed. */
  takeOfListener(host: string, allowedHosts: readonly string[]): void {
    this.take(allowedHosts, isOpen(host, allowedHosts));
  }

  /** @param host the header, with or without a port */
  allow(host: string): boolean {
    if (this.#open || isAddressOrLocalhost(host)) return true;
    return this.#names.size > 0 && this.#names.has(nameOf(host));
  }
}

function isOpen(host: string, allowedHosts: readonly string[]): boolean {
  return allowedHosts.length === 0 && !isLoopback(host);
}
