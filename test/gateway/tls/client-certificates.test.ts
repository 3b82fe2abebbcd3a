import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import t, { type Test } from 'tap';
import { startProcess } from '../../gateway-process.js';
import { until } from '../../until.js';
import { Authority } from '../cluster/certificates.js';
import { RealClient } from '../mqtt/real-client.js';
import { TlsClient } from './tls-client.js';

/** --auth certificate: the user is the one in the client certificate. */

const directory = t.testdir({});
const authority = new Authority(directory, 'servers');
const clients = new Authority(directory, 'clients');
const stranger = new Authority(directory, 'strangers');
const server = authority.issue('server', 'IP:127.0.0.1,DNS:localhost');
const flags = [
  ...[
    '--tls-cert-file',
    server.certFile,
    '--tls-key-file',
    server.keyFile,
    '--tls-listeners',
    'gateway,mqtt,api',
  ],
  ...['--tls-client-ca-file', clients.file, '--auth', 'certificate'],
  ...['--acl-rules', 'allow all user/%u/#'],
];
const gateway = await startProcess({ flags });
t.teardown(() => gateway.kill());

function certificateOf(issuer: Authority, name: string, names = 'DNS:device'): ConnectionOptions {
  const { certFile, keyFile } = issuer.issue(name, names);
  return { cert: readFileSync(certFile), key: readFileSync(keyFile) };
}

const alice = certificateOf(clients, 'alice');

async function answerTo(t: Test, port: number, path: string, options: ConnectionOptions): Promise<string> {
  const client = await TlsClient.open(port, authority.file, options);
  t.teardown(() => client.close());
  client.ask(path);
  await until('it is answered', () => client.text.includes('\r\n\r\n') || client.closed);
  return client.text.split('\r\n')[0]!;
}

t.test('a stream is for the user of the certificate', async (t) => {
  t.match(await answerTo(t, gateway.port, '/stream/user/alice/1', alice), '200 OK');
  t.match(await answerTo(t, gateway.port, '/stream/user/bob/1', alice), '403');
  t.match(await answerTo(t, gateway.apiPort, '/ids/user/alice/1', alice), '200 OK');
  t.match(await answerTo(t, gateway.apiPort, '/ids/user/bob/1', alice), '403');
});

t.test('without a certificate a client is answered 401', async (t) => {
  t.match(await answerTo(t, gateway.port, '/stream/user/alice/1', {}), '401');
});

t.test('a certificate of another authority ends the connection', async (t) => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const options = { ...certificateOf(stranger, `alice-${maxVersion}`), maxVersion };
    const answer = await answerTo(t, gateway.port, '/stream/user/alice/1', options).catch(() => '');
    t.equal(answer, '', maxVersion);
  }
});

t.test('a session of TLS that goes on is still of that user', async (t) => {
  const first = await TlsClient.open(gateway.port, authority.file, { ...alice, maxVersion: 'TLSv1.2' });
  const session = first.socket.getSession()!;
  first.close();
  const again = { ...alice, session, maxVersion: 'TLSv1.2' } as const;
  t.match(await answerTo(t, gateway.port, '/stream/user/alice/1', again), '200 OK');
  t.match(await answerTo(t, gateway.port, '/stream/user/bob/1', again), '403');
});

t.test('MQTT: the certificate counts, not the user name in CONNECT', async (t) => {
  const ca = readFileSync(authority.file);
  const options = { ca, ...alice, username: 'bob', password: 'x' } as never;
  const mqtt = await RealClient.connectTo(t, `wss://localhost:${gateway.port}/mqtt`, options);
  await mqtt.subscribe('user/alice/#', 1);
  await mqtt.publish('user/bob/out', 'not for me', { qos: 1 });
  await mqtt.publish('user/alice/out', 'Hello', { qos: 1 });
  await until('it has come', () => mqtt.received.length > 0);
  t.same(mqtt.texts(), ['Hello']);
  await t.rejects(mqtt.subscribe('user/bob/#'));
  const refused = RealClient.connectTo(t, `wss://localhost:${gateway.port}/mqtt`, { ca });
  await t.rejects(refused, /Not authorized/);
});

t.test('--auth-certificate-name san', async (t) => {
  const other = await startProcess({ flags: [...flags, '--auth-certificate-name', 'san'] });
  t.teardown(() => other.kill());
  const device = certificateOf(clients, 'sensor', 'email:carol,DNS:device-7');
  t.match(await answerTo(t, other.port, '/stream/user/carol/1', device), '200 OK');
  t.match(await answerTo(t, other.port, '/stream/user/sensor/1', device), '403');
});
