import t, { type Test } from 'tap';
import {
  connect,
  packet,
  pingreq,
  puback,
  pubcomp,
  publish,
  pubrec,
  pubrel,
  subscribe,
} from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';
import { closing, connectRaw, openRaw, tryRaw } from './raw-client.js';

oneProcessFile('limits of one connection; nothing crosses');

const mebibyte = 1024 * 1024;

/** Limits of one connection, and what happens past them. */

async function start(t: Test, ...flags: string[]): Promise<GatewayProcess> {
  const gateway = await startGateway({ flags });
  t.teardown(() => gateway.kill());
  return gateway;
}

const mqttStats = async (gateway: GatewayProcess) => (await gateway.stats()).mqtt;
const linesOf = ({ log }: GatewayProcess, reason: string) =>
  log
    .split('\n')
    .filter((line) => line.includes(`"reason":"${reason}"`))
    .map((line) => JSON.parse(line));
const closed = async (gateway: GatewayProcess) => (await gateway.stats()).connections.closed;

t.test(
  'a packet past --mqtt-max-packet-size ends its connection, whoever sends it and however',
  async (t) => {
    const bytesMax = 1000;
    const gateway = await start(t, '--mqtt-max-packet-size', String(bytesMax));
    const subscriber = await connectRaw(t, gateway);
    await subscriber.subscribe('size', 1);
    const fits = publish('size', 'x'.repeat(bytesMax - 2 - 'size'.length));
    const over = publish('size', 'y'.repeat(bytesMax - 1 - 'size'.length));
    const announced = Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]); // 256 MB, of which nothing comes
    const ways: Record<string, (client: Awaited<ReturnType<typeof connectRaw>>) => void> = {
      'in one frame': (client) => client.send(over),
      'byte by byte': (client) =>
        client.batch(() => over.forEach((byte) => void client.send(Buffer.from([byte])))),
      'by its header alone': (client) => client.send(announced),
      'behind good ones': (client) => client.send(pingreq(), fits, over, fits),
      'as CONNECT again': (client) => client.send(packet(0x10, Buffer.alloc(bytesMax + 1))),
    };
    let published = 0;
    for (const [name, send] of Object.entries(ways)) {
      const client = await connectRaw(t, gateway);
      client.send(fits);
      send(client);
      t.equal(await closing(client), '1009 packet-too-large', name);
      published += name === 'behind good ones' ? 2 : 1;
    }
    const early = await openRaw(t, gateway);
    early.send(connect({ clientId: 'c'.repeat(bytesMax) }));
    t.equal(await closing(early), '1009 packet-too-large', 'as the first CONNECT');
    await until('all are counted', async () => (await closed(gateway))['packet-too-large'] === 6);
    t.match(linesOf(gateway, 'packet-too-large')[0], {
      address: '127.0.0.1',
      bytes: bytesMax + 1,
      setting: '--mqtt-max-packet-size',
      limit: bytesMax,
    });
    const received = (await subscriber.untilPong()).length;
    t.equal(received, published, 'what came before and fits was delivered, and nothing else');
    t.equal((await mqttStats(gateway)).partialPackets, 0);
  },
);

t.test(
  'a frame past --mqtt-max-frame-size is told 1009, or its connection is reset; the log says why',
  async (t) => {
    const gateway = await start(t, '--mqtt-max-packet-size', '1000', '--mqtt-max-frame-size', '1005');
    const fits = publish('size', 'x'.repeat(1000 - 2 - 'size'.length));
    const client = await connectRaw(t, gateway, { clientId: 'over' });
    client.send(fits);
    await client.untilPong();
    client.send(fits, pingreq(), pingreq());
    t.equal(await closing(client), '1009 packet-too-large');
    const far = await connectRaw(t, gateway, { clientId: 'far over' });
    far.send(fits, fits, fits);
    await far.untilClosed();
    t.equal(far.closeCode, undefined, 'uWebSockets has reset it');
    await until('both are counted', async () => (await closed(gateway))['packet-too-large'] === 2);
    await until('both are logged', () => linesOf(gateway, 'packet-too-large').length === 2);
    const setting = { setting: '--mqtt-max-frame-size', limit: 1005 };
    t.match(linesOf(gateway, 'packet-too-large'), [
      { clientId: 'over', address: '127.0.0.1', bytes: fits.length + 4, ...setting },
      { clientId: 'far over', bytes: 'over 2010', ...setting },
    ]);
  },
);

