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
  ['', undefined, 'nothing'],
] as const) {
  t.test(`Forwarded: ${why}`, async (t) => {
    t.equal(clientIn('forwarded', field), client);
  });
}
