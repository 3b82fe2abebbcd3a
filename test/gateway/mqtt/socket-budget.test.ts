import { once } from 'node:events';
import { connect as connectTo, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { freePort } from '../../free-port.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { upgradeRequest } from '../../mqtt-bytes.js';
import { oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';

oneProcessFile('sockets and descriptors of one process');

/**
 * Sockets that are no connections of anybody: those that say nothing, and those that are being closed. Together with
 * the others they must never reach the descriptor limit, at which the process would spin.
 */

/** With --connections-max 20; 128 more are there to be told 503. */
const budget = 148;

async function start(t: Test, ...flags: string[]): Promise<GatewayProcess> {
  const gateway = await startGateway({ flags: ['--connections-max', '20', ...flags] });
  t.teardown(() => gateway.kill());
  return gateway;
}

async function open(t: Test, port: number): Promise<Socket> {
  const socket = connectTo({ port, host: '127.0.0.1', allowHalfOpen: true });
  t.teardown(() => socket.destroy());
  socket.on('error', () => undefined); // refused, or reset: both may be
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
  return socket;
}

t.test('two ports share one budget: idle sockets on one leave less for the other', async (t) => {
  const port = await freePort();
  const gateway = await start(t, '--mqtt-port', String(port));
  for (let n = 0; n < budget / 2; n++) await Promise.all([open(t, port), open(t, gateway.port)]);
  await until('both have stopped listening', async () => {
    const { sockets } = await gateway.stats();
    return sockets.gatewayPauses === 1 && sockets.mqttPauses === 1;
  });
  const { gateway: there, mqtt } = (await gateway.stats()).sockets;
  t.equal(there + mqtt, budget);
});

t.test('a peer that is being closed and does not close counts until its socket is gone', async (t) => {
  const gateway = await start(t);
  const sockets = [];
  for (let n = 0; n < budget; n++) {
    const socket = await open(t, gateway.port);
    socket.write(upgradeRequest);
    await once(socket, 'data');
    socket.write(Buffer.from([0x82, 0x81, 0, 0, 0, 0, 0xff])); // no MQTT: it gets a close frame, and keeps its end open
    sockets.push(socket);
    await until('it has been closed', async () => (await gateway.stats()).connections.open === 0);
  }
  t.match(await gateway.stats(), { sockets: { gateway: 0, gatewayPauses: 1 } });
  for (const socket of sockets) socket.destroy();
  await until(
    'it listens again',
    async () => {
      const late = connectTo(gateway.port, '127.0.0.1');
      const listens = await Promise.race([
        once(late, 'connect').then(() => true),
        once(late, 'error').then(() => false),
      ]).catch(() => false);
      late.destroy();
      return listens;
    },
    15_000,
  );
});
