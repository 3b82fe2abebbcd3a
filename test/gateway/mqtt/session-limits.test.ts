import t, { type Test } from 'tap';
import { puback, subscribe } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { RawMqtt } from '../../conformance/mqtt-3.1.1/raw-mqtt.js';
import type { Publication } from '../../conformance/mqtt-3.1.1/received-packet.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';
import { connectRaw, tryRaw } from './raw-client.js';

oneProcessFile('queues and windows in the memory of one process');

/** Limits of one session and of all sessions, and what happens past them. */

async function start(t: Test, ...flags: string[]): Promise<GatewayProcess> {
  const gateway = await startGateway({
    flags: ['--mqtt-presence', 'false', '--mqtt-sys-interval', '0', ...flags],
  });
  t.teardown(() => gateway.kill());
  return gateway;
}

const sessionStats = async (gateway: GatewayProcess) => (await gateway.stats()).mqtt.sessions;

/** A session that is subscribed, and whose client has left. */
async function leaveSession(
  t: Test,
  gateway: GatewayProcess,
  clientId: string,
  filter: string,
): Promise<void> {
  const client = await connectRaw(t, gateway, { clientId, clean: false });
  await client.subscribe(filter, 1);
  await client.disconnect();
}

async function sendMany(
  gateway: GatewayProcess,
  id: string,
  count: number,
  bytes = 0,
  from = 0,
): Promise<void> {
  const lines = Array.from({ length: count }, (_, n) =>
    JSON.stringify({ id, data: `${from + n}`.padEnd(bytes, '.') }),
  );
  const response = await fetch(`${gateway.apiUrl}/send`, { method: 'POST', body: `${lines.join('\n')}\n` });
  if (response.status !== 200) throw new Error(await response.text());
}

/** Comes back and acknowledges as it goes. @returns the numbers of the messages that waited */
async function comeBack(
  t: Test,
  gateway: GatewayProcess,
  clientId: string,
): Promise<{ client: RawMqtt; numbers: number[] }> {
  const { client, sessionPresent } = await tryRaw(t, gateway, { clientId, clean: false });
  t.ok(sessionPresent, 'its session was there');
  return { client, numbers: await acknowledgeAll(client) };
}

async function acknowledgeAll(client: RawMqtt): Promise<number[]> {
  const numbers: number[] = [];
  for (;;) {
    const publications = (await client.untilPong()) as Publication[];
    if (publications.length === 0) return numbers;
    for (const { payload } of publications) numbers.push(Number.parseInt(payload, 10));
    client.send(...publications.map(({ id }) => puback(id)));
  }
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n);

for (const [policy, kept] of [
  ['oldest', range(15, 25)],
  ['newest', range(0, 10)],
] as const) {
  t.test(`a full queue drops the ${policy}, and raises one alarm on its way there`, async (t) => {
    const gateway = await start(
      t,
      '--mqtt-max-mqueue',
      '10',
      '--mqtt-mqueue-drop',
      policy,
      '--mqtt-max-inflight',
      '2',
    );
    await leaveSession(t, gateway, 'away', 'q');
    await sendMany(gateway, 'q', 5);
    t.match(
      await sessionStats(gateway),
      { alarms: 0, alarmsRaised: 0 },
      'under the high watermark there is none',
    );
    await sendMany(gateway, 'q', 20, 0, 5);
    t.match(await sessionStats(gateway), { alarms: 1, alarmsRaised: 1, dropped: { 'mqueue-full': 15 } });
    t.equal(gateway.log.match(/past its high watermark/g)?.length, 1, 'logged once');
    t.match(gateway.log, '"clientId":"away"');
    const { client, numbers } = await comeBack(t, gateway, 'away');
    t.same(numbers, kept, 'and the others are there, in order');
    t.match(await sessionStats(gateway), { alarms: 0, alarmsRaised: 1, bytes: 0, busy: 0 });
    t.equal(gateway.log.match(/under its low watermark/g)?.length, 1);
    await client.disconnect();
    await sendMany(gateway, 'q', 10);
    t.match(await sessionStats(gateway), { alarms: 1, alarmsRaised: 2 }, 'it may come again');
  });
}

t.test('a connected client that does not acknowledge fills the same queue', async (t) => {
  const gateway = await start(t, '--mqtt-max-mqueue', '10', '--mqtt-max-inflight', '3');
  const client = await connectRaw(t, gateway);
  await client.subscribe('q', 1);
  await sendMany(gateway, 'q', 50);
  t.match(await sessionStats(gateway), { dropped: { 'mqueue-full': 37 }, alarms: 1 });
  t.same(await acknowledgeAll(client), [0, 1, 2, ...range(40, 50)]);
  t.match(await sessionStats(gateway), { alarms: 0, bytes: 0, busy: 0 });
});

