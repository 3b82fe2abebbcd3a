import { isIPv4, isIPv6 } from 'node:net';

/** This file turns addresses into bytes, and looks for them in ranges in CIDR notation (RFC 4632). */

/** A range holds all addresses with the same first bits. */
export interface AddressRange {
  /** An address of the range, of 4 or 16 bytes. */
  readonly bytes: Uint8Array;
  readonly prefixBits: number;
}

/** Reads an address. @returns 4 or 16 bytes; undefined where the text is no address */
export function addressBytesOf(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split('.').map(Number));
  if (!isIPv6(text) || text.includes('%')) return undefined;
  return plainBytes(ipv6Bytes(text));
}

/** An IPv4 address that is mapped into IPv6 (::ffff:192.0.2.7) is the IPv4 address. */
export function plainBytes<Bytes extends Uint8Array>(bytes: Bytes): Bytes {
  if (bytes.length !== 16) return bytes;
  for (let at = 0; at < 12; at++) if (bytes[at] !== (at < 10 ? 0 : 0xff)) return bytes;
  return bytes.subarray(12) as Bytes; // of the same class
}

/** @param text an address, or one with a slash and a number of bits; undefined where it is neither */
export function addressRangeOf(text: string): AddressRange | undefined {
  const [address = '', bits] = text.split(/\/(.*)/s);
  const bytes = addressBytesOf(address);
  if (bytes === undefined) return undefined;
  const bitsMax = bytes.length * 8;
  if (bits === undefined) return { bytes, prefixBits: bitsMax };
  if (!/^\d{1,3}$/.test(bits)) return undefined;
  const prefixBits = Number(bits) - (isIPv6(address) && bytes.length === 4 ? 96 : 0);
  return prefixBits < 0 || prefixBits > bitsMax ? undefined : { bytes, prefixBits };
}

/** Reads eight groups of four digits; `::` stands for as many zeros as are missing. */
function ipv6Bytes(text: string): Uint8Array {
  const hexOnly = text.replace(/\d+\.\d+\.\d+\.\d+$/, (ipv4) => {
    const [a, b, c, d] = ipv4.split('.').map(Number) as [number, number, number, number];
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [head = '', tail] = hexOnly.split('::');
  const groupsIn = (part: string) => (part === '' ? [] : part.split(':'));
  const first = groupsIn(head);
  const last = groupsIn(tail ?? '');
  const missing = Array.from({ length: 8 - first.length - last.length }, () => '0');
  const groups = [...first, ...missing, ...last].map((group) => Number.parseInt(group, 16));
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

/**
 * Finds the first of many ranges that an address is in. It looks once into a Map for each length of a prefix, however
 * many ranges there are.
 */
export class AddressRanges {
  /** Each table holds prefixes of one length, with the place of the first range that has it. */
  readonly #tables: { readonly length: 4 | 16; readonly prefixBits: number; places: Map<string, number> }[] =
    [];
  readonly size: number;

  constructor(ranges: readonly AddressRange[]) {
    this.size = ranges.length;
    for (const [place, { bytes, prefixBits }] of ranges.entries()) {
      const { places } = this.#tableOf(bytes.length as 4 | 16, prefixBits);
      const key = prefixOf(bytes, prefixBits);
      if (!places.has(key)) places.set(key, place);
    }
  }

  has(address: Uint8Array): boolean {
    return this.firstWith(address) !== undefined;
  }

  /** @returns the place of the first range with this address */
  firstWith(address: Uint8Array): number | undefined {
    const bytes = plainBytes(address);
    let first: number | undefined;
    for (const { length, prefixBits, places } of this.#tables) {
      if (length !== bytes.length) continue;
      const place = places.get(prefixOf(bytes, prefixBits));
      if (place !== undefined && (first === undefined || place < first)) first = place;
    }
    return first;
  }

  #tableOf(length: 4 | 16, prefixBits: number) {
    const found = this.#tables.find((each) => each.length === length && each.prefixBits === prefixBits);
    if (found !== undefined) return found;
    const made = { length, prefixBits, places: new Map<string, number>() };
    this.#tables.push(made);
    return made;
  }
}

/** Writes the bits of a prefix into a string, as the key of a Map. */
function prefixOf(bytes: Uint8Array, prefixBits: number): string {
  const whole = prefixBits >> 3;
  let prefix = '';
  for (let at = 0; at < whole; at++) prefix += String.fromCharCode(bytes[at]!);
  const rest = prefixBits & 7;
  return rest === 0 ? prefix : prefix + String.fromCharCode(bytes[whole]! & (0xff00 >> rest));
}
