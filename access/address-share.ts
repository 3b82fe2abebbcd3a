/** Functions that say which addresses count as one peer. Addresses are texts in the form of uWS, with all groups and digits. */

/** An IPv4 address in IPv6 begins with it. */
const mappedPrefix = '0000:0000:0000:0000:0000:ffff:';

/** @returns the IPv4 address, or the IPv6 /64, which a single customer usually has */
export function customerOf(address: string): string {
  return groupsOf(address, 4);
}

/** @returns the IPv4 address, or the IPv6 /48: the most that a single site usually has (RFC 6177) */
export function siteOf(address: string): string {
  return groupsOf(address, 3);
}

function groupsOf(address: string, count: number): string {
  if (!address.includes(':') || address.startsWith(mappedPrefix)) return address;
  return address.split(':').slice(0, count).join(':');
}
