import { connect } from 'node:net';
import t from 'tap';
import { startProcess } from '../../gateway-process.js';
import { until } from '../../until.js';
import { Authority } from '../cluster/certificates.js';
import { openRaw } from '../mqtt/raw-client.js';
import { openStream, Wire } from '../raw-wire.js';

/** --address-rules and --api-address-rules, on the sockets of clients. */

const flags = ['--address-rules', 'allow 127.0.0.1;deny all', '--api-address-rules', 'deny 127.0.0.2'];

/** Connects from there, and sends nothing. @returns whether the server has closed before it was sent anything */
async function isTurnedAway(port: number, from: string): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from });
  let closed = false;
  socket.on('error', () => undefined);
  socket.on('close', () => {
    closed = true;
  });
  socket.resume();
  await until('it is closed', () => closed);
  return closed;
}

t.test('sockets of other addresses are closed before anything is read from them', async (t) => {
  const gateway = await startProcess({ flags });
  t.teardown(() => gateway.kill());
  t.ok(await isTurnedAway(gateway.port, '127.0.0.3'));
  t.ok(await isTurnedAway(gateway.apiPort, '127.0.0.2'));
  await openStream(gateway.port, '/stream/1', '127.0.0.1');
  await openRaw(t, gateway);
  const { connections, sockets } = await gateway.stats();
  t.equal(connections.refused['address-denied'], 2);
  t.equal(connections.open, 2);
  t.equal(sockets.gateway, 2, 'none of them is counted any more');
  t.match(gateway.log, /"reason":"address-denied","address":"127\.0\.0\.3","setting":"--address-rules"/);
  t.match(gateway.log, /"reason":"address-denied","address":"127\.0\.0\.2","setting":"--api-address-rules"/);
});

t.test('many of them: the log has a few lines, and others are served meanwhile', async (t) => {
  const gateway = await startProcess({ flags });
  t.teardown(() => gateway.kill());
  await Promise.all(
    Array.from({ length: 300 }, (_, n) => isTurnedAway(gateway.port, `127.0.1.${1 + (n % 200)}`)),
  );
  const wire = await openStream(gateway.port, '/stream/1', '127.0.0.1');
  await gateway.send('1', 'Hello');
  await wire.saw('Hello');
  const { connections, sockets } = await gateway.stats();
  t.equal(connections.refused['address-denied'], 300);
  t.equal(sockets.gateway, 1);
  t.ok(
    gateway.log.split('"address-denied"').length <= 1 + 5 * 6,
    'five in ten seconds, however slow it is here',
  );
});

t.test('with TLS they are closed before the handshake', async (t) => {
  const { certFile, keyFile } = new Authority(t.testdir({}), 'authority').issue('server');
  const gateway = await startProcess({
    flags: [...flags, '--tls-cert-file', certFile, '--tls-key-file', keyFile],
  });
  t.teardown(() => gateway.kill());
  t.ok(await isTurnedAway(gateway.port, '127.0.0.3'));
  t.equal((await gateway.stats()).connections.refused['address-denied'], 1);
});

t.test('a client behind a trusted proxy is refused with 403', async (t) => {
  const gateway = await startProcess({
    flags: ['--address-rules', 'allow 192.0.2.0/24;deny all', '--trusted-proxies', '127.0.0.1'],
  });
  t.teardown(() => gateway.kill());
  for (const [from, status] of [
    ['192.0.2.7', 200],
    ['198.51.100.1', 403],
    ['192.0.2.7, 198.51.100.1', 403],
  ] as const) {
    const wire = await Wire.open(gateway.port);
    wire.ask('/numbers', { headers: { 'X-Forwarded-For': from } });
    await wire.untilComplete();
    t.equal(wire.status, status, from);
    await wire.close();
  }
  const unsaid = await Wire.open(gateway.port);
  unsaid.ask('/numbers');
  await unsaid.untilComplete();
  t.equal(unsaid.status, 403, "the proxy's own address, where it says none");
  await unsaid.close();
});
