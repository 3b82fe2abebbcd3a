import t, { type Test } from 'tap';
import { PacketReader } from '../../../gateway/mqtt/packet-reader.js';
import { connect, field, publish, subscribe } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import type { RawMqtt } from '../../conformance/mqtt-3.1.1/raw-mqtt.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { nodeName, onTwoNodes } from '../../one-process.js';
import { closing, connectRaw, openRaw, tryRaw } from './raw-client.js';

/** Wills beyond the standard's statements: in which order they go out, what they may cost, where rules lead them. */

async function start(t: Test, ...flags: string[]): Promise<GatewayProcess> {
  const gateway = await startGateway({ flags });
  t.teardown(() => gateway.kill());
  return gateway;
}

/** In the order in which it was told: the payload, of presence the last level of the topic. */
async function told(watcher: RawMqtt): Promise<string[]> {
  const packets = await watcher.untilPong();
  return packets.map((packet) => {
    if (packet.type !== 'PUBLISH') return packet.type;
    return packet.topic.startsWith('$SYS') ? packet.topic.split('/').at(-1)! : packet.payload;
  });
}

t.test('the will of who is taken over goes out before all that the new connection sends', async (t) => {
  const gateway = await start(t);
  const watcher = await connectRaw(t, gateway);
  const everyStep = ['status/dev', `$SYS/brokers/${nodeName}/clients/dev/+`];
  watcher.send(subscribe(1, ...everyStep.map((filter) => [filter, 0] as [string, number])));
  t.match(await watcher.next(), { type: 'SUBACK' });
  const options = {
    clientId: 'dev',
    will: { topic: 'status/dev', payload: 'offline', retain: true },
  };
  await connectRaw(t, gateway, options);
  t.same(await told(watcher), ['connected']);
  const next = await openRaw(t, gateway);
  next.send(connect(options), publish('status/dev', 'online', { retain: true })); // in one frame, as it may
  t.match(await next.next(), { type: 'CONNACK', returnCode: 0 });
  await next.untilPong();
  const said = await told(watcher);
  if (!onTwoNodes) t.same(said, ['offline', 'disconnected', 'connected', 'online']);
  const ofStatus = said.filter((text) => text.endsWith('line'));
  t.same(ofStatus, ['offline', 'online'], 'on several nodes there is an order within each topic only');
  const late = await connectRaw(t, gateway);
  await late.subscribe('status/dev');
  t.match(await late.nextPublish(), { payload: 'online', retain: true }, 'and that is what stays');
});

t.test('a session that goes on gets the will of its own last connection', async (t) => {
  const gateway = await start(t);
  const options = { clientId: 'own', clean: false, will: { topic: 'own', payload: 'offline' } };
  const first = await connectRaw(t, gateway, options);
  await first.subscribe('own', 0);
  const next = await connectRaw(t, gateway, options);
  t.match(await next.untilPong(), [{ type: 'PUBLISH', payload: 'offline' }]);
});

t.test('rules rewrite the topic of a will as they do that of a PUBLISH', async (t) => {
  const rules = ['all old/# ^old/(.+)$ new/$1', 'pub bad/+ ^bad/(.+)$ $1/+', 'pub sys/+ ^sys/ $$SYS/'];
  const gateway = await start(t, '--mqtt-presence', 'false', '--mqtt-rewrite', rules.join(';'));
  const watcher = await connectRaw(t, gateway);
  watcher.send(subscribe(1, ['#', 0], ['$SYS/x', 0]));
  t.match(await watcher.next(), { type: 'SUBACK' });
  for (const topic of ['old/x', 'sys/x']) {
    const client = await connectRaw(t, gateway, { will: { topic, payload: topic } });
    await client.drop();
  }
  t.match(await watcher.nextPublish(), { topic: 'new/x', payload: 'old/x' });
  t.same(await watcher.untilPong(), [], 'what is led to $SYS goes nowhere');
  const willing = await openRaw(t, gateway);
  willing.send(connect({ clientId: 'bad', will: { topic: 'bad/x', payload: '' } }));
  t.equal(await closing(willing), '1002 malformed-packet', 'one that a rule makes no topic of');
});

t.test('a topic is checked before the rules and after them', async (t) => {
  const rules = ['pub + # x', 'pub bad/+ ^bad/(.+)$ $1/+'];
  const gateway = await start(t, '--mqtt-rewrite', rules.join(';'));
  const watcher = await connectRaw(t, gateway);
  await watcher.subscribe('#');
  for (const topic of ['a#', 'bad/x']) {
    for (const send of [publish(topic), connect({ clientId: 'w', will: { topic, payload: '' } })]) {
      const client = send[0] === 0x10 ? await openRaw(t, gateway) : await connectRaw(t, gateway);
      client.send(send);
      t.equal(await closing(client), '1002 malformed-packet', `${topic}, packet ${send[0]! >> 4}`);
    }
  }
  t.same(await watcher.untilPong(), []);
});

t.test('past --mqtt-wills-bytes-total-max a CONNECT with a will is refused with return code 3', async (t) => {
  const gateway = await start(t, '--mqtt-wills-bytes-total-max', '4096');
  const large = { will: { topic: 'will', payload: 'x'.repeat(3000) } };
  for (const leave of ['disconnect', 'drop'] as const) {
    const first = await connectRaw(t, gateway, large);
    const refused = await tryRaw(t, gateway, { clientId: 'second', ...large });
    t.equal(refused.code, 3);
    await refused.client.untilClosed();
    t.equal((await tryRaw(t, gateway, { clientId: 'without' })).code, 0, 'without a will');
    const small = { topic: 'will', payload: 'x' };
    t.equal((await tryRaw(t, gateway, { clientId: 'small', will: small })).code, 0, 'with a small one');
    await first[leave]();
    const second = await tryRaw(t, gateway, { clientId: 'second', ...large });
    t.equal(second.code, 0, `there is room again: ${leave}`);
    await second.client.disconnect();
  }
  t.equal((await gateway.stats()).mqtt.connacks[3], 2);
});

t.test('a will keeps its own bytes alive and no more', async (t) => {
  for (const length of [1, 100, 3000]) {
    const bytes = field(Buffer.alloc(length, 'x'));
    const payload = new PacketReader().open(bytes, 0, bytes.length).binary();
    t.equal(payload.buffer.byteLength, length);
  }
});

t.test('a message over --message-bytes-max ends its connection, as a PUBLISH and as a will', async (t) => {
  const gateway = await start(t, '--message-bytes-max', '100');
  const watcher = await connectRaw(t, gateway);
  await watcher.subscribe('size');
  const [fits, over] = ['x'.repeat(100), 'x'.repeat(101)];
  for (const qos of [0, 1, 2]) {
    const client = await connectRaw(t, gateway);
    await client.publish('size', fits, { qos });
    client.send(publish('size', over, { qos, ...(qos > 0 && { id: 1 }) }));
    t.equal(await closing(client), '1009 packet-too-large', `at QoS ${qos}`);
  }
  t.same(
    (await watcher.untilPong()).map((packet) => packet.type === 'PUBLISH' && packet.payload.length),
    [100, 100, 100],
  );
  t.equal((await tryRaw(t, gateway, { clientId: 'a', will: { topic: 'size', payload: fits } })).code, 0);
  const willing = await openRaw(t, gateway);
  willing.send(connect({ clientId: 'b', will: { topic: 'size', payload: over } }));
  t.equal(await closing(willing), '1009 packet-too-large');
});
