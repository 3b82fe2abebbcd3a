import { readFileSync } from 'node:fs';
import t from 'tap';
import { startProcess } from '../../gateway-process.js';
import { until } from '../../until.js';
import { Authority } from '../cluster/certificates.js';
import { RealClient } from '../mqtt/real-client.js';
import { TlsClient } from './tls-client.js';

/** Several certificates on one listener: a client gets the one of the name that it asks for (SNI, RFC 6066 3). */

const authority = new Authority(t.testdir({}), 'authority');
const certificates = [
  authority.issue('first', 'DNS:localhost,DNS:push.a.test,IP:127.0.0.1'),
  authority.issue('second', 'DNS:b.test'),
  authority.issue('third', 'DNS:*.a.test,DNS:b.test'),
];
const flags = [
  ...['--tls-cert-file', certificates.map(({ certFile }) => certFile).join()],
  ...['--tls-key-file', certificates.map(({ keyFile }) => keyFile).join()],
  ...['--allowed-hosts', '*', '--mqtt-allow-origin', '*'],
];
const gateway = await startProcess({ flags });
t.teardown(() => gateway.kill());

for (const [servername, certificate] of [
  ['localhost', 'first'],
  ['push.a.test', 'first'],
  ['other.a.test', 'third'],
  ['b.test', 'second'],
] as const) {
  t.test(`${servername} gets the ${certificate} certificate, and all routes`, async (t) => {
    const client = await TlsClient.open(gateway.port, authority.file, { servername });
    t.teardown(() => client.close());
    t.equal(client.serverName, certificate);
    client.ask('/stream/1', servername);
    await client.saw('chunked');
    const ca = readFileSync(authority.file);
    const url = `wss://127.0.0.1:${gateway.port}/mqtt`;
    const mqtt = await RealClient.connectTo(t, url, {
      ca,
      servername,
      wsOptions: { ca, servername },
    } as never);
    await mqtt.subscribe('m');
    await mqtt.publish('m', 'Hello');
    await until('it has come', () => mqtt.texts('m').length === 1);
  });
}

t.test('a name that no certificate has, and none at all, get the first', async (t) => {
  const check = { checkServerIdentity: () => undefined };
  for (const servername of ['c.test', '']) {
    const client = await TlsClient.open(gateway.port, authority.file, { servername, ...check });
    t.teardown(() => client.close());
    t.equal(client.serverName, 'first', servername);
    client.ask('/numbers');
    await client.saw('"connections"');
  }
});
