import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { type GatewayProcess, startProcess } from '../../gateway-process.js';
import { findHaproxy, Haproxy, plainSections } from '../../haproxy.js';
import { upgradeRequest } from '../../mqtt-bytes.js';
import { until } from '../../until.js';
import { kernelQueues } from '../kernel-queues.js';
import { RealClient } from '../mqtt/real-client.js';
import { Wire } from '../raw-wire.js';

/**
 * --client-address-from proxy-protocol: PROXY headers of version 2 from trusted proxies, and from nobody else. A proxy that
 * passes bytes on also passes on the PROXY headers that a client writes itself, and uWebSockets reads one at the head of
 * each request; these count for nothing.
 */

const proxy = '127.0.0.9';

async function start(t: Test, ...flags: string[]): Promise<GatewayProcess> {
  const usual = ['--trusted-proxies', proxy, '--client-address-from', 'proxy-protocol'];
  const gateway = await startProcess({
    flags: [...usual, '--connections-per-address-max', '1', '--allowed-hosts', '*', ...flags],
  });
  t.teardown(() => gateway.kill());
  return gateway;
}

/** PROXY v2 over IPv4, from 192.0.2.<last>. */
function header(last: number): Buffer {
  return Buffer.concat([
    signature,
    Buffer.from([0x21, 0x11, 0, 12, 192, 0, 2, last, 10, 0, 0, 1, 16, 146, 0, 80]),
  ]);
}

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
/** The header of a health check of the proxy itself. */
const local = Buffer.concat([signature, Buffer.from([0x20, 0, 0, 0])]);

const get = (path: string) => Buffer.from(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);

async function send(t: Test, port: number, bytes: Buffer[], from = proxy): Promise<Wire> {
  const wire = await Wire.open(port, from);
  t.teardown(() => wire.close());
  wire.socket.write(Buffer.concat(bytes));
  await until('it is answered or closed', () => wire.head !== '' || wire.closed);
  return wire;
}

t.test('the address of a client is the one in the header', async (t) => {
  const { port } = await start(t);
  t.equal((await send(t, port, [header(1), get('/stream/1')])).status, 200);
  t.equal((await send(t, port, [header(2), get('/stream/1')])).status, 200);
  t.equal((await send(t, port, [header(1), get('/stream/1')])).status, 429);
  t.equal((await send(t, port, [local, get('/numbers')])).status, 200, 'a health check');
  const ipv6 = Buffer.alloc(36);
  ipv6.writeUInt16BE(0x2001, 0);
  const head = Buffer.concat([signature, Buffer.from([0x21, 0x21, 0, 36]), ipv6]);
  t.equal((await send(t, port, [head, get('/stream/1')])).status, 200, 'IPv6');
  t.equal((await send(t, port, [head, get('/stream/1')])).status, 429);
});

t.test('of strangers it counts for nothing', async (t) => {
  const { port } = await start(t);
  t.equal((await send(t, port, [header(1), get('/stream/1')], '127.0.0.5')).status, 200);
  t.equal((await send(t, port, [header(2), get('/stream/1')], '127.0.0.5')).status, 429);
});

t.test('a second header in front of the first request is no request', async (t) => {
  const { port } = await start(t);
  const wire = await send(t, port, [header(1), header(2), get('/stream/1')]);
  t.not(wire.status, 200);
});

const firsts = {
  'an answer': get('/numbers'),
  'an answer to HEAD': Buffer.from('HEAD /numbers HTTP/1.1\r\nHost: a\r\n\r\n'),
  'a HEAD of a stream': Buffer.from('HEAD /stream/9 HTTP/1.1\r\nHost: a\r\n\r\n'),
  'nothing found': get('/nothing'),
  'a stream': get('/stream/9'),
  'a poll': get('/poll/9?timeout=1'),
  'a poll that is answered at once': get('/poll/9?timeout=0'),
  'a large script': get('/demo/mqtt.js'),
  'an upgrade that is refused': Buffer.from(upgradeRequest.replace(': mqtt', ': other')),
};

