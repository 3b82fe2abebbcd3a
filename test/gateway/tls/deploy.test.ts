import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { startServer } from '../../child-processes.js';
import { findOrInstall } from '../../debian-package.js';
import { freePort } from '../../free-port.js';
import { startProcess } from '../../gateway-process.js';
import { isOpen } from '../../open-port.js';
import { until } from '../../until.js';
import { Authority } from '../cluster/certificates.js';
import { RealClient } from '../mqtt/real-client.js';
import { TlsClient } from './tls-client.js';

/** The files of docs/deploy about TLS: the hook of certbot, and Caddy in front. */

const deploy = fileURLToPath(new URL('../../../../docs/deploy', import.meta.url));

t.test('the hook of certbot puts a pair where Encke takes it', async (t) => {
  const directory = t.testdir({ made: {}, lineage: {} });
  const authority = new Authority(join(directory, 'made'), 'authority');
  const target = join(directory, 'tls');
  const renew = (name: string) => {
    const { certFile, keyFile } = authority.issue(name, 'IP:127.0.0.1,DNS:localhost');
    writeFileSync(join(directory, 'lineage/fullchain.pem'), readFileSync(certFile));
    writeFileSync(join(directory, 'lineage/privkey.pem'), readFileSync(keyFile));
    const group = String(process.getgid!());
    const env = { ...process.env, RENEWED_LINEAGE: join(directory, 'lineage'), TARGET: target, GROUP: group };
    execFileSync('sh', [join(deploy, 'certbot-hook.sh')], { env });
  };
  renew('first');
  t.equal(statSync(join(target, 'privkey.pem')).mode & 0o777, 0o640);
  const files = [
    '--tls-cert-file',
    join(target, 'fullchain.pem'),
    '--tls-key-file',
    join(target, 'privkey.pem'),
  ];
  const gateway = await startProcess({ flags: files });
  t.teardown(() => gateway.kill());
  renew('second');
  await until('the second is shown', async () => {
    const client = await TlsClient.open(gateway.port, authority.file);
    const { serverName } = client;
    client.close();
    return serverName === 'second';
  });
});

const caddy = await findOrInstall('caddy', 'caddy');
const noCaddy = 'missing' in caddy ? { skip: caddy.missing } : {};

t.test('Caddy in front: streams, MQTT, and the addresses of clients', noCaddy, async (t) => {
  const directory = t.testdir({});
  const proxied = ['--trusted-proxies', '127.0.0.1', '--allowed-hosts', 'push.example.com'];
  const gateway = await startProcess({ flags: [...proxied, '--connections-per-address-max', '1'] });
  t.teardown(() => gateway.kill());
  const port = await freePort();
  const ours = readFileSync(join(deploy, 'Caddyfile'), 'utf8');
  t.match(ours, 'reverse_proxy 127.0.0.1:8000');
  const options = `admin off\n\tlocal_certs\n\tskip_install_trust\n\thttps_port ${port}\n\thttp_port ${await freePort()}`;
  const file = join(directory, 'Caddyfile');
  writeFileSync(file, `{\n\t${options}\n}\n${ours.replace('127.0.0.1:8000', `127.0.0.1:${gateway.port}`)}`);
  mkdirSync(join(directory, 'data'));
  process.env.XDG_DATA_HOME = join(directory, 'data'); // of Caddy, which has its authority there
  process.env.XDG_CONFIG_HOME = join(directory, 'data');
  const { path } = caddy as { path: string };
  const child = await startServer('Caddy', path, ['run', '--config', file, '--adapter', 'caddyfile'], () =>
    isOpen(port),
  );
  t.teardown(() => child.kill('SIGKILL')); // with SIGTERM it waits for open connections
  const root = join(directory, 'data/caddy/pki/authorities/local/root.crt');
  const servername = 'push.example.com';
  const openStream = async (localAddress: string) => {
    const client = await TlsClient.open(port, root, { servername, localAddress } as never);
    t.teardown(() => client.close());
    client.ask('/stream/1', servername);
    await until('it is answered', () => client.text.includes('\r\n\r\n'));
    return client;
  };
  await until('it has a certificate', async () => {
    const client = await TlsClient.open(port, root, { servername }).catch(() => undefined);
    client?.close();
    return client !== undefined;
  });
  const stream = await openStream('127.0.0.2');
  t.match(stream.text, '200 OK');
  t.match((await openStream('127.0.0.3')).text, '200 OK', 'another client');
  t.match((await openStream('127.0.0.3')).text, '429', 'a second stream of that client');
  t.equal(await gateway.send('1', 'Hello'), 2);
  await stream.saw('Hello');
  const ca = readFileSync(root);
  const mqtt = await RealClient.connectTo(t, `wss://127.0.0.1:${port}/mqtt`, {
    ca,
    servername,
    wsOptions: { ca, servername, headers: { Host: servername } },
  } as never);
  await mqtt.subscribe('m');
  await gateway.send('m', 'Hello');
  await until('it has come', () => mqtt.texts('m').length === 1);
});
