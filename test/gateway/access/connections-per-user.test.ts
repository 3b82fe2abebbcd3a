import t, { type Test } from 'tap';
import type { Identity } from '../../../access/identity.js';
import { until } from '../../until.js';
import { tryRaw } from '../mqtt/raw-client.js';
import { ask, basic, Wire } from '../raw-wire.js';
import { accepted, type RunningGateway, startFor, statsOf, userWith } from './in-process.js';

/** How many connections one user may have, over all transports together. */

const all = { permission: 'allow', action: 'all', filter: '#' } as const;
const root: Identity = { ...userWith('root', all), isSuperuser: true };
const nameless: Identity = { ...userWith('', all), userName: undefined };

async function start(t: Test): Promise<RunningGateway> {
  const answer = ({ userName = '' }) => {
    if (userName === 'root') return accepted(root);
    return accepted(userName === 'nameless' ? nameless : userWith(userName, all));
  };
  return (await startFor(t, answer, { connectionsPerUserMax: 3 })).running;
}

async function streamOf(t: Test, running: RunningGateway, user: string): Promise<Wire> {
  const wire = await Wire.open(running.port);
  t.teardown(() => wire.close());
  wire.ask('/stream/x', basic(user, 'x'));
  await until('it is answered', () => wire.head !== '');
  return wire;
}

const mqttOf = (t: Test, running: RunningGateway, userName: string, clientId: string) =>
  tryRaw(t, running, { clientId, userName, password: 'x' });

t.test(
  'streams, polls and MQTT connections of a user count together, and those of others do not',
  async (t) => {
    const running = await start(t);
    const stream = await streamOf(t, running, 'alice');
    t.equal(stream.status, 200);
    const poll = await Wire.open(running.port);
    t.teardown(() => poll.close());
    poll.ask('/poll/x?timeout=100', basic('alice', 'x'));
    await until('the poll waits', () => running.gateway.connectionsOpen === 2);
    const device = await mqttOf(t, running, 'alice', 'one');
    t.equal(device.code, 0);

    const tooMany = await ask(running.port, '/stream/x', basic('alice', 'x'));
    t.equal(tooMany.status, 429);
    t.equal(tooMany.header('Retry-After'), '10');
    t.match(tooMany.text, /Too many open connections of your user/);
    t.equal((await ask(running.port, '/poll/x?timeout=100', basic('alice', 'x'))).status, 429);
    t.equal(
      (await ask(running.port, '/poll/x?timeout=0', basic('alice', 'x'))).status,
      204,
      'it keeps nothing open',
    );
    const headers = { ...basic('alice', 'x').headers, Accept: 'text/event-stream' };
    t.match(
      (await ask(running.port, '/events/x', { headers })).text,
      /^retry: \d+$/m,
      'an EventSource comes back',
    );
    t.equal((await mqttOf(t, running, 'alice', 'two')).code, 3);
    t.equal(statsOf(running).connections.refused['too-many-of-user'], 4);
    t.match(running.log(), /"clientId":"two",.*"refusal":"too-many-of-user"/);

    t.equal((await streamOf(t, running, 'bob')).status, 200);
    await stream.close();
    await until('its place is free', () => running.gateway.connectionsOpen === 3);
    t.equal((await mqttOf(t, running, 'alice', 'two')).code, 0);
  },
);

t.test('a client that comes back with its client id takes the place that it had', async (t) => {
  const running = await start(t);
  for (const clientId of ['a', 'b', 'c']) t.equal((await mqttOf(t, running, 'alice', clientId)).code, 0);
  for (let n = 0; n < 5; n++) t.equal((await mqttOf(t, running, 'alice', 'b')).code, 0);
  t.equal((await mqttOf(t, running, 'alice', 'd')).code, 3);
  await until('three are left', () => running.gateway.connectionsOpen === 3);
});

t.test('superusers, and users without a name, have no such limit', async (t) => {
  const running = await start(t);
  for (const user of ['root', 'nameless'])
    for (let n = 0; n < 5; n++) t.equal((await streamOf(t, running, user)).status, 200);
});