t.test('a request with another header behind the first one is not heard', async (t) => {
  const gateway = await start(t, '--connections-per-address-max', '0');
  for (const [what, first] of Object.entries(firsts)) {
    const id = encodeURIComponent(what);
    // The request comes in one read with the first header, and then in the next read.
    await send(t, gateway.port, [header(1), first, header(2), get(`/stream/${id}`)]);
    const wire = await send(t, gateway.port, [header(3), first]);
    if (!wire.closed) wire.socket.write(Buffer.concat([header(4), get(`/stream/${id}`)]));
    await send(t, gateway.port, [header(5), get('/numbers')]); // which is answered behind those
    const answer = await fetch(`${gateway.apiUrl}/ids/${id}`);
    t.match(await answer.json(), { subscribers: 0 }, what);
  }
});

/** Sends two requests, of which the server reads the second in the turn in which it can write the rest of the first answer. */
t.test('a request that comes while an answer is written out is not heard', async (t) => {
  const gateway = await start(t); // of the 340 KB, the kernel takes 290 KB at first
  const wire = await Wire.open(gateway.port, proxy);
  t.teardown(() => wire.close());
  const [client, server] = [wire.socket.localPort!, wire.socket.remotePort!];
  wire.stall();
  wire.socket.write(Buffer.concat([header(1), get('/demo/mqtt.js')]));
  await until('the kernel is full', () => kernelQueues(server, client).unsentBytes > 0);
  await send(t, gateway.port, [header(2), get('/numbers')]); // which is answered in a later turn
  gateway.child.kill('SIGSTOP');
  const state = () => /\) (.)/.exec(readFileSync(`/proc/${gateway.pid}/stat`, 'utf8'))?.[1];
  await until('it stands still', () => state() === 'T');
  wire.resume();
  await until('the client has read all', () => kernelQueues(server, client).unsentBytes === 0);
  wire.socket.write(Buffer.concat([header(3), get('/stream/1')]));
  await until('the second request is there', () => kernelQueues(server, client).unreadBytes > 0);
  gateway.child.kill('SIGCONT');
  await send(t, gateway.port, [header(5), get('/numbers')]); // which is answered behind it
  t.match(await (await fetch(`${gateway.apiUrl}/ids/1`)).json(), { subscribers: 0 });
  await wire.untilClosed();
  t.equal(wire.bytes.toString('latin1').split('HTTP/1.1 200 OK').length, 1 + 1, 'one answer');
});

t.test('a large answer comes whole, and then the connection ends', async (t) => {
  const gateway = await start(t);
  const wire = await send(t, gateway.port, [header(1), get('/demo/mqtt.js')]);
  await wire.untilComplete();
  t.equal(wire.header('Connection'), 'close');
  await wire.untilClosed();
});

const haproxy = await findHaproxy();
const noHaproxy = 'missing' in haproxy ? { skip: haproxy.missing } : {};

t.test('HAProxy that passes bytes on, with send-proxy-v2', noHaproxy, async (t) => {
  const gateway = await start(
    t,
    '--mqtt-max-pending-connects-per-address',
    '1',
    '--trusted-proxies',
    '127.0.0.1',
  );
  const sections = plainSections().replace('default_backend', 'mode tcp\n  default_backend');
  const tcp = sections.replace(
    '  server encke 127.0.0.1:8000',
    '  mode tcp\n  server encke 127.0.0.1:8000 send-proxy-v2',
  );
  const front = await Haproxy.start((haproxy as { path: string }).path, gateway.port, tcp);
  t.teardown(() => front.stop());
  const statusFrom = async (from: string) => (await send(t, front.port, [get('/stream/1')], from)).status;
  t.equal(await statusFrom('127.0.0.2'), 200);
  t.equal(await statusFrom('127.0.0.3'), 200, 'another client');
  t.equal(await statusFrom('127.0.0.3'), 429);
  t.equal(
    (await send(t, front.port, [header(7), get('/stream/1')], '127.0.0.3')).closed,
    true,
    'a client that lies',
  );
  const mqtt = await RealClient.connectTo(t, `ws://127.0.0.1:${front.port}/mqtt`);
  await mqtt.subscribe('m');
  await gateway.send('m', 'Hello');
  await until('it has come', () => mqtt.texts('m').length === 1);
});