t.test('by default a frame may have 4 MB, whatever is in it', async (t) => {
  const gateway = await start(t, '--log-level', 'warn');
  const subscriber = await connectRaw(t, gateway);
  await subscriber.subscribe('last');
  const filler = publish('nobody', 'x'.repeat(60_000));
  const frameOf = (bytes: number) => {
    const many = Array.from({ length: Math.floor(bytes / filler.length) }, () => filler);
    const rest = bytes - many.length * filler.length;
    const header = publish('last', 'x'.repeat(rest)).length - rest;
    return Buffer.concat([...many, publish('last', 'x'.repeat(rest - header))]);
  };
  const fits = await connectRaw(t, gateway);
  const largest = frameOf(4 * mebibyte);
  t.equal(largest.length, 4 * mebibyte);
  fits.send(largest);
  t.same(await fits.untilPong(), []);
  t.equal((await subscriber.untilPong()).length, 1);
  fits.send(largest, pingreq());
  t.equal(await closing(fits), '1009 packet-too-large');
  t.same(await subscriber.untilPong(), [], 'nothing of it was taken');
  const over = await connectRaw(t, gateway);
  over.send(frameOf(5 * mebibyte + 1000));
  await over.untilClosed();
  await until('both are logged', () => linesOf(gateway, 'packet-too-large').length === 2);
});

t.test('a client id longer than --mqtt-max-client-id-length is refused with return code 2', async (t) => {
  const gateway = await start(t, '--mqtt-max-client-id-length', '23');
  for (const [clientId, code] of [
    ['x'.repeat(23), 0],
    ['x'.repeat(24), 2],
    ['ü'.repeat(11), 0],
    ['ü'.repeat(12), 2], // bytes count
  ] as const) {
    const { client, code: said } = await tryRaw(t, gateway, { clientId });
    t.equal(said, code, `${clientId.length} characters`);
    if (code === 2) await client.untilClosed();
  }
  t.same((await mqttStats(gateway)).connacks, [2, 0, 2, 0, 0, 0]);
  t.equal((await closed(gateway))['connect-refused'], 2);
  const usual = await start(t);
  t.equal((await tryRaw(t, usual, { clientId: 'x'.repeat(1024) })).code, 0);
  t.equal((await tryRaw(t, usual, { clientId: 'x'.repeat(1025) })).code, 2);
});

t.test('no more than --mqtt-max-inflight messages are on their way to a client', async (t) => {
  const gateway = await start(t, '--mqtt-max-inflight', '4');
  const [one, two] = [await connectRaw(t, gateway), await connectRaw(t, gateway)];
  await one.subscribe('window', 1);
  await two.subscribe('window', 2);
  const publisher = await connectRaw(t, gateway.publisher);
  for (let n = 0; n < 10; n++) await publisher.publish('window', `${n}`, { qos: 2 });
  const ids = new Map<typeof one, number[]>();
  for (const client of [one, two]) {
    const first = await client.untilPong();
    t.same(
      first.map((each) => each.type === 'PUBLISH' && each.payload),
      ['0', '1', '2', '3'],
    );
    ids.set(
      client,
      first.map((each) => (each.type === 'PUBLISH' ? each.id : 0)),
    );
  }
  one.send(puback(ids.get(one)![1]!));
  t.match(await one.untilPong(), [{ payload: '4' }], 'one acknowledged, one more');
  two.send(pubrec(ids.get(two)![0]!));
  t.match(await two.untilPong(), [{ type: 'PUBREL' }], 'half of QoS 2 makes no room');
  two.send(pubcomp(ids.get(two)![0]!));
  t.match(await two.untilPong(), [{ payload: '4' }]);
  one.send(puback(999));
  t.same(await one.untilPong(), [], 'nor does an acknowledgement of nothing');
});

