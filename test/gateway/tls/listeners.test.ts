import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import t from 'tap';
import { Agent, fetch } from 'undici';
import { freePort } from '../../free-port.js';
import { type GatewayProcess, startProcess } from '../../gateway-process.js';
import { ToolProcess } from '../../msggen/tool-process.js';
import { until } from '../../until.js';
import { Authority } from '../cluster/certificates.js';
import { RealClient } from '../mqtt/real-client.js';
import { TlsClient } from './tls-client.js';

/** Listeners with TLS: the gateway, the router API, and MQTT's own port. */

const authority = new Authority(t.testdir({}), 'authority');
const { certFile, keyFile } = authority.issue('server', 'IP:127.0.0.1,DNS:localhost');
const tls = ['--tls-cert-file', certFile, '--tls-key-file', keyFile];

async function start(...flags: string[]): Promise<GatewayProcess> {
  const gateway = await startProcess({ flags: [...tls, ...flags] });
  t.teardown(() => gateway.kill());
  return gateway;
}

const mqttPort = await freePort();
const gateway = await start('--tls-listeners', 'gateway,mqtt,api', '--mqtt-port', String(mqttPort));

t.test('they are said with their scheme', async (t) => {
  t.match(gateway.url, /^https:\/\/127\.0\.0\.1:\d+$/);
  t.match(gateway.apiUrl, /^https:\/\/127\.0\.0\.1:\d+$/);
});

t.test('a stream, a poll and a send', async (t) => {
  const stream = await TlsClient.open(gateway.port, authority.file);
  t.teardown(() => stream.close());
  stream.ask('/stream/1');
  await stream.saw('chunked');
  const dispatcher = new Agent({ connect: { ca: readFileSync(authority.file) } });
  t.teardown(() => dispatcher.close());
  const poll = fetch(`${gateway.url}/poll/1?timeout=30`, { dispatcher });
  await until('both are logged in', async () => {
    const answer = await fetch(`${gateway.apiUrl}/ids/1`, { dispatcher });
    return ((await answer.json()) as { subscribers: number }).subscribers === 2;
  });
  const sent = await fetch(`${gateway.apiUrl}/send/1`, { dispatcher, method: 'POST', body: 'Hello' });
  t.same(await sent.json(), { delivered: 2 });
  await stream.saw('Hello');
  t.match(await (await poll).text(), 'Hello');
});

t.test('MQTT on the port of the gateway, and on a port of its own', async (t) => {
  const ca = readFileSync(authority.file);
  const own = await RealClient.connectTo(t, `wss://localhost:${mqttPort}/`, { ca });
  const shared = await RealClient.connectTo(t, `wss://localhost:${gateway.port}/mqtt`, { ca });
  await own.subscribe('m/#', 1);
  await shared.publish('m/1', 'over TLS', { qos: 1 });
  await until('it has come', () => own.texts('m/1').length === 1);
  t.equal(own.texts('m/1')[0], 'over TLS');
});

t.test('the tools of the command line', async (t) => {
  const trusting = { NODE_EXTRA_CA_CERTS: authority.file };
  const wss = `wss://localhost:${mqttPort}`;
  const flood = new ToolProcess(
    ['floodtest', '--connections', '3', '--transport', 'mqtt-ws', '--url', wss, '--json'],
    trusting,
  );
  await until('all are connected', () => flood.stderr.includes('connected 3 '));
  const load = ['msggen', '--messages', '6', '--interval', '1', '--max-id', '3', '--json'];
  const api = ['--url', gateway.apiUrl.replace('127.0.0.1', 'localhost')];
  t.match(await new ToolProcess([...load, ...api], trusting).summary(), { sent: 6, delivered: 6 });
  await until('all have come', () => flood.stderr.includes(' chunks 6 '));
  flood.child.kill('SIGINT');
  t.match(await flood.summary(), { messages: 6, connected: 3 });
});

t.test('TLS 1.1 is refused, and so is a client that speaks no TLS', async (t) => {
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
  await t.rejects(TlsClient.open(gateway.port, authority.file, old));
  const plain = connect(gateway.port, '127.0.0.1');
  let said = '';
  plain.on('data', (bytes) => {
    said += bytes;
  });
  plain.on('error', () => undefined);
  const closed = new Promise((resolve) => plain.on('close', resolve));
  plain.write('GET /numbers HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await closed;
  t.notMatch(said, 'HTTP/1.1');
});

t.test('--tls-min-version 1.3 takes no TLS 1.2', async (t) => {
  const { port } = await start('--tls-min-version', '1.3');
  await t.rejects(TlsClient.open(port, authority.file, { maxVersion: 'TLSv1.2' }));
  const client = await TlsClient.open(port, authority.file);
  t.teardown(() => client.close());
  t.equal(client.socket.getProtocol(), 'TLSv1.3');
});

t.test('--tls-ciphers are the suites of TLS 1.2', async (t) => {
  const suite = 'ECDHE-ECDSA-AES128-GCM-SHA256';
  const { port } = await start('--tls-ciphers', suite);
  const other = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' } as const;
  await t.rejects(TlsClient.open(port, authority.file, other));
  const client = await TlsClient.open(port, authority.file, { maxVersion: 'TLSv1.2' });
  t.teardown(() => client.close());
  t.equal(client.socket.getCipher().name, suite);
});

t.test('the router API stays plain where it is not named', async (t) => {
  const plain = await start();
  t.match(plain.url, /^https:/);
  t.match(plain.apiUrl, /^http:/);
  t.match(await plain.stats(), { tls: { renewed: 0, rejected: 0 } });
});
