import { BlockList } from 'node:net';
import t from 'tap';
import { AddressRanges, addressBytesOf, addressRangeOf, plainBytes } from '../../../gateway/address-range.js';
import { AddressRules, problemOfAddressRule } from '../../../gateway/address-rules.js';
import { textOfAddress } from '../../../gateway/peer-address.js';
import { SeededRandom } from '../../seeded-random.js';

/** Addresses, ranges of them, and ordered rules. */

const hexOf = (text: string) => Buffer.from(addressBytesOf(text) ?? []).toString('hex');

t.test('addresses as bytes', async (t) => {
  t.equal(hexOf('192.0.2.7'), 'c0000207');
  t.equal(hexOf('::'), '0'.repeat(32));
  t.equal(hexOf('::1'), `${'0'.repeat(31)}1`);
  t.equal(hexOf('2001:db8::7'), '20010db8000000000000000000000007');
  t.equal(hexOf('2001:db8:1:2:3:4:5:6'), '20010db8000100020003000400050006');
  t.equal(hexOf('1::'), `0001${'0'.repeat(28)}`);
  t.equal(hexOf('64:ff9b::192.0.2.7'), '0064ff9b0000000000000000c0000207');
  t.equal(hexOf('::ffff:192.0.2.7'), 'c0000207', 'IPv4 that is mapped into IPv6 is IPv4');
  for (const text of ['', '1.2.3', '1.2.3.256', ':::', '1::2::3', 'fe80::1%eth0', 'localhost', '[::1]'])
    t.equal(addressBytesOf(text), undefined, text);
  t.same(plainBytes(Buffer.from('00000000000000000000ffffc0000207', 'hex')), Buffer.from('c0000207', 'hex'));
});

t.test('ranges', async (t) => {
  for (const text of [
    '10.0.0.0/8',
    '0.0.0.0/0',
    '192.0.2.7/32',
    '::/0',
    '2001:db8::/29',
    '::1/128',
    '::ffff:10.0.0.0/104',
  ])
    t.ok(addressRangeOf(text), text);
  for (const text of [
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/x',
    '10.0.0.0/-1',
    '::/129',
    '10/8',
    '/8',
    '::ffff:10.0.0.0/8',
  ])
    t.equal(addressRangeOf(text), undefined, text);
});

t.test('the same answers as the BlockList of Node, for random ranges and addresses', async (t) => {
  const choices = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${choices.seed}`);
  const byte = () => choices.below(4) * 85; // few values, so that many addresses are in a range
  const ipv4 = () => `${byte()}.${byte()}.${byte()}.${byte()}`;
  // Not ::/80 and wider, in which BlockList finds every IPv4 address; nor /16, in which all of these are.
  const ipv6 = () => ['2001', ...Array.from({ length: 7 }, () => (byte() * 257).toString(16))].join(':');
  const blocked = new BlockList();
  const texts: string[] = [];
  for (let n = 0; n < 40; n++) {
    const [random, family] = n % 2 === 0 ? [ipv4(), 'ipv4' as const] : [ipv6(), 'ipv6' as const];
    const bytes = addressBytesOf(random)!;
    const prefix = bytes.length === 4 ? 1 + choices.below(32) : 24 + choices.below(105);
    // BlockList finds nothing in a range with further bits set.
    const masked = bytes.map((each, at) => each & (0xff00 >> Math.min(8, Math.max(0, prefix - at * 8))));
    blocked.addSubnet(textOfAddress(masked), prefix, family);
    texts.push(`${random}/${prefix}`);
  }
  const ranges = new AddressRanges(texts.map((text) => addressRangeOf(text)!));
  let inside = 0;
  const wrong: string[] = [];
  for (let n = 0; n < 4000; n++) {
    const [text, family] = n % 2 === 0 ? [ipv4(), 'ipv4' as const] : [ipv6(), 'ipv6' as const];
    const expected = blocked.check(text, family);
    if (expected) inside++;
    if (ranges.has(addressBytesOf(text)!) !== expected) wrong.push(text);
  }
  t.same(wrong, [], texts.join());
  t.ok(inside > 0 && inside < 4000, `${inside} were in a range`);
});

t.test('the first rule that an address is in decides', async (t) => {
  const allowed = (rules: string[], text: string) => new AddressRules(rules).allow(addressBytesOf(text)!);
  t.equal(allowed([], '192.0.2.7'), true);
  const office = ['deny 10.1.0.0/16', 'allow 10.0.0.0/8', 'allow 2001:db8::/32', 'deny all'];
  t.equal(allowed(office, '10.2.0.1'), true);
  t.equal(allowed(office, '10.1.0.1'), false);
  t.equal(allowed(office, '::ffff:10.2.0.1'), true);
  t.equal(allowed(office, '2001:db8::1'), true);
  t.equal(allowed(office, '2001:db9::1'), false);
  t.equal(allowed(office, '192.0.2.7'), false);
  t.equal(allowed(['deny 192.0.2.0/24'], '192.0.3.1'), true, 'an address that is in none may connect');
  t.equal(allowed(['allow all', 'deny 192.0.2.7'], '192.0.2.7'), true, 'the order counts');
  t.equal(allowed(['deny 192.0.2.7', 'allow 192.0.2.0/24', 'deny all'], '192.0.2.7'), false);
  t.match(problemOfAddressRule('allow 10.0.0.0/40'), '"10.0.0.0/40" is neither an address nor a range');
  t.equal(problemOfAddressRule('deny all'), undefined);
});
