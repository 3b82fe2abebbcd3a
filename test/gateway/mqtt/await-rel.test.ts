import t, { type Test } from 'tap';
import { publish, pubrel } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { startProcess } from '../../gateway-process.js';
import { oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';
import { connectRaw, tryRaw } from './raw-client.js';

oneProcessFile('a session and its own client; nothing crosses');

/** A client that stands still for long between PUBLISH at QoS 2 and PUBREL, and comes back with the same message. */

async function start(t: Test, ...flags: string[]) {
  const gateway = await startProcess({ flags });
  t.teardown(() => gateway.kill());
  const watcher = await connectRaw(t, gateway);
  await watcher.subscribe('exactly/once');
  const client = await connectRaw(t, gateway, { clientId: 'still', clean: false });
  client.send(publish('exactly/once', 'x', { qos: 2, id: 7 }));
  t.match(await client.next(), { type: 'PUBREC', id: 7 });
  return { gateway, watcher };
}

type Started = Awaited<ReturnType<typeof start>>;

/** @returns what a watcher has of it all */
async function comeBack(t: Test, { gateway, watcher }: Started): Promise<unknown[]> {
  const { client, sessionPresent } = await tryRaw(t, gateway, { clientId: 'still', clean: false });
  t.equal(sessionPresent, true);
  client.send(publish('exactly/once', 'x', { qos: 2, id: 7, dup: true }));
  t.match(await client.next(), { type: 'PUBREC', id: 7 });
  client.send(pubrel(7));
  t.match(await client.next(), { type: 'PUBCOMP', id: 7 });
  client.send(publish('exactly/once', 'the next one', { qos: 2, id: 7 }));
  t.match(await client.next(), { type: 'PUBREC', id: 7 });
  return watcher.untilPong();
}

t.test('by default a message at QoS 2 is delivered once, however long PUBREL stays out', async (t) => {
  const byDefault = await start(t);
  const forgetful = await start(t, '--mqtt-await-rel-timeout', '1');
  const expired = async () => (await forgetful.gateway.stats()).mqtt.sessions.awaitingRelExpired === 1;
  await until('as long as the other one waits', expired); // and the client has stood still for longer
  t.equal((await byDefault.gateway.stats()).mqtt.sessions.awaitingRelExpired, 0);
  t.match(
    await comeBack(t, byDefault),
    [{ payload: 'x' }, { payload: 'the next one' }],
    'once [MQTT-4.3.3-2]',
  );
  const twice = [{ payload: 'x' }, { payload: 'x' }, { payload: 'the next one' }];
  t.match(await comeBack(t, forgetful), twice, 'a timeout is what would deliver it again');
});
