import t from 'tap';
import { textOfAddress } from '../../../gateway/peer-address.js';
import { TrustedProxies } from '../../../gateway/trusted-proxies.js';

/** The address of a client in what proxies say of it. */

function clientIn(clientAddressFrom: 'x-forwarded-for' | 'forwarded', field: string): string | undefined {
  const proxies = new TrustedProxies({ trustedProxies: ['10.0.0.0/8', 'fd00::/8'], clientAddressFrom });
  const both = { xForwardedFor: '203.0.113.99', forwarded: 'for=203.0.113.99' };
  const client = proxies.clientOf({
    ...both,
    [clientAddressFrom === 'forwarded' ? 'forwarded' : 'xForwardedFor']: field,
  });
  return client && textOfAddress(client);
}

for (const [field, client, why] of [
  ['192.0.2.7', '192.0.2.7', 'one proxy'],
  ['192.0.2.7, 10.0.0.2', '192.0.2.7', 'a proxy behind a proxy'],
  ['198.51.100.1, 192.0.2.7', '192.0.2.7', 'the client has sent one itself'],
  ['10.0.0.9, 192.0.2.7, 10.0.0.2', '192.0.2.7', 'one that looks like a proxy of ours'],
  ['10.0.0.3, 10.0.0.2', '10.0.0.3', 'a client in the network of the proxies'],
  ['2001:db8::1', '2001:0db8:0000:0000:0000:0000:0000:0001', 'IPv6'],
  ['[2001:db8::1]:4711', '2001:0db8:0000:0000:0000:0000:0000:0001', 'IPv6 with a port'],
  ['192.0.2.7:4711', '192.0.2.7', 'with a port, as Azure writes it'],
  ['::ffff:192.0.2.7', '192.0.2.7', 'IPv4 that is mapped into IPv6'],
  ['  192.0.2.7\t', '192.0.2.7', 'spaces'],
  ['', undefined, 'nothing'],
  ['unknown', undefined, 'a proxy that hides it'],
  ['192.0.2.7, evil', undefined, 'junk at the end'],
  ['evil, 10.0.0.2', '10.0.0.2', 'junk behind a proxy of ours'],
  ['192.0.2.7,', undefined, 'an empty hop'],
] as const) {
  t.test(`X-Forwarded-For: ${why}`, async (t) => {
    t.equal(clientIn('x-forwarded-for', field), client);
  });
}

for (const [field, client, why] of [
  ['for=192.0.2.7', '192.0.2.7', 'one proxy'],
  ['for=192.0.2.7;proto=https;by=10.0.0.1', '192.0.2.7', 'with other parameters'],
  ['proto=https; For="192.0.2.7:4711"', '192.0.2.7', 'quoted, with a port'],
  ['for="[2001:db8::1]"', '2001:0db8:0000:0000:0000:0000:0000:0001', 'IPv6'],
  ['for=198.51.100.1, for=192.0.2.7, for=10.0.0.2', '192.0.2.7', 'several hops'],
  ['for="a, for=198.51.100.1", for=192.0.2.7', '192.0.2.7', 'a comma in quotes'],
  ['for=198.51.100.1;x="\\", for=198.51.100.2', '198.51.100.2', 'a quote that the client has left open'],
  ['for=_hidden, for=10.0.0.2', '10.0.0.2', 'a name in the place of an address'],
  ['for=unknown', undefined, 'a proxy that hides it'],
  ['host=example.com', undefined, 'no address'],
  ['x=";for=198.51.100.1", for=10.0.0.2', '10.0.0.2', 'a for in quotes, of the element before'],
  ['by=10.0.0.1;x=";for=198.51.100.1"', undefined, 'a for in quotes'],
  ['x=", for=198.51.100.1"', undefined, 'a whole element in quotes'],
  ['x=";for=198.51.100.1;y=";for=192.0.2.7', '192.0.2.7', 'a for in quotes, and one of the proxy'],
  ['for=198.51.100.1;x="\\", for=192.0.2.7', '192.0.2.7', 'a backslash at the end of quotes'],
  ['x="\\", for=198.51.100.1;y=\\"", for=10.0.0.2', '10.0.0.2', 'a comma behind an escaped quote'],
  ['for="\\"198.51.100.1", for=10.0.0.2', '10.0.0.2', 'an escaped quote in an address'],
  ['for=192.0.2.7;x="a\\"b;for=198.51.100.1"', '192.0.2.7', 'an escaped quote in another value'],
  ['for=192.0.2.7;x="\\\\"', '192.0.2.7', 'an escaped backslash at the end of a value'],
  ['for="192.0.2\\\\.7"', undefined, 'a backslash in an address'],
  ['for="192.0.2\\.7"', '192.0.2.7', 'an escaped character of an address (RFC 9110 5.6.4)'],
  ['for=198.51.100.1;x="', undefined, 'a quote that is left open at the end'],
  ['for=198.51.100.1;x=\\"', undefined, 'an escaped quote without quotes'],
  ['for=198.51.100.1;for=198.51.100.2', undefined, 'two addresses in one element'],
  ['for=198.51.100.1,', undefined, 'an empty element at the end'],
  ['for=198.51.100.1;', undefined, 'an empty parameter at the end'],
  ['for=198.51.100.1, =10.0.0.2', undefined, 'a value without a name'],
  ['for=198.51.100.1, for=', undefined, 'a name without a value'],
  ['for=198.51.100.1, junk', undefined, 'junk at the end'],
  ['xfor=198.51.100.1', undefined, 'a name that ends with for'],
  ['x=for=198.51.100.1', undefined, 'an assignment in a value'],
  ['for=198.51.100.1 for=10.0.0.2', undefined, 'a space in the place of a comma'],
  ['"for=198.51.100.1"', undefined, 'quotes around an element'],
  [
    'for=2001:db8::1',
    '2001:0db8:0000:0000:0000:0000:0000:0001',
    'IPv6 without quotes, as many proxies write it',
  ],
  ['for=192.0.2.7:4711 ; by=10.0.0.1', '192.0.2.7', 'spaces at a semicolon'],
  ['', undefined, 'nothing'],
] as const) {
  t.test(`Forwarded: ${why}`, async (t) => {
    t.equal(clientIn('forwarded', field), client);
  });
}

for (const [what, hostile] of [
  ['quotes', '"'],
  ['escaped quotes', '\\"'],
  ['backslashes', '\\'],
  ['commas', ','],
  ['open values', 'a="'],
  ['parameters', 'a=b;'],
] as const) {
  t.test(`Forwarded: 60 KB of ${what} before what the proxy adds`, async (t) => {
    const field = `for=198.51.100.1;x="${hostile.repeat(60_000 / hostile.length)}`;
    t.equal(clientIn('forwarded', `${field}, for=192.0.2.7`), '192.0.2.7');
    const startSec = process.cpuUsage().user / 1e6;
    for (const end of ['', '"', ', for=10.0.0.2', '", for=10.0.0.2'])
      t.not(clientIn('forwarded', field + end), '198.51.100.2');
    t.ok(process.cpuUsage().user / 1e6 - startSec < 5, 'in linear time: a quadratic one takes over a minute');
  });
}
