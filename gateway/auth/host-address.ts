/** The kind of a host, in a setting or in a `Host` header: loopback, an address, or a name. */

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** A browser takes what ends in .localhost to loopback without asking anybody (RFC 6761 6.3). */
const addressOrLocalhost = /^(?:(?:[\w-]+\.)*localhost|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]+\])$/i;

/**
 * A name may be made to lead to somebody's loopback or intranet (DNS rebinding), and a page of that name would be an
 * own page there; an address may not.
 * @param host the header, with or without a port
 */
export function isAddressOrLocalhost(host: string): boolean {
  return addressOrLocalhost.test(nameOf(host));
}

/** In lower case, and without the dot that a name may end with: `Example.com.:8000` is `example.com` (RFC 1034 3.1). */
export function nameOf(host: string): string {
  return withoutPort(host).toLowerCase().replace(/\.$/, '');
}

export function withoutPort(host: string): string {
  return host.replace(/:\d+$/, '');
}
