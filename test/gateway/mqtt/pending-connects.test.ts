import { connect as connectTo, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { connect } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { findHaproxy, Haproxy } from '../../haproxy.js';
import { connectPacket, frame, upgradeRequest } from '../../mqtt-bytes.js';
import { oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';
import { closing, connectRaw, openRaw } from './raw-client.js';

oneProcessFile('connections before their CONNECT; nothing crosses');

/** How many connections there may be that have not said an acceptable CONNECT, and what becomes of one more. */

/** No connection is old enough to make room for another, however busy the machine is. */
const unhurried = ['--mqtt-pending-connect-grace-ms', '60000'];

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
    const gateway = await start(t, ...unhurried);
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
        largestHolder: { address: '127.0.0.2', holds: 64 },
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
  const gateway = await start(t, '--mqtt-max-pending-connects', '10', ...unhurried);
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

const closedOf = async (gateway: GatewayProcess) => (await gateway.stats()).connections.closed;

t.test(
  'sixteen addresses that say nothing keep nobody out: the oldest make room, counted and logged',
  async (t) => {
    const gateway = await start(
      t,
      ...['--mqtt-max-pending-connects', '64', '--mqtt-max-pending-connects-per-address', '4'],
      ...['--mqtt-pending-connect-grace-ms', '500'],
    );
    const openedMs = performance.now();
    const silent: Socket[] = [];
    for (let n = 0; n < 64; n++) silent.push((await upgrade(t, gateway, `127.0.0.${2 + (n >> 2)}`))[0]);
    const closed: number[] = [];
    silent.forEach((socket, n) => void socket.once('close', () => closed.push(n)));
    let [, status] = await upgrade(t, gateway, '127.0.0.99');
    if (performance.now() - openedMs < 500)
      t.equal(status, '503', 'while all are young, the new one is refused');
    await until('an honest one is let in', async () => {
      [, status] = await upgrade(t, gateway, '127.0.0.99');
      return status === '101';
    });
    t.ok(performance.now() - openedMs < 5_000, 'long before --mqtt-idle-timeout');
    await until('the first of them has gone', () => closed.includes(0));
    for (let n = 0; n < 20; n++)
      await until(
        'the next one is let in',
        async () => (await upgrade(t, gateway, `127.0.1.${n}`))[1] === '101',
      );
    t.ok((await closedOf(gateway))['connect-overdue'] >= 21);
    t.equal(await pendingOf(gateway), 64);
    await until('it is logged', () => gateway.log.includes('"connect-overdue"'));
    const line = JSON.parse(gateway.log.split('\n').find((each) => each.includes('"connect-overdue"'))!);
    t.match(line, { address: '127.0.0.2', setting: '--mqtt-max-pending-connects', limit: 64 });
    t.ok(line.pendingMs >= 500);
  },
);

t.test('at the limit of its address, too, the oldest makes room', async (t) => {
  const gateway = await start(
    t,
    ...['--mqtt-max-pending-connects-per-address', '3', '--mqtt-pending-connect-grace-ms', '200'],
  );
  const [first] = await upgrade(t, gateway, '127.0.0.2');
  const [other] = await upgrade(t, gateway, '127.0.0.3');
  const gone = new Promise((resolve) => first.once('close', resolve));
  for (let n = 0; n < 2; n++) await upgrade(t, gateway, '127.0.0.2');
  await until('there is room again', async () => (await upgrade(t, gateway, '127.0.0.2'))[1] === '101');
  await gone;
  t.equal((await closedOf(gateway))['connect-overdue'], 1);
  other.write(frame(connectPacket('other')));
  await until('another address keeps its own', async () => (await gateway.stats()).mqtt.connacks[0] === 1);
});

const found = await findHaproxy();
const noHaproxy = 'missing' in found ? { skip: found.missing } : {};

t.test('a storm of clients through one proxy comes in, whatever strangers hold', noHaproxy, async (t) => {
  const gateway = await start(
    t,
    ...['--mqtt-max-pending-connects', '200', '--mqtt-max-pending-connects-per-address', '0'],
    ...['--mqtt-pending-connect-grace-ms', '1000'],
  );
  const proxy = await Haproxy.start((found as { path: string }).path, gateway.port);
  t.teardown(() => proxy.stop());
  for (let n = 0; n < 190; n++) await upgrade(t, gateway, `127.0.0.${2 + (n >> 4)}`);
  // 1,000 at once for 200 places, as 5,000 for the 1,000 of the default. They say CONNECT a round trip later.
  let [accepted, refused] = [0, 0];
  const one = async (n: number) => {
    for (;;) {
      const outcome = await connectThrough(t, proxy.port, `device-${n}`, 50 + (n % 10) * 10);
      if (outcome === 'accepted') return accepted++;
      refused++;
      await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 900));
    }
  };
  const startedMs = performance.now();
  await Promise.all(Array.from({ length: 1_000 }, (_, n) => one(n)));
  t.equal(accepted, 1_000);
  t.equal((await gateway.stats()).mqtt.sessions.connected, 1_000);
  t.comment(`${((performance.now() - startedMs) / 1000).toFixed(1)} s, ${refused} refused on the way`);
  t.ok((await closedOf(gateway))['connect-overdue'] >= 1, 'the strangers made room');
});

/** One that keeps its connection where it is accepted. @param roundTripMs until CONNECT is there */
async function connectThrough(
  t: Test,
  port: number,
  clientId: string,
  roundTripMs: number,
): Promise<'accepted' | 'refused'> {
  const socket = connectTo({ port, host: '127.0.0.1' });
  t.teardown(() => socket.destroy());
  socket.on('error', () => undefined);
  return new Promise((resolve) => {
    const refused = () => {
      socket.destroy();
      resolve('refused');
    };
    socket.once('close', refused);
    socket.once('data', (answer) => {
      if (!answer.toString('latin1').startsWith('HTTP/1.1 101')) return refused();
      socket.once('data', () => resolve('accepted'));
      setTimeout(() => socket.write(frame(connectPacket(clientId))), roundTripMs);
    });
    socket.write(upgradeRequest);
  });
}