t.test('no more than --mqtt-max-awaiting-rel messages of a client wait for its PUBREL', async (t) => {
  const gateway = await start(t, '--mqtt-max-awaiting-rel', '3', '--mqtt-await-rel-timeout', '600');
  const watcher = await connectRaw(t, gateway);
  await watcher.subscribe('rel');
  const client = await connectRaw(t, gateway);
  for (const id of [1, 2, 3]) client.send(publish('rel', `${id}`, { qos: 2, id }));
  t.same(
    (await client.untilPong()).map(({ type }) => type),
    ['PUBREC', 'PUBREC', 'PUBREC'],
  );
  client.send(publish('rel', '3', { qos: 2, id: 3, dup: true }));
  t.same(
    (await client.untilPong()).map(({ type }) => type),
    ['PUBREC'],
    'one that comes again is none more',
  );
  client.send(pubrel(2));
  client.send(publish('rel', '4', { qos: 2, id: 4 }));
  t.same(
    (await client.untilPong()).map(({ type }) => type),
    ['PUBCOMP', 'PUBREC'],
  );
  client.send(publish('rel', '5', { qos: 2, id: 5 }));
  t.equal(await closing(client), '1008 too-many-awaiting-rel');
  t.equal((await mqttStats(gateway)).sessions.awaitingRelRefused, 1);
  t.match(
    await watcher.untilPong(),
    [1, 2, 3, 4].map((n) => ({ payload: `${n}` })),
    'each once',
  );
});

t.test('a PUBREL that stays out for --mqtt-await-rel-timeout is awaited no more', async (t) => {
  const gateway = await start(t, '--mqtt-max-awaiting-rel', '2', '--mqtt-await-rel-timeout', '1');
  const client = await connectRaw(t, gateway);
  for (const id of [1, 2]) client.send(publish('rel', `${id}`, { qos: 2, id }));
  await until('both are forgotten', async () => (await mqttStats(gateway)).sessions.awaitingRelExpired === 2);
  t.equal((await mqttStats(gateway)).sessions.busy, 0);
  for (const id of [3, 4]) client.send(publish('rel', `${id}`, { qos: 2, id }));
  t.equal((await client.untilPong()).length, 4, 'there is room again');
});

t.test('one SUBSCRIBE cannot subscribe to more than --mqtt-max-subscriptions filters', async (t) => {
  const gateway = await start(t, '--mqtt-max-subscriptions', '10');
  const client = await connectRaw(t, gateway);
  const filters = Array.from({ length: 500 }, (_, n) => [`f/${n}/+`, 1] as [string, number]);
  client.send(subscribe(1, ...filters));
  t.match(await client.next(), { type: 'SUBACK', returnCodes: filters.map((_, n) => (n < 10 ? 1 : 0x80)) });
  client.send(subscribe(2, ['f/3/+', 2], ['f/77/+', 0]));
  t.match(await client.next(), { returnCodes: [2, 0x80] }, 'one that it has may be subscribed to again');
  t.equal((await gateway.stats()).router.logins, 10);
});

t.test('a connection without CONNECT within --mqtt-idle-timeout is closed, however busy', async (t) => {
  const gateway = await start(t, '--mqtt-idle-timeout', '1');
  const [silent, trickling, good] = [
    await openRaw(t, gateway),
    await openRaw(t, gateway),
    await connectRaw(t, gateway),
  ];
  const bytes = connect({ clientId: 'slow' });
  let sent = 0;
  const timer = setInterval(() => trickling.send(bytes.subarray(sent, ++sent)), 200);
  t.teardown(() => clearInterval(timer));
  for (const client of [silent, trickling]) t.equal(await closing(client), '1008 idle-timeout');
  t.ok(sent < bytes.length);
  t.same(await good.untilPong(), [], 'who has said it without keep-alive may be silent');
  t.equal((await mqttStats(gateway)).partialPackets, 0);
});
