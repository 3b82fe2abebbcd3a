import t, { type Test } from 'tap';
import { connect, disconnect, publish, subscribe } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';
import { ask, openStream } from '../raw-wire.js';
import { closing, connectRaw, openRaw } from './raw-client.js';

oneProcessFile('what is refused as it comes in; nothing crosses');

/** How long and how deep topics may be, how many filters there may be in all, and how much of packets that are not complete. */

async function start(t: Test, ...flags: string[]): Promise<GatewayProcess> {
  const gateway = await startGateway({ flags });
  t.teardown(() => gateway.kill());
  return gateway;
}

const levels = (count: number) => Array.from({ length: count }, () => 'l').join('/');

t.test('topics and filters have at most 1,024 bytes and 32 levels, or as many as are set', async (t) => {
  for (const [flags, bytesMax, levelsMax] of [
    [[], 1024, 32],
    [['--id-bytes-max', '600', '--topic-levels-max', '200'], 600, 200],
  ] as const) {
    const gateway = await start(t, ...flags);
    const client = await connectRaw(t, gateway);
    const long = ['t'.repeat(bytesMax), 't'.repeat(bytesMax + 1)] as const;
    const deep = [levels(levelsMax), levels(levelsMax + 1)] as const;
    const wild = deep.map((topic) => `${topic.slice(0, -1)}+`);
    client.send(
      subscribe(1, ...[...long, ...deep, ...wild].map((filter) => [filter, 0] as [string, number])),
    );
    t.match(await client.next(), { returnCodes: [0, 0x80, 0, 0x80, 0, 0x80] });
    client.send(publish(long[0]), publish(deep[0]));
    t.equal((await client.untilPong()).length, 2);
    for (const [topic, sizes] of [
      [long[1], { setting: '--id-bytes-max', limit: bytesMax, bytes: bytesMax + 1 }],
      [deep[1], { setting: '--topic-levels-max', limit: levelsMax, levels: levelsMax + 1 }],
    ] as const) {
      const other = await connectRaw(t, gateway);
      other.send(publish(topic));
      t.equal(await closing(other), '1009 topic-too-large');
      const willing = await openRaw(t, gateway);
      willing.send(connect({ clientId: 'will', will: { topic, payload: 'x' } }));
      t.equal(await closing(willing), '1009 topic-too-large');
      const line = gateway.log
        .trimEnd()
        .split('\n')
        .findLast((each) => each.includes('topic-too-large'))!;
      t.match(JSON.parse(line), { reason: 'topic-too-large', ...sizes });
    }
  }
});

t.test('an id over HTTP is held to the same', async (t) => {
  const gateway = await start(t, '--topic-levels-max', '3');
  const stream = await openStream(gateway.port, '/stream/a/b/c');
  t.equal(await gateway.send('a/b/c', 'fits'), 1);
  const body = `${JSON.stringify({ id: 'a/b/c/d', data: 'x' })}\n`;
  const answers = [
    await ask(gateway.port, '/stream/a/b/c/d'),
    await ask(gateway.port, '/stream?id=a/b/c/d'),
    await ask(gateway.port, '/test/a/b/c/d'),
    await ask(gateway.apiPort, '/send/a/b/c/d', { method: 'POST', body: 'x' }),
    await ask(gateway.apiPort, '/ids/a/b/c/d'),
  ];
  for (const { status, text } of answers) {
    t.equal(status, 400);
    t.match(text, /more levels \(parts between slashes\) than this server accepts\. \(3\)/);
  }
  const batch = await ask(gateway.apiPort, '/send', { method: 'POST', body });
  t.match(batch.json, { bad: 1, errors: [{ line: 1, error: /more levels/ }] });
  t.ok(gateway.alive);
  await stream.close();
});

t.test(
  'past --mqtt-subscriptions-total-max filters, those of absent clients included, SUBACK says 0x80',
  async (t) => {
    const gateway = await start(
      t,
      '--mqtt-subscriptions-total-max',
      '5',
      '--mqtt-auto-subscribe',
      'own/$c=0',
    );
    const total = async () => (await gateway.stats()).router.logins;
    const absent = await connectRaw(t, gateway, { clientId: 'absent', clean: false });
    absent.send(subscribe(1, ['a/+', 1], ['b/+', 1]));
    t.match(await absent.next(), { returnCodes: [1, 1] });
    await absent.disconnect();
    const client = await connectRaw(t, gateway);
    client.send(subscribe(1, ['a/+', 1], ['b', 1], ['b/+', 1], ['a/+', 2]));
    t.match(await client.next(), { returnCodes: [1, 0x80, 0x80, 2] }, 'one that it has is no further one');
    const crowded = await connectRaw(t, gateway);
    t.equal(await total(), 5, 'automatic ones count too');
    const discarding = await connectRaw(t, gateway, { clientId: 'absent', clean: true });
    t.equal(await total(), 3, 'a session that ends gives back its own');
    crowded.send(subscribe(1, ['b/+', 1], ['c/+', 1], ['d/+', 1]));
    t.match(await crowded.next(), { returnCodes: [1, 1, 0x80] });
    for (const one of [client, crowded, discarding]) one.send(disconnect());
    await until('they are all given back', async () => (await total()) === 0);
  },
);

t.test('past --mqtt-partial-packets-total-max the connection whose packet grows is closed', async (t) => {
  const gateway = await start(t, '--mqtt-partial-packets-total-max', '100000');
  const piece = publish('large', Buffer.alloc(60_000)).subarray(0, 55_000);
  const first = await connectRaw(t, gateway);
  first.send(piece);
  await until('it is kept', async () => (await gateway.stats()).mqtt.partialPackets === 1);
  const second = await connectRaw(t, gateway);
  second.send(piece);
  t.equal(await closing(second), '1013 partial-packets-total');
  await first.drop();
  const third = await connectRaw(t, gateway);
  third.send(publish('large', Buffer.alloc(60_000)).subarray(0, 55_000));
  third.send(publish('large', Buffer.alloc(60_000)).subarray(55_000));
  t.same(await third.untilPong(), [], 'there is room again');
});
