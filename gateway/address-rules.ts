import { type AddressRange, AddressRanges, addressRangeOf } from './address-range.js';

/** A rule as it stands in a setting: `allow 10.0.0.0/8`, `deny all`. */
export const addressRuleShape = /^(?:allow|deny) \S+$/;

/** Decides which addresses may connect, by the first rule that an address is in. One that is in none may connect. */
export class AddressRules {
  readonly #ranges: AddressRanges;
  readonly #allows: readonly boolean[];

  /** @param rules which `problemOfAddressRule` has nothing against */
  constructor(rules: readonly string[]) {
    const parsed = rules.flatMap((rule) => rangesOf(rule).map((range) => ({ range, rule })));
    this.#ranges = new AddressRanges(parsed.map(({ range }) => range));
    this.#allows = parsed.map(({ rule }) => rule.startsWith('allow'));
  }

  allow(address: Uint8Array): boolean {
    if (this.#allows.length === 0) return true;
    const place = this.#ranges.firstWith(address);
    return place === undefined || this.#allows[place]!;
  }
}

/** @returns what is wrong, as a sentence */
export function problemOfAddressRule(rule: string): string | undefined {
  return rangesOf(rule).length > 0 ? undefined : problemOfAddressRange(rule.split(' ')[1]!);
}

export function problemOfAddressRange(text: string): string | undefined {
  if (addressRangeOf(text) !== undefined) return undefined;
  return `"${text}" is neither an address nor a range such as 10.0.0.0/8 or 2001:db8::/32.`;
}

function rangesOf(rule: string): AddressRange[] {
  const [, text = ''] = rule.split(' ');
  if (text === 'all') return everything;
  const range = addressRangeOf(text);
  return range === undefined ? [] : [range];
}

const everything: AddressRange[] = [
  { bytes: new Uint8Array(4), prefixBits: 0 },
  { bytes: new Uint8Array(16), prefixBits: 0 },
];