t.test('QoS 0 is queued with --mqtt-mqueue-qos0, and counted as lost without', async (t) => {
  for (const queued of [true, false]) {
    const gateway = await start(t, '--mqtt-mqueue-qos0', String(queued), '--mqtt-max-mqueue', '5');
    const first = await connectRaw(t, gateway, { clientId: 'away', clean: false });
    await first.subscribe('q', 0);
    await first.disconnect();
    await sendMany(gateway, 'q', 7);
    const { dropped } = await sessionStats(gateway);
    t.match(dropped, queued ? { 'mqueue-full': 2, 'qos0-offline': 0 } : { 'qos0-offline': 7 });
    const { client } = await tryRaw(t, gateway, { clientId: 'away', clean: false });
    const numbers = ((await client.untilPong()) as Publication[]).map(({ payload }) => Number(payload));
    t.same(numbers, queued ? range(2, 7) : []);
  }
});

t.test(
  'past --mqtt-max-sessions a new session is refused with return code 3 where all have their clients',
  async (t) => {
    const gateway = await start(t, '--mqtt-max-sessions', '2');
    const one = await connectRaw(t, gateway, { clientId: 'one', clean: false });
    const two = await connectRaw(t, gateway, { clientId: 'two', clean: false });
    const refused = await tryRaw(t, gateway, { clientId: 'three', clean: false });
    t.equal(refused.code, 3);
    await refused.client.untilClosed();
    t.equal((await tryRaw(t, gateway, { clientId: 'three' })).code, 0, 'a clean one is not');
    const back = await tryRaw(t, gateway, { clientId: 'one', clean: false });
    t.same([back.code, back.sessionPresent], [0, true], 'nor is one that is there');
    await one.untilClosed(); // taken over
    t.match(await sessionStats(gateway), {
      persistent: 2,
      refused: 1,
      connected: 3,
      evicted: { 'sessions-full': 0 },
    });
    t.equal((await tryRaw(t, gateway, { clientId: 'one' })).code, 0, 'it gives up its session');
    t.equal((await tryRaw(t, gateway, { clientId: 'four', clean: false })).code, 0, 'and so there is room');
    await two.disconnect();
  },
);

t.test('all queues and windows together stay under --mqtt-sessions-bytes-total-max', async (t) => {
  const bytesMax = 50_000;
  const gateway = await start(t, '--mqtt-sessions-bytes-total-max', String(bytesMax));
  for (const clientId of ['a', 'b', 'c']) await leaveSession(t, gateway, clientId, 'q');
  const stuck = await connectRaw(t, gateway, { clientId: 'stuck' });
  await stuck.subscribe('q', 1);
  await sendMany(gateway, 'q', 60, 1000);
  const { bytes, dropped } = await sessionStats(gateway);
  t.ok(bytes <= bytesMax && bytes > bytesMax - 4 * 1500, `${bytes} bytes`);
  const lost = dropped['sessions-bytes'] + dropped['mqueue-full'];
  let received = (await acknowledgeAll(stuck)).length;
  for (const clientId of ['a', 'b', 'c']) {
    const { numbers } = await comeBack(t, gateway, clientId);
    t.same(
      numbers,
      [...numbers].sort((a, b) => a - b),
      'in order',
    );
    t.equal(new Set(numbers).size, numbers.length, 'once each');
    received += numbers.length;
  }
  t.equal(received + lost, 4 * 60, 'every loss is counted');
  t.match(await sessionStats(gateway), { bytes: 0, busy: 0, alarms: 0 });
  await sendMany(gateway, 'q', 5, 1000);
  t.same(await acknowledgeAll(stuck), range(0, 5), 'and on it goes');
});

t.test('a session ends --mqtt-session-expiry after its client has gone, and not before', async (t) => {
  const gateway = await start(t, '--mqtt-session-expiry', '4'); // on a busy machine 50 of them take a while
  const staying = await connectRaw(t, gateway, { clientId: 'staying', clean: false });
  await staying.subscribe('q', 1);
  for (let n = 0; n < 50; n++) await leaveSession(t, gateway, `away-${n}`, 'q');
  await sendMany(gateway, 'q', 10);
  await until('they have expired', async () => (await sessionStats(gateway)).expired === 50, 10_000);
  const { connections, router } = await gateway.stats();
  t.match(await sessionStats(gateway), {
    sessions: 1,
    persistent: 1,
    dropped: { 'session-ended': 500 },
    alarms: 0,
  });
  t.match(router, { logins: 1, subscribers: 1, ids: 1 });
  t.equal(connections.open, 1);
  t.same(await acknowledgeAll(staying), range(0, 10));
  t.match(await sessionStats(gateway), { bytes: 0, busy: 0 });
  const again = await tryRaw(t, gateway, { clientId: 'away-1', clean: false });
  t.notOk(again.sessionPresent);
  again.client.send(subscribe(1, ['other', 0]));
  t.match(await again.client.next(), { type: 'SUBACK' });
  t.equal((await gateway.stats()).router.logins, 2);
});
