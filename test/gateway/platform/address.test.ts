import t from 'tap';
import { addressKeyOf, addressText, type Peer } from '../../../gateway/peer-address.js';

/** An address that was kept at the upgrade is the one that uWS would have told. */

const bytesOf = (text: string) => Uint8Array.from(Buffer.from(text, 'hex')).buffer;

for (const [bytes, text] of [
  ['7f000001', '127.0.0.1'],
  ['c0a80a14', '192.168.10.20'],
  ['20010db8000000000000000000000001', '2001:0db8:0000:0000:0000:0000:0000:0001'],
  ['00000000000000000000ffff7f000001', '0000:0000:0000:0000:0000:ffff:7f00:0001'],
] as const) {
  t.test(text, async (t) => {
    const told: Peer = {
      getRemoteAddress: () => bytesOf(bytes),
      getRemoteAddressAsText: () => Uint8Array.from(Buffer.from(text)).buffer,
    };
    const none = { getRemoteAddress: () => bytesOf(''), getRemoteAddressAsText: () => bytesOf('') };
    const kept: Peer = { ...none, address: Buffer.from(bytes, 'hex').toString('latin1') };
    t.equal(addressText(told), text);
    t.equal(addressText(kept), text);
    t.equal(addressKeyOf(kept), addressKeyOf(told));
  });
}
