import { connect as connectTo } from 'node:net';
import t, { type Test } from 'tap';
import { connect, disconnect, publish, subscribe } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { frame, upgradeRequest } from '../../mqtt-bytes.js';
import { oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';
import { connectRaw, tryRaw } from './raw-client.js';

oneProcessFile('the room for sessions of one process');

/** Sessions whose client is away: how many an address and a user name may have, and which go where the room is full. */

async function start(t: Test, ...flags: string[]): Promise<GatewayProcess> {
  const gateway = await startGateway({
    flags: ['--mqtt-presence', 'false', '--mqtt-sys-interval', '0', ...flags],
  });
  t.teardown(() => gateway.kill());
  return gateway;
}

const sessionStats = async (gateway: GatewayProcess) => (await gateway.stats()).mqtt.sessions;

/** Connects from this address with clean session 0, says these packets, and leaves its session behind. */
async function leave(
  { port }: GatewayProcess,
  localAddress: string,
  clientId: string,
  options: { userName?: string; packets?: Buffer[] } = {},
): Promise<void> {
  const { userName, packets = [] } = options;
  const socket = connectTo({ port, host: '127.0.0.1', localAddress });
  socket.on('error', () => undefined);
  let answered = false;
  const done = new Promise((resolve) => socket.once('close', resolve));
  socket.on('data', () => {
    if (answered) return;
    answered = true;
    const hello = connect({ clientId, clean: false, ...(userName !== undefined && { userName }) });
    socket.end(frame(hello, ...packets, disconnect()));
  });
  socket.write(upgradeRequest);
  await done;
}

async function leaveMany(
  gateway: GatewayProcess,
  count: number,
  address: string,
  prefix: string,
): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) await leave(gateway, address, `${prefix}${next++}`);
  };
  await Promise.all(Array.from({ length: 20 }, lane));
}

async function isPresent(t: Test, gateway: GatewayProcess, clientId: string): Promise<boolean> {
  const { client, code, sessionPresent } = await tryRaw(t, gateway, { clientId, clean: false });
  t.equal(code, 0, `${clientId} is let in`);
  await client.drop();
  return sessionPresent;
}

t.test('a flood of sessions from one address ends its own, and lets new clients in', async (t) => {
  const gateway = await start(t, '--mqtt-max-sessions', '500');
  for (const [clientId, address] of [
    ['phone', '127.0.0.3'],
    ['tablet', '127.0.0.4'],
  ] as const)
    await leave(gateway, address, clientId, { packets: [subscribe(1, ['news', 1])] });
  const watcher = await connectRaw(t, gateway);
  watcher.send(publish('news', 'x', { qos: 1, id: 1 }));
  await leaveMany(gateway, 2000, '127.0.0.2', 'flood-');
  await until('all are away', async () => (await sessionStats(gateway)).connected === 1);
  const { persistent, refused, evicted, dropped } = await sessionStats(gateway);
  t.match(
    { persistent, refused, evicted },
    { persistent: 500, refused: 0, evicted: { 'sessions-full': 1502 } },
  );
  t.equal(dropped['session-evicted'], 0, 'nothing that was waiting is lost');
  const newcomer = await tryRaw(t, gateway, { clientId: 'newcomer', clean: false });
  t.equal(newcomer.code, 0);
  for (const clientId of ['phone', 'tablet']) {
    const { client, sessionPresent } = await tryRaw(t, gateway, { clientId, clean: false });
    t.ok(sessionPresent, clientId);
    t.match(await client.untilPong(), [{ topic: 'news', payload: 'x' }], 'and what waited is there');
  }
  t.notOk(await isPresent(t, gateway, 'flood-0'), 'of the flood the first have gone');
  t.match(gateway.log, /"reason":"session-evicted".*"address":"127.0.0.2".*"setting":"--mqtt-max-sessions"/);
});

t.test('of one address, what has the least to lose goes first', async (t) => {
  const gateway = await start(t, '--mqtt-max-sessions', '4');
  const watching = { packets: [subscribe(1, ['news', 1])] };
  await leave(gateway, '127.0.0.2', 'waiting', watching);
  const publisher = await connectRaw(t, gateway);
  publisher.send(publish('news', 'x', { qos: 1, id: 1 }));
  await publisher.untilPong();
  await leave(gateway, '127.0.0.2', 'watching', watching);
  await leave(gateway, '127.0.0.2', 'bare', {});
  await leave(gateway, '127.0.0.3', 'other', {});
  const one = await connectRaw(t, gateway, { clientId: 'one', clean: false });
  t.match(await sessionStats(gateway), { persistent: 4, evicted: { 'sessions-full': 1 } });
  const two = await connectRaw(t, gateway, { clientId: 'two', clean: false });
  const three = await connectRaw(t, gateway, { clientId: 'three', clean: false });
  t.match(
    await sessionStats(gateway),
    { persistent: 4, evicted: { 'sessions-full': 3 }, dropped: { 'session-evicted': 0 } },
    'bare and watching, and then one of two addresses with one each',
  );
  const four = await connectRaw(t, gateway, { clientId: 'four', clean: false });
  t.match(
    await sessionStats(gateway),
    { dropped: { 'session-evicted': 1 } },
    'what waited in the last is counted',
  );
  t.equal((await tryRaw(t, gateway, { clientId: 'five', clean: false })).code, 3, 'who is here stays');
  for (const client of [one, two, three, four]) t.same(await client.untilPong(), []);
});

t.test('an address and a user name may have so many sessions that are away', async (t) => {
  const gateway = await start(
    t,
    ...['--mqtt-max-away-sessions-per-address', '3', '--mqtt-max-away-sessions-per-user-name', '2'],
  );
  for (let n = 0; n < 5; n++) await leave(gateway, '127.0.0.2', `a${n}`);
  for (let n = 0; n < 3; n++) await leave(gateway, `127.0.0.${n + 3}`, `u${n}`, { userName: 'fleet' });
  await until('all have left', async () => (await sessionStats(gateway)).connected === 0);
  t.match(await sessionStats(gateway), {
    persistent: 5,
    evicted: { 'address-full': 2, 'user-name-full': 1, 'sessions-full': 0 },
  });
  const there = [];
  for (const clientId of ['a2', 'a3', 'a4', 'u1', 'u2']) there.push(await isPresent(t, gateway, clientId));
  t.same(there, [true, true, true, true, true], 'those that left last');
});

t.test(
  'a client that comes back over its old connection keeps its session, however full it is',
  async (t) => {
    const gateway = await start(t, '--mqtt-max-sessions', '1', '--mqtt-max-away-sessions-per-address', '1');
    const old = await connectRaw(t, gateway, { clientId: 'only', clean: false });
    const { sessionPresent } = await tryRaw(t, gateway, { clientId: 'only', clean: false });
    t.ok(sessionPresent);
    await old.untilClosed();
    t.match(await sessionStats(gateway), {
      persistent: 1,
      evicted: { 'sessions-full': 0, 'address-full': 0 },
    });
  },
);
