import t, { type Test } from 'tap';
import { connect, publish, subscribe } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { nodeName } from '../../one-process.js';
import { until } from '../../until.js';
import { closing, connectRaw, openRaw, tryRaw } from './raw-client.js';
import { StuckClient } from './stuck-client.js';

/** Presence messages: their topics, contents and order, for every end of a connection. */

const prefix = `$SYS/brokers/${nodeName}/clients`;

async function start(t: Test, ...flags: string[]): Promise<GatewayProcess> {
  const gateway = await startGateway({ flags });
  t.teardown(() => gateway.kill());
  return gateway;
}

t.test('presence does not tell where a client is', async (t) => {
  const gateway = await start(t);
  const watcher = await connectRaw(t, gateway);
  await watcher.subscribe('$SYS/#');
  await (await connectRaw(t, gateway, { clientId: 'guest', keepAliveSec: 7 })).drop();
  await until('both are told', async () => (await gateway.stats()).router.published >= 3);
  const said = (await watcher.untilPong()).flatMap((packet) =>
    packet.type === 'PUBLISH' && packet.topic.startsWith(`${prefix}/guest/`) ? [packet.payload] : [],
  );
  t.equal(said.length, 2);
  const [connected, disconnected] = said.map((text) => JSON.parse(text));
  t.same(Object.keys(connected), ['clientId', 'clean', 'keepAliveSec', 'time']);
  t.same(Object.keys(disconnected), ['clientId', 'reason', 'time']);
  t.notMatch(said.join(), '127.0.0.1');
});

t.test('a client id that makes a topic over --id-bytes-max is not told of', async (t) => {
  const long = '%'.repeat(16_384); // 49,152 bytes when it is percent-encoded
  for (const [flags, expected] of [
    [[], ['seen']],
    [
      ['--id-bytes-max', '65535', '--request-head-bytes-max', '262144'],
      [long, 'seen'],
    ],
  ] as const) {
    const gateway = await start(t, '--mqtt-max-client-id-length', '16384', ...flags);
    const watcher = await connectRaw(t, gateway, { clientId: 'watcher' });
    await watcher.subscribe(`${prefix}/+/connected`);
    await watcher.untilPong();
    for (const clientId of [long, 'seen']) t.equal((await tryRaw(t, gateway, { clientId })).code, 0);
    const said = await watcher.untilPong();
    const ids = said.map((packet) => packet.type === 'PUBLISH' && JSON.parse(packet.payload).clientId);
    t.same(ids, expected, flags.join(' '));
  }
});

/** Hundreds of clients from one address that connect at the same time. */
const crowded = ['--mqtt-max-pending-connects-per-address', '0'];

t.test('a connection that is cut while its session goes on is told of in order', async (t) => {
  // At QoS 0, as the window paces the others: nothing of them is sent that could cut the connection.
  const gateway = await start(t, '--mqtt-max-mqueue', '250', '--mqtt-mqueue-qos0', 'true', ...crowded);
  const watcher = await connectRaw(t, gateway);
  await watcher.subscribe(`${prefix}/victim/+`, 1);
  const options = { clientId: 'victim', clean: false };
  const victim = await connectRaw(t, gateway, options);
  await victim.subscribe('queue', 0);
  await victim.drop();
  for (let n = 0; n < 240; n++) await gateway.send('queue', Buffer.alloc(60_000, 'z'));
  // 262,144 deliveries make a turn go out at once, in the middle of whatever is being handled.
  const crowd = Array.from({ length: 256 }, async (_, n) => {
    const client = await connectRaw(t, gateway, { clientId: `crowd-${n}` });
    await client.subscribe('crowd');
  });
  await Promise.all(crowd);
  const single = await connectRaw(t, gateway);
  await single.subscribe('single');
  const publisher = await connectRaw(t, gateway.publisher);
  const back = await StuckClient.open(gateway);
  t.teardown(() => back.destroy());
  gateway.child.kill('SIGSTOP'); // so that both frames are there when it goes on
  const burst = [...Array(1023).fill(publish('crowd', 'x')), ...Array(131).fill(publish('single', 'x'))];
  publisher.send(...burst);
  back.send(connect(options));
  gateway.child.kill('SIGCONT');
  await publisher.untilPong();
  t.ok(gateway.alive);
  const cut = async () => (await gateway.stats()).connections.closed['slow-consumer'];
  await until('it is cut', async () => (await cut()) === 1);
  const said = (await watcher.untilPong()).map(
    (packet) => packet.type === 'PUBLISH' && packet.topic.split('/').at(-1),
  );
  t.same(said, ['connected', 'disconnected', 'connected', 'disconnected']);
});

t.test('a CONNECT that is refused is told of nowhere', async (t) => {
  const gateway = await start(t, '--mqtt-max-client-id-length', '23');
  const watcher = await connectRaw(t, gateway, { clientId: 'watcher' });
  watcher.send(subscribe(1, [`${prefix}/#`, 0]));
  t.match(await watcher.next(), { type: 'SUBACK' });
  await watcher.untilPong();
  await (await tryRaw(t, gateway, { clientId: 'x'.repeat(24) })).client.untilClosed();
  const silent = await openRaw(t, gateway);
  silent.send(publish('x'));
  t.equal(await closing(silent), '1002 not-connected');
  t.same(await watcher.untilPong(), []);
});
