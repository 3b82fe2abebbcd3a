import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { connect } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { RawMqtt } from '../../conformance/mqtt-3.1.1/raw-mqtt.js';
import { startGateway } from '../../gateway-process.js';
import { openRaw } from '../mqtt/raw-client.js';
import { basic, streamAs } from '../raw-wire.js';

/** The file of --auth-file changes while its users are connected. */

const users = `
  allow subscribe common
  user alice {plain}s:cret
    allow subscribe user/%u/#
    allow subscribe room/7
  user bob {plain}s:cret
    allow subscribe room/7
  client sensor-17
    allow subscribe sensor/%c
`;

async function start(t: Test) {
  const directory = t.testdir({ users });
  const path = join(directory, 'users');
  const gateway = await startGateway({ flags: ['--auth', 'file', '--auth-file', path] });
  t.teardown(() => gateway.kill());
  return {
    gateway,
    change(text: string): void {
      writeFileSync(join(directory, 'new'), text);
      renameSync(join(directory, 'new'), path);
    },
    stream: (id: string, user: string) => streamAs(t, gateway.port, `/stream/${id}`, basic(user, 's:cret')),
    async client(clientId: string, user?: string): Promise<RawMqtt> {
      const client = await openRaw(t, gateway);
      const credentials = user === undefined ? {} : { userName: user, password: 's:cret' };
      client.send(connect({ clientId, ...credentials }));
      t.match(await client.next(), { type: 'CONNACK', returnCode: 0 });
      return client;
    },
  };
}

t.test('what a user may no longer do ends, and all else goes on', async (t) => {
  const { change, stream, client } = await start(t);
  const [own, room, other, common] = await Promise.all([
    stream('user/alice/x', 'alice'),
    stream('room/7', 'alice'),
    stream('room/7', 'bob'),
    stream('common', 'bob'),
  ]);
  const device = await client('sensor-17');
  await device.subscribe('sensor/sensor-17');
  change(users.replace('    allow subscribe room/7\n  user bob', '  user bob'));
  await room.untilComplete();
  t.match(room.text, /^\{"closed":"not-allowed"\}$/m);
  change(users.replace('allow subscribe common', 'deny subscribe room/#'));
  await Promise.all([other.untilComplete(), common.untilComplete()]);
  for (const wire of [other, common]) t.match(wire.text, /^\{"closed":"not-allowed"\}$/m);
  t.notOk(own.complete);
  t.same(await device.untilPong(), [], 'the device goes on');
});

t.test('connections end with their user, its password or its client id', async (t) => {
  const { change, stream, client } = await start(t);
  const alice = await stream('room/7', 'alice');
  const bob = await stream('room/7', 'bob');
  const device = await client('sensor-17');
  change(users.replace('user alice {plain}s:cret', 'user alice {plain}other'));
  await alice.untilComplete();
  t.match(alice.text, /^\{"closed":"credentials-revoked"\}$/m);
  t.notOk(bob.complete);
  change('user bob {plain}s:cret\n  allow subscribe room/7\n');
  await device.untilClosed();
  t.equal(`${device.closeCode} ${device.closeReason}`, '1008 credentials-revoked');
  t.notOk(bob.complete);
  await bob.close();
});
