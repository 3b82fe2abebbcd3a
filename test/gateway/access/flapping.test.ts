import { pino } from 'pino';
import t, { type Test } from 'tap';
import { nobody, UserIdentity } from '../../../access/identity.js';
import { Rules } from '../../../access/rules.js';
import { Identities } from '../../../gateway/identities.js';
import { Flapping } from '../../../gateway/mqtt/flapping.js';
import { SampledLog } from '../../../gateway/sampled-log.js';
import type { Connect } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { until } from '../../until.js';
import { connectRaw, tryRaw } from '../mqtt/raw-client.js';
import { accepted, type RunningGateway, startFor, statsOf, userWith } from './in-process.js';

/** A client id whose connections end again and again is held off. */

const hour = { mqttFlappingWindowTime: 3_600 };
const all = { permission: 'allow', action: 'all', filter: '#' } as const;

const start = async (t: Test, flags: Record<string, unknown> = {}) =>
  (await startFor(t, ({ userName = '' }) => accepted(userWith(userName, all)), { ...hour, ...flags }))
    .running;

/** Connects and vanishes. @returns the return codes */
async function flap(t: Test, running: RunningGateway, times: number, options: Connect) {
  const codes: number[] = [];
  for (let n = 0; n < times; n++) {
    const { client, code } = await tryRaw(t, running, options);
    codes.push(code);
    await client.drop();
    await until('it has gone', () => statsOf(running).mqtt.sessions.connected === 0);
  }
  return codes;
}

t.test('more than 15 ends in the window: CONNACK 3, counted and logged, and others are let in', async (t) => {
  const running = await start(t);
  const user = { userName: 'alice', password: 'x' };
  t.same(await flap(t, running, 18, { clientId: 'loop', ...user }), [...Array(16).fill(0), 3, 3]);
  const { mqtt, connections } = statsOf(running);
  t.match([mqtt.heldOff, connections.refused.flapping], [1, 2]);
  t.match(running.log(), /"reason":"flapping","clientId":"loop","lastEnd":"peer-closed","ends":16/);
  t.match(running.log(), /"clientId":"loop",.*"refusal":"flapping"/);
  t.equal((await tryRaw(t, running, { clientId: 'other', ...user })).code, 0);
  t.equal((await tryRaw(t, running, { clientId: 'loop', userName: 'bob', password: 'x' })).code, 0);
});

t.test('a client that says DISCONNECT may come as often as it likes', async (t) => {
  const running = await start(t);
  for (let n = 0; n < 40; n++) {
    const client = await connectRaw(t, running, { clientId: 'script' });
    client.send(Buffer.from([0xe0, 0]));
    await client.untilClosed();
  }
  t.equal(statsOf(running).connections.refused.flapping, 0);
  t.equal(statsOf(running).connections.closed.disconnected, 40);
});

t.test('of two that fight over a client id, the one that is connected stays', async (t) => {
  const running = await start(t);
  let last = await connectRaw(t, running, { clientId: 'twin' });
  let code = 0;
  for (let n = 0; n < 20 && code === 0; n++) {
    const next = await tryRaw(t, running, { clientId: 'twin' });
    code = next.code;
    if (code === 0) last = next.client;
  }
  t.equal(code, 3);
  t.same(await last.untilPong(), []);
  t.equal(statsOf(running).connections.closed['taken-over'], 16);
});

t.test('it is let in again when its time is over', async (t) => {
  const running = await start(t, { mqttFlappingMaxCount: 1, mqttFlappingBanTime: 1 });
  const held = async () => (await flap(t, running, 1, { clientId: 'loop' }))[0] === 3;
  await until('it is held off', held);
  await until('it is let in', async () => !(await held()));
  t.ok(statsOf(running).mqtt.heldOff >= 1);
});

t.test('0 = nobody is held off', async (t) => {
  const running = await start(t, { mqttFlappingMaxCount: 0 });
  t.same(await flap(t, running, 20, { clientId: 'loop' }), Array(20).fill(0));
});

t.test('client ids without end displace neither one that is held off nor one that is counted', async (t) => {
  let sec = 100;
  const log = new SampledLog(pino({ level: 'silent' }));
  const options = { maxCount: 15, windowSec: 60, holdSec: 300 };
  const flapping = new Flapping(options, new Identities(false, 1), log, () => sec);
  const alice = new UserIdentity('alice', Rules.none);
  const end = (clientId: string, identity = nobody) => flapping.noteEnd(clientId, identity, 'peer-closed');
  for (let n = 0; n < 16; n++) end('held', alice);
  for (let n = 0; n < 15; n++) end('counted');
  t.ok(flapping.holds('held', alice));
  t.notOk(flapping.holds('held', nobody), 'that of another user');
  t.notOk(flapping.holds('counted', nobody));
  for (let n = 0; n < 150_000; n++) end(`herd-${n}`); // more than twice as many as there are places
  t.ok(flapping.holds('held', alice));
  end('counted');
  t.ok(flapping.holds('counted', nobody));
  t.equal(flapping.heldOff, 2);
  sec += 300;
  t.notOk(flapping.holds('held', alice));
  for (let n = 0; n < 15; n++) end('held', alice);
  t.notOk(flapping.holds('held', alice), 'it begins anew');
});
