/** The tools against a gateway that stands behind TLS, and URLs that they cannot use. */
import { mkdtempSync, readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import t, { type Test } from 'tap';
import { Authority } from '../gateway/cluster/certificates.js';
import { startProcess } from '../gateway-process.js';
import { runTool, ToolProcess } from '../msggen/tool-process.js';
import { until } from '../until.js';

const authority = new Authority(mkdtempSync(join(tmpdir(), 'encke-tls-')), 'authority');
const { certFile, keyFile } = authority.issue('proxy', 'DNS:localhost');
const trusting = { NODE_EXTRA_CA_CERTS: authority.file };

/** @returns the port of a proxy that ends TLS */
async function tlsProxy(t: Pick<Test, 'teardown'>, port: number): Promise<number> {
  const options = { cert: readFileSync(certFile), key: readFileSync(keyFile) };
  const server = createServer(options, (socket) => {
    const behind = connect(port, '127.0.0.1');
    socket.on('error', () => behind.destroy()).pipe(behind);
    behind.on('error', () => socket.destroy()).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

t.test('through TLS everything arrives, over HTTP and over MQTT', async (t) => {
  const gateway = await startProcess();
  t.teardown(() => gateway.kill());
  const api = `https://localhost:${await tlsProxy(t, gateway.apiPort)}`;
  const port = await tlsProxy(t, gateway.port);
  for (const [transport, url] of [
    ['http-chunked', `https://localhost:${port}`],
    ['mqtt-ws', `wss://localhost:${port}/mqtt`],
  ] as const) {
    const args = ['--connections', '5', '--transport', transport, '--url', url, '--json'];
    const flood = new ToolProcess(['floodtest', ...args], trusting);
    await until('all are connected', () => flood.stderr.includes('connected 5 '));
    const load = ['--messages', '20', '--interval', '1', '--max-id', '5', '--stamp', '--json'];
    t.match(await new ToolProcess(['msggen', ...load, '--url', api], trusting).summary(), {
      sent: 20,
      delivered: 20,
    });
    const mqtt = ['-t', 'mqtt-ws', '--qos', '1', '--url', `wss://localhost:${port}`];
    t.match(await new ToolProcess(['msggen', ...load, ...mqtt], trusting).summary(), {
      sent: 20,
      errorsTotal: 0,
    });
    t.match(await runTool(['send', '--url', api, '1', 'Hello'], trusting), {
      exitCode: 0,
      stdout: '{"delivered":1}\n',
    });
    const chunks = 41 + (transport === 'http-chunked' ? 5 : 0);
    await until('all have come', () => flood.stderr.includes(` chunks ${chunks} `));
    flood.child.kill('SIGINT');
    t.match(await flood.summary(), {
      messages: 41,
      stamped: 40,
      lost: 0,
      connected: 5,
      asked: { url: `https://localhost:${port}` },
    });
  }
  const stranger = await runTool(['msggen', '--messages', '1', '--url', api]);
  t.match(
    stranger,
    { exitCode: 1, stderr: /(UNABLE_TO|SELF_SIGNED|CERT)/ },
    'a certificate of nobody we know',
  );
});

t.test('a user and a password in a URL are refused, since they would not be used', async (t) => {
  for (const args of [
    ['floodtest', '--connections', '1', '--url', 'http://user:secret@127.0.0.1:9'],
    ['msggen', '--messages', '1', '--url', 'http://user:secret@127.0.0.1:9'],
    ['msggen', '-t', 'mqtt-ws', '--messages', '1', '--url', 'ws://user@127.0.0.1:9/mqtt'],
    ['send', '--url', 'http://user:secret@127.0.0.1:9', '1', 'Hello'],
  ]) {
    t.match(await runTool(args), { stderr: /A user and a password in the URL are not used/ }, args.join(' '));
  }
});

t.test('encke send does not wait for ever', async (t) => {
  const mute = createTcpServer(() => {});
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
  t.teardown(() => mute.close());
  const url = `http://127.0.0.1:${(mute.address() as AddressInfo).port}`;
  const run = await runTool(['send', '--timeout', '500ms', '--url', url, '1', 'Hello']);
  t.match(run, {
    exitCode: 1,
    stderr: /has not answered within 0\.5 s: it may have taken the message, or not\.\n$/,
  });
});
