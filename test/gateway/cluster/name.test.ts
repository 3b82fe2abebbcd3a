import t from 'tap';
import { until } from '../../until.js';
import { connectRaw } from '../mqtt/raw-client.js';
import { openStream } from '../raw-wire.js';
import { nodeStats } from './nodes.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/** The router under its global name, called by a program that knows nothing but Redis's own words. */

const redis = await redisServer(t);
const [one, two] = await startRedisNodes(t, [redis.url], ['gw-1', 'gw-2'], ['--mqtt-sys-interval', '0']);
const program = redis.client();
const send = (id: string, text: string | Buffer, ...how: string[]) =>
  program.call('FCALL', 'encke_send', '1', id, text, ...how);

t.test('<name>_send: the text is the message, and the answer counts copies over all nodes', async (t) => {
  const near = await openStream(one!.port, '/stream/123');
  const far = await openStream(two!.port, '/stream/123');
  for (let n = 0; n < 10; n++) t.equal(await send('123', `Hello ${n}`), 2);
  for (const stream of [near, far]) {
    await stream.saw('"Hello 9"');
    t.same(
      [...stream.text.matchAll(/"data":"Hello (\d)"/g)].map(([, n]) => n).join(''),
      '0123456789',
      'each once, in order',
    );
  }
  const bytes = Buffer.from([0xff, 0x00, 0x0d, 0x0a, 0xef]);
  t.equal(await send('123', bytes), 2, 'any bytes are a message');
  await far.saw(bytes.toString('base64'));
  t.equal(await send('123', ''), 2, 'an empty one is');
  t.equal(await send('nobody', 'x'), 0);
  for (const stream of [near, far]) await stream.close();
});

t.test('an id is the id, as on every other way', async (t) => {
  for (const id of ['room/7/chat', '10.5 kg/>*', 'a//b', 'ä/ö', '{shop}:*']) {
    const path = id.split('/').map(encodeURIComponent).join('/');
    const stream = await openStream(two!.port, `/stream/${path}`);
    t.equal(await send(id, 'x'), 1, id);
    const [found] = (await program.call('FCALL', 'encke_ids', '1', id)) as string[];
    t.same(JSON.parse(found!), { id, nodes: 1, filters: 0 });
    await stream.saw('"x"');
    t.match(stream.text, `{"id":${JSON.stringify(id)},`);
    await stream.close();
  }
});

t.test('with how it is to be sent: QoS, retained, a key', async (t) => {
  const subscriber = await connectRaw(t, two!);
  await subscriber.subscribe('how/#', 2);
  t.equal(await send('how/1', 'kept', 'QOS', '2', 'RETAIN'), 1, 'by the channel of its filter');
  t.match(await subscriber.nextPublish(), { topic: 'how/1', payload: 'kept', qos: 2 });
  await until('all nodes retain it', async () => {
    const all = await Promise.all([one!, two!].map(async (node) => (await nodeStats(node)).router.retained));
    return all.every((retained) => retained === 1);
  });
  for (let n = 0; n < 3; n++) t.equal(await send('how/2', 'once', 'QOS', '0', 'KEY', 'k1'), 1);
  await send('how/2', 'end', 'QOS', '0');
  t.same(
    (await subscriber.nextPublishes(2)).map(({ payload }) => payload),
    ['once', 'end'],
  );
});

