import { connect as connectTo, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { connect } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { connectPacket, frame, upgradeRequest } from '../../mqtt-bytes.js';
import { oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';
import { closing, connectRaw, openRaw } from './raw-client.js';

oneProcessFile('connections before their CONNECT; nothing crosses');

/** How many connections there may be that have not said an acceptable CONNECT, and what becomes of one more. */

async function start(t: Test, ...flags: string[]): Promise<GatewayProcess> {
  const gateway = await startGateway({ flags });
  t.teardown(() => gateway.kill());
  return gateway;
}

/** A WebSocket, or what refused it. @returns the status of the answer to its upgrade */
async function upgrade(t: Test, { port }: GatewayProcess, localAddress: string): Promise<[Socket, string]> {
  const socket = connectTo({ port, host: '127.0.0.1', localAddress });
  t.teardown(() => socket.destroy());
  socket.on('error', () => undefined);
  let answer = '';
  socket.on('data', (bytes) => {
    answer += bytes.toString('latin1');
  });
  socket.write(upgradeRequest);
  await until('there is an answer', () => answer.includes('\r\n'));
  return [socket, answer.slice('HTTP/1.1 '.length, 'HTTP/1.1 '.length + 3)];
}

const pendingOf = async (gateway: GatewayProcess) => (await gateway.stats()).mqtt.pendingConnects;
const refusedOf = async (gateway: GatewayProcess) => (await gateway.stats()).connections.refused;

t.test(
  'one address has 64 by default; past it the upgrade is answered 429, counted and logged',
  async (t) => {
    const gateway = await start(t);
    const sockets: Socket[] = [];
    for (let n = 0; n < 64; n++) {
      const [socket, status] = await upgrade(t, gateway, '127.0.0.2');
      t.equal(status, '101');
      sockets.push(socket);
    }
    t.equal(await pendingOf(gateway), 64);
    t.equal((await upgrade(t, gateway, '127.0.0.2'))[1], '429');
    t.equal((await upgrade(t, gateway, '127.0.0.3'))[1], '101', 'another address has its own');
    t.equal((await refusedOf(gateway))['too-many-pending-from-address'], 1);
    await until('it is logged', () => gateway.log.includes('too-many-pending-from-address'));
    t.match(
      JSON.parse(gateway.log.split('\n').find((line) => line.includes('too-many-pending-from-address'))!),
      {
        address: '127.0.0.2',
        setting: '--mqtt-max-pending-connects-per-address',
        limit: 64,
      },
    );
    sockets[0]!.write(frame(connectPacket('accepted')));
    await until('one is accepted', async () => (await pendingOf(gateway)) === 64);
    t.equal((await upgrade(t, gateway, '127.0.0.2'))[1], '101', 'an accepted CONNECT makes room');
    sockets[1]!.destroy();
    await until('one is gone', async () => (await pendingOf(gateway)) === 64);
    t.equal((await upgrade(t, gateway, '127.0.0.2'))[1], '101', 'and so does one that goes');
    t.equal((await upgrade(t, gateway, '127.0.0.2'))[1], '429');
  },
);

t.test('all addresses together have --mqtt-max-pending-connects, and 503 past it', async (t) => {
  const gateway = await start(t, '--mqtt-max-pending-connects', '10');
  const sockets: Socket[] = [];
  for (let n = 0; n < 10; n++) sockets.push((await upgrade(t, gateway, `127.0.0.${n + 2}`))[0]);
  t.equal((await upgrade(t, gateway, '127.0.0.50'))[1], '503');
  t.equal((await refusedOf(gateway))['too-many-pending-connects'], 1);
  await until('it is logged', () =>
    gateway.log.includes('"setting":"--mqtt-max-pending-connects","limit":10'),
  );
  for (const socket of sockets) socket.destroy();
  await until('they are gone', async () => (await pendingOf(gateway)) === 0);
  t.equal((await upgrade(t, gateway, '127.0.0.50'))[1], '101');
});

t.test('a refused CONNECT, and one that stays out, give their place back', async (t) => {
  const gateway = await start(t, '--mqtt-max-pending-connects-per-address', '2', '--mqtt-idle-timeout', '1');
  const refused = await openRaw(t, gateway);
  refused.send(connect({ clientId: '', clean: false }));
  await refused.untilClosed();
  const silent = await openRaw(t, gateway);
  t.equal(await pendingOf(gateway), 1);
  t.equal(await closing(silent), '1008 idle-timeout');
  t.equal(await pendingOf(gateway), 0);
});

t.test('0 is no limit, and who is connected does not count', async (t) => {
  const gateway = await start(
    t,
    ...['--mqtt-max-pending-connects-per-address', '0', '--mqtt-max-pending-connects', '0'],
  );
  for (let n = 0; n < 70; n++) t.equal((await upgrade(t, gateway, '127.0.0.2'))[1], '101');
  const usual = await start(t, '--mqtt-max-pending-connects-per-address', '1');
  for (let n = 0; n < 5; n++) await connectRaw(t, usual);
  t.equal(await pendingOf(usual), 0);
});
