import t, { type Test } from 'tap';
import { findNginx, Nginx } from '../../client/nginx.js';
import { type GatewayProcess, startProcess } from '../../gateway-process.js';
import { findHaproxy, Haproxy, plainSections } from '../../haproxy.js';
import { upgradeRequest } from '../../mqtt-bytes.js';
import { until } from '../../until.js';
import { Wire } from '../raw-wire.js';

/**
 * The address of a client behind a proxy, as the limit of streams for each address shows it: the second stream of an
 * address is refused.
 */

async function start(t: Test, ...flags: string[]): Promise<GatewayProcess> {
  const gateway = await startProcess({
    flags: ['--connections-per-address-max', '1', '--allowed-hosts', '*', ...flags],
  });
  t.teardown(() => gateway.kill());
  return gateway;
}

/** The status of a stream that stays open until the test ends. */
async function statusOf(
  t: Test,
  port: number,
  headers: Record<string, string> = {},
  from?: string,
): Promise<number> {
  const wire = await Wire.open(port, from);
  t.teardown(() => wire.close());
  wire.ask('/stream/1', { headers });
  await until('it is answered', () => wire.head !== '');
  return wire.status;
}

const forwardedFor = (address: string) => ({ 'X-Forwarded-For': address });

t.test('what a stranger says of itself counts for nothing', async (t) => {
  const { port } = await start(t, '--trusted-proxies', '127.0.0.9');
  t.equal(await statusOf(t, port, forwardedFor('192.0.2.1')), 200);
  t.equal(await statusOf(t, port, forwardedFor('192.0.2.2')), 429);
});

t.test('what a trusted proxy says counts', async (t) => {
  const gateway = await start(t, '--trusted-proxies', '127.0.0.8/31', '--log-level', 'debug');
  const { port } = gateway;
  t.equal(await statusOf(t, port, forwardedFor('192.0.2.1'), '127.0.0.9'), 200);
  t.equal(await statusOf(t, port, forwardedFor('192.0.2.2'), '127.0.0.9'), 200);
  t.equal(await statusOf(t, port, forwardedFor('192.0.2.2'), '127.0.0.8'), 429, 'through another proxy');
  t.equal(await statusOf(t, port, { Forwarded: 'for=192.0.2.3' }, '127.0.0.9'), 200, 'none said: the proxy');
  t.equal(await statusOf(t, port, { Forwarded: 'for=192.0.2.4' }, '127.0.0.9'), 429, 'Forwarded is not read');
});

t.test('--client-address-from forwarded', async (t) => {
  const { port } = await start(t, '--trusted-proxies', '127.0.0.1', '--client-address-from', 'forwarded');
  const both = { ...forwardedFor('192.0.2.9'), Forwarded: 'for=192.0.2.1' };
  t.equal(await statusOf(t, port, both), 200);
  t.equal(await statusOf(t, port, { ...both, ...forwardedFor('192.0.2.10') }), 429);
  t.equal(await statusOf(t, port, { Forwarded: 'for="[2001:db8::1]:80"' }), 200);
  t.equal(await statusOf(t, port, { Forwarded: 'for="[2001:db8::2]"' }), 429, 'of one /64');
});

t.test('MQTT: pending CONNECTs are counted by the address of the client', async (t) => {
  const limit = ['--mqtt-max-pending-connects-per-address', '1'];
  const gateway = await start(t, '--trusted-proxies', '127.0.0.1', ...limit);
  const upgradeFrom = async (address: string) => {
    const wire = await Wire.open(gateway.port);
    t.teardown(() => wire.close());
    wire.socket.write(upgradeRequest.replace('\r\n', `\r\nX-Forwarded-For: ${address}\r\n`));
    await until('it is answered', () => wire.head !== '');
    return wire.status;
  };
  t.equal(await upgradeFrom('192.0.2.1'), 101);
  t.equal(await upgradeFrom('192.0.2.2'), 101);
  t.equal(await upgradeFrom('192.0.2.1'), 429);
  await until('it is in the log', () => gateway.log.includes('"address":"192.0.2.1"'));
});

t.test('a PROXY header of anybody counts for nothing', async (t) => {
  const gateway = await start(t, '--trusted-proxies', '127.0.0.9');
  const proxied = async (from: string, last: number) => {
    const wire = await Wire.open(gateway.port, from);
    t.teardown(() => wire.close());
    wire.socket.write(
      Buffer.concat([proxyHeader(last), Buffer.from('GET /stream/1 HTTP/1.1\r\nHost: a\r\n\r\n')]),
    );
    await until('it is answered', () => wire.head !== '' || wire.closed);
    return wire.status;
  };
  t.equal(await proxied('127.0.0.1', 1), 200);
  t.equal(await proxied('127.0.0.1', 2), 429, 'of a stranger');
  t.equal(await proxied('127.0.0.9', 3), 200);
  t.equal(await proxied('127.0.0.9', 4), 429, 'of a trusted proxy, which is to say it in a field');
});

/** PROXY v2 over IPv4, from 192.0.2.<last>. */
function proxyHeader(last: number): Buffer {
  const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
  return Buffer.concat([
    signature,
    Buffer.from([0x21, 0x11, 0, 12, 192, 0, 2, last, 10, 0, 0, 1, 0x10, 0x92, 0, 80]),
  ]);
}

const nginx = await findNginx();
const noNginx = 'missing' in nginx ? { skip: nginx.missing } : {};

t.test('nginx with X-Forwarded-For', noNginx, async (t) => {
  const gateway = await start(t, '--trusted-proxies', '127.0.0.1');
  const location = 'proxy_http_version 1.1; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;';
  const front = await Nginx.start((nginx as { path: string }).path, gateway.url, location);
  t.teardown(() => front.stop());
  const { port } = new URL(front.url);
  t.equal(await statusOf(t, Number(port), {}, '127.0.0.2'), 200);
  t.equal(await statusOf(t, Number(port), {}, '127.0.0.3'), 200, 'another client');
  t.equal(await statusOf(t, Number(port), {}, '127.0.0.3'), 429);
  t.equal(await statusOf(t, Number(port), forwardedFor('192.0.2.7'), '127.0.0.3'), 429, 'a client that lies');
});

const haproxy = await findHaproxy();
const noHaproxy = 'missing' in haproxy ? { skip: haproxy.missing } : {};

t.test('HAProxy with X-Forwarded-For and with Forwarded', noHaproxy, async (t) => {
  for (const [option, field] of [
    ['option forwardfor', 'x-forwarded-for'],
    ['http-request set-header Forwarded for=%[src]', 'forwarded'],
  ] as const) {
    const gateway = await start(t, '--trusted-proxies', '127.0.0.1', '--client-address-from', field);
    const front = await Haproxy.start(
      (haproxy as { path: string }).path,
      gateway.port,
      plainSections(option),
    );
    t.teardown(() => front.stop());
    t.equal(await statusOf(t, front.port, {}, '127.0.0.2'), 200, option);
    t.equal(await statusOf(t, front.port, {}, '127.0.0.3'), 200, 'another client');
    t.equal(await statusOf(t, front.port, {}, '127.0.0.3'), 429);
  }
});