t.test(
  'a message that nodes do not accept is refused with a word and a sentence, and reaches nobody',
  async (t) => {
    const all = await connectRaw(t, one!);
    for (const filter of ['#', '$SYS/brokers/x']) await all.subscribe(filter);
    const retained = await all.untilPong();
    t.equal(retained.length, 1);
    const refused: [string, string | Buffer, RegExp][] = [
      ['a/#', 'x', /^ID .*no \+ and no #/],
      ['a/+/b', 'x', /^ID .*no \+ and no #/],
      ['', 'x', /^ID/],
      ['a\0', 'x', /^ID/],
      ['$SYS/brokers/x', 'forged', /^ID ids that begin with \$/],
      ['x'.repeat(1_025), 'x', /^ID .*1024 bytes/],
      [`${'x/'.repeat(32)}x`, 'x', /^ID .*levels.*32/],
      ['x', 'x'.repeat(65_537), /^TOOBIG .*65536 bytes/],
    ];
    for (const [id, text, error] of refused) await t.rejects(send(id, text), error, `${id}`.slice(0, 40));
    t.same(await all.untilPong(), []);
    t.equal(await send('x', 'x'.repeat(65_536)), 1, 'as much as is accepted is');
    t.equal((await all.nextPublish()).payload.length, 65_536);
  },
);

t.test('<name>_stats has the numbers of each node by its name', async (t) => {
  const streams = [
    await openStream(one!.port, '/stream/s1'),
    await openStream(two!.port, '/stream/s2'),
    await openStream(two!.port, '/stream/s3'),
  ];
  const stats = async () => JSON.parse((await program.call('FCALL', 'encke_stats', '0')) as string);
  await until(
    'they have said it',
    async () => {
      const { nodes } = (await stats()) as {
        nodes: { node: string; stats: { connections: { open: number } } }[];
      };
      const open = new Map(nodes.map(({ node, stats }) => [node, stats.connections.open]));
      // MQTT clients of the tests before are among them, as far as they are not gone yet.
      return open.get('gw-1')! >= 1 && open.get('gw-2')! >= 2;
    },
    15_000,
  );
  t.match(await stats(), { name: 'encke', shard: 0, shards: 1, nodes: { length: 2 } });
  for (const stream of streams) await stream.close();
});

t.test('the nodes go on, for any message of a program on their channels', async (t) => {
  const stream = await openStream(two!.port, '/stream/still-there');
  const channels = (await program.pubsub('CHANNELS', 'encke:*')) as string[];
  t.ok(channels.filter((channel) => channel.startsWith('encke:n:')).length === 2, channels.join());
  const letters = Array.from({ length: 26 }, (_, n) => String.fromCharCode(65 + n));
  const bodies = [
    '',
    '{}',
    'null',
    ...letters,
    ...letters.map((letter) => `${letter}{"run":"x"}`),
    ...letters.map((letter) => Buffer.concat([Buffer.from(letter), Buffer.alloc(60, 0xff)])),
    ...letters.map((letter) => Buffer.concat([Buffer.from(letter), Buffer.alloc(60)])),
    Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
    Buffer.alloc(22, 1),
    Buffer.alloc(8, 0xff), // a place that no clock will reach
    'x'.repeat(100_000),
  ];
  const garbage = program.pipeline();
  for (const channel of channels) for (const body of bodies) garbage.publish(channel, body);
  await garbage.exec();
  for (const node of [one!, two!]) {
    t.equal(await node.send('still-there', `through ${node.port}`), 1);
    await stream.saw(`through ${node.port}`);
  }
  t.equal(await send('still-there', 'by name'), 1);
  await stream.saw('by name');
  t.ok((await nodeStats(two!)).engine.unreadable > 0, 'it is counted');
  await connectRaw(t, one!, { clientId: 'mover', clean: false });
  await connectRaw(t, two!, { clientId: 'mover', clean: false });
  t.ok(one!.alive && two!.alive);
  for (const { log } of [one!, two!]) t.notMatch(log, /"level":(50|60)/);
  await stream.close();
});

t.test('two clusters with different names on one Redis have nothing to do with each other', async (t) => {
  const [other] = await startRedisNodes(t, [redis.url], ['gw-1'], ['--name', 'halley']);
  const ours = await openStream(one!.port, '/stream/shared');
  const theirs = await openStream(other!.port, '/stream/shared');
  t.equal(await send('shared', 'for encke'), 1);
  t.equal(await program.call('FCALL', 'halley_send', '1', 'shared', 'for halley'), 1);
  await ours.saw('for encke');
  await theirs.saw('for halley');
  t.notMatch(ours.text, 'halley');
  t.notMatch(theirs.text, 'encke');
  await t.rejects(program.call('FCALL', 'biela_send', '1', 'shared', 'x'), /Function not found/);
  for (const stream of [ours, theirs]) await stream.close();
});
