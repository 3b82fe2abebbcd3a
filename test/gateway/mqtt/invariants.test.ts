import { isDeepStrictEqual } from 'node:util';
import t, { type Test } from 'tap';
import { connect, pingreq, publish, subscribe } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { freePort } from '../../free-port.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';
import { census } from '../census.js';
import { ask, Wire } from '../raw-wire.js';
import { type Ending, endings } from './endings.js';
import { connectRaw } from './raw-client.js';

oneProcessFile('it counts what one process holds: sockets, sessions, bytes');

/**
 * However MQTT connections end: connections of the gateway = sockets of the process, sessions with a client =
 * connections that said CONNECT, subscriptions = those of sessions. And when all have gone, nothing is left of them.
 */

const flags = [
  ...[
    '--mqtt-idle-timeout',
    '1',
    '--mqtt-sys-interval',
    '0',
    '--mqtt-presence',
    'false',
    '--log-level',
    'error',
  ],
  ...['--mqtt-max-awaiting-rel', '3', '--pending-bytes-max', '200000', '--mqtt-max-packet-size', '70000'],
];

/** Connections, sessions and filters, counted by the gateway, its router, its sessions and the kernel. */
async function count(gateway: GatewayProcess) {
  const counted = await census(gateway);
  const { mqtt, router, slowConsumers } = (await ask(gateway.apiPort, '/stats')).json;
  const { sessions, connected, persistent, bytes, busy, alarms } = mqtt.sessions;
  const { filters, retained } = router;
  const { partialPackets, retainedReplays } = mqtt;
  const slow = slowConsumers.now;
  return {
    ...counted,
    ...{
      sessions,
      connected,
      persistent,
      bytes,
      busy,
      alarms,
      filters,
      retained,
      partialPackets,
      retainedReplays,
      slow,
    },
  };
}

/** Without a keep-alive connection to the API, which would be in the census for seconds. */
async function closed(gateway: GatewayProcess): Promise<Record<string, number>> {
  return (await ask(gateway.apiPort, '/stats')).json.connections.closed;
}

type Counts = Awaited<ReturnType<typeof count>>;

const nobody: Counts = {
  ...{ connections: 0, subscribers: 0, logins: 0, ids: 0, sockets: 0, countedSockets: 0, pendingBytes: 0 },
  ...{ sessions: 0, connected: 0, persistent: 0, bytes: 0, busy: 0, alarms: 0, filters: 0 },
  ...{ retained: 0, partialPackets: 0, retainedReplays: 0, slow: 0 },
};

/** One client that stays, subscribed to an id and to a filter. */
const bystander: Counts = {
  ...nobody,
  ...{
    connections: 1,
    sockets: 1,
    countedSockets: 1,
    sessions: 1,
    connected: 1,
    subscribers: 1,
    logins: 2,
    ids: 1,
    filters: 1,
  },
};

async function counts(t: Test, gateway: GatewayProcess, what: string, expected: Counts): Promise<void> {
  let counted = await count(gateway);
  const agrees = async () => {
    counted = await count(gateway);
    return isDeepStrictEqual(counted, expected);
  };
  await until(what, agrees, 15_000).catch(() => undefined);
  t.same(counted, expected, what);
}

/** The ending, `times` times over, `atOnce` at once. */
async function repeat(t: Test, gateway: GatewayProcess, ending: Ending, times: number): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < times) await ending(t, gateway, next++);
  };
  await Promise.all(Array.from({ length: 10 }, lane));
}

t.test('after every kind of end only who stayed is there, and is served', async (t) => {
  const gateway = await startGateway({ flags });
  t.teardown(() => gateway.kill());
  await counts(t, gateway, 'at the start there is nobody', nobody);
  const { descriptors } = gateway;
  const stays = await connectRaw(t, gateway, { clientId: 'bystander' });
  await stays.subscribe('by/stander', 1);
  await stays.subscribe('by/+/x', 0);
  await counts(t, gateway, 'one bystander', bystander);
  for (const [name, { ending, times = 40, reason }] of Object.entries(endings)) {
    const before = await closed(gateway);
    await repeat(t, gateway, ending, times);
    await counts(t, gateway, `after ${name}`, bystander);
    const after = await closed(gateway);
    if (reason !== undefined) t.ok(after[reason]! >= before[reason]! + times, `counted as ${reason}`);
    const answer = await ask(gateway.apiPort, '/send/by/stander', { method: 'POST', body: name });
    t.equal(answer.json.delivered, 1);
    const delivered = await stays.nextPublish();
    t.equal(delivered.payload, name);
    stays.send(Buffer.from([0x40, 2, delivered.id >> 8, delivered.id & 0xff]));
  }
  t.equal(gateway.log, '', 'nothing went wrong inside');
  await stays.disconnect();
  await counts(t, gateway, 'when all are gone, nobody is left', nobody);
  await until('no descriptor is left', () => gateway.descriptors === descriptors).catch(() => undefined);
  t.equal(gateway.descriptors, descriptors, 'no descriptor is left');
  const { opened } = (await ask(gateway.apiPort, '/stats')).json.connections;
  const ends = Object.values<number>(await closed(gateway)).reduce((sum, each) => sum + each, 0);
  t.equal(ends, opened, 'each end is counted once');
});

t.test('with a listener of its own, its sockets go as well', async (t) => {
  const port = await freePort();
  const gateway = await startGateway({ flags: [...flags, '--mqtt-port', String(port)] });
  t.teardown(() => gateway.kill());
  const { descriptors } = gateway;
  for (let n = 0; n < 100; n++) {
    const wire = await Wire.open(port);
    if (n % 2 === 0) wire.socket.write('GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgra');
    await (n % 3 === 0 ? wire.reset() : wire.close());
  }
  await until('no descriptor is left', () => gateway.descriptors === descriptors);
  t.equal((await gateway.stats()).connections.open, 0);
});

t.test('a retained replay under way goes with its connection', async (t) => {
  const gateway = await startGateway({ flags });
  t.teardown(() => gateway.kill());
  const lines = Array.from({ length: 60 }, (_, n) =>
    JSON.stringify({ id: `r/${n}`, data: 'x'.repeat(50_000), retain: true }),
  );
  for (let at = 0; at < 60; at += 20)
    await fetch(`${gateway.apiUrl}/send`, {
      method: 'POST',
      body: `${lines.slice(at, at + 20).join('\n')}\n`,
    });
  for (let n = 0; n < 40; n++) {
    const client = await connectRaw(t, gateway, { clientId: `replay-${n}`, clean: true });
    client.send(subscribe(1, ['r/#', n % 2], ['r/+', 1]), publish('r/7', 'more', { qos: 0 }), pingreq());
    if (n % 4 === 0) client.send(connect({ clientId: 'again' }));
    if (n % 4 === 0) await client.untilClosed();
    else await client.drop();
  }
  await counts(t, gateway, 'nobody is left, but what is retained', { ...nobody, retained: 60 });
});
