import t from 'tap';
import { until } from '../../until.js';
import { openStream } from '../raw-wire.js';
import { natsServer, nodeStats, startNodes, untilReached } from './nodes.js';
import { RawNats } from './raw-nats.js';

/** The router under its global name, asked by a program that knows nothing but NATS's own words. */

const nats = await natsServer(t);
const [one, two] = await startNodes(t, nats, ['gw-1', 'gw-2'], ['--mqtt-sys-interval', '0']);
const raw = await RawNats.open(nats.port);
t.teardown(() => raw.close());

t.test('<name>.send.<id>: the body is the message, and the answer counts over all nodes', async (t) => {
  const near = await openStream(one!.port, '/stream/123');
  const far = await openStream(two!.port, '/stream/123');
  await untilReached(one!, '123', 2);
  for (let n = 0; n < 10; n++) t.equal(await raw.ask('encke.send.123', `Hello ${n}`), '{"delivered":2}');
  await near.saw('"Hello 9"');
  await far.saw('"Hello 9"');
  for (const stream of [near, far])
    t.same(
      [...stream.text.matchAll(/"data":"Hello (\d)"/g)].map(([, n]) => n).join(''),
      '0123456789',
      'each once, in order',
    );
  const bytes = Uint8Array.from([0xff, 0x00, 0x0d, 0x0a, 0xef]);
  t.equal(await raw.ask('encke.send.123', bytes), '{"delivered":2}', 'any bytes are a message');
  await far.saw(Buffer.from(bytes).toString('base64'));
  t.equal(await raw.ask('encke.send.123', ''), '{"delivered":2}', 'an empty one is');
  for (const stream of [near, far]) await stream.close();
});

t.test(
  'an id is a subject as the protocol says: levels are tokens, the rest is percent-encoded',
  async (t) => {
    const pairs: [subject: string, id: string][] = [
      ['room.7.chat', 'room/7/chat'],
      ['10%2E5%20kg.%3E%2A', '10.5 kg/>*'],
      ['a.%.b', 'a//b'],
      ['%C3%A4.ö', 'ä/ö'],
    ];
    for (const [subject, id] of pairs) {
      const path = id.split('/').map(encodeURIComponent).join('/');
      const stream = await openStream(two!.port, `/stream/${path}`);
      await untilReached(one!, path, 1);
      t.equal(await raw.ask(`encke.send.${subject}`, 'x'), '{"delivered":1}', subject);
      t.match(await raw.json(`encke.ids.${subject}`), { id, subscribers: 1 });
      await stream.saw('"x"');
      t.match(stream.text, `{"id":${JSON.stringify(id)},`);
      await stream.close();
    }
  },
);

t.test('<name>.send takes JSON, with how it is to be sent', async (t) => {
  const send = (fields: object) => raw.json('encke.send', JSON.stringify(fields));
  const stream = await openStream(two!.port, '/stream/json');
  await untilReached(one!, 'json', 1);
  t.same(await send({ id: 'json', data: 'as text' }), { delivered: 1 });
  await stream.saw('as text');
  t.same(await send({ id: 'json', data: '/+8=', encoding: 'base64' }), { delivered: 1 });
  await stream.saw('/+8=');
  t.same(await send({ id: 'json', data: 'kept', qos: 2, retain: true }), { delivered: 1 });
  await until('all nodes retain it', async () => {
    const counts = await Promise.all(
      [one!, two!].map(async (node) => (await nodeStats(node)).router.retained),
    );
    return counts.every((retained) => retained === 1);
  });
  t.same(await raw.json('encke.send', '\ufeff{"id":"json","data":"behind a BOM"}'), { delivered: 1 });
  await stream.saw('behind a BOM');
  t.same(await send({ id: 'json', data: 'no count', wait: false }), { accepted: true });
  await stream.saw('no count');
  await stream.close();
});

t.test('<name>.ids says who is logged in where', async (t) => {
  const streams = [
    await openStream(one!.port, '/stream/who'),
    await openStream(two!.port, '/stream/who'),
    await openStream(two!.port, '/stream/who'),
  ];
  await untilReached(one!, 'who', 3);
  const expected = {
    id: 'who',
    subscribers: 3,
    nodes: [
      { node: 'gw-1', subscribers: 1 },
      { node: 'gw-2', subscribers: 2 },
    ],
  };
  t.same(await raw.json('encke.ids.who'), expected);
  t.same(await raw.json('encke.ids', '{"id":"who"}'), expected);
  for (const stream of streams) await stream.close();
});

t.test("<name>.stats has each node's numbers by its name, and their sums", async (t) => {
  const streams = [
    await openStream(one!.port, '/stream/s1'),
    await openStream(two!.port, '/stream/s2'),
    await openStream(two!.port, '/stream/s3'),
  ];
  const { sum, nodes, unanswered } = await raw.json('encke.stats');
  t.equal(unanswered, 0);
  t.same(
    nodes.map(({ node, role, stats }: { node: string; role: string; stats: never }) => [node, role, stats]),
    [
      ['gw-1', 'both', { ...nodes[0].stats, connections: { ...nodes[0].stats.connections, open: 1 } }],
      ['gw-2', 'both', { ...nodes[1].stats, connections: { ...nodes[1].stats.connections, open: 2 } }],
    ],
  );
  t.equal(sum.connections.open, 3);
  t.equal(sum.router.published, nodes[0].stats.router.published + nodes[1].stats.router.published);
  t.equal(sum.memory.rssBytes, nodes[0].stats.memory.rssBytes + nodes[1].stats.memory.rssBytes);
  t.equal(sum.version, nodes[0].stats.version, 'words that all agree on stay');
  t.equal(sum.pid, undefined, 'what belongs to one process has no sum');
  t.equal(sum.engine.connected, true);
  t.ok(sum.nameRequests > 20, `${sum.nameRequests} requests`);
  for (const stream of streams) await stream.close();
});

t.test('what is wrong with a request is said as {"error"}, and hurts nobody', async (t) => {
  const errorsBefore = (await raw.json('encke.stats')).sum.nameErrors;
  const bad: [subject: string, body: string | Uint8Array, error: RegExp][] = [
    ['encke.send', '', /not JSON/],
    ['encke.send', '{"id":"x"', /not JSON/],
    ['encke.send', Uint8Array.from([0xff, 0xfe]), /not UTF-8/],
    ['encke.send', 'null', /object/],
    ['encke.send', '17', /object/],
    ['encke.send', '{"id":"x"}', /strings/],
    ['encke.send', '{"id":7,"data":"x"}', /strings/],
    ['encke.send', '{"id":"","data":"x"}', /id/],
    ['encke.send', '{"id":"a/#","data":"x"}', /id/],
    ['encke.send', `{"id":"${'x'.repeat(1025)}","data":"x"}`, /1024/],
    ['encke.send', '{"id":"x","data":"%","encoding":"base64"}', /base64/],
    ['encke.send', '{"id":"x","data":"x","encoding":"utf-16"}', /encoding/],
    ['encke.send', '{"id":"x","data":"\\ud800"}', /surrogate/],
    ['encke.send', '{"id":"x","data":"x","qos":3}', /qos/],
    ['encke.send', '{"id":"x","data":"x","retain":1}', /retain/],
    ['encke.send', '{"id":"x","data":"x","wait":0}', /wait/],
    ['encke.send', JSON.stringify({ id: 'x', data: 'x'.repeat(65_537) }), /larger than 65536 bytes/],
    ['encke.send', '{"id":"$SYS/brokers/x","data":"forged"}', /\$SYS/],
    ['encke.send.$SYS.brokers.x', 'forged', /\$SYS/],
    ['encke.send.%24SYS', 'forged', /\$SYS/],
    ['encke.send.x', 'x'.repeat(65_537), /larger than 65536 bytes/],
    ['encke.send.a%2Bb', 'x', /id/],
    ['encke.send.a%zz', 'x', /percent-encoding/],
    ['encke.send.%C0%AF', 'x', /percent-encoding/],
    ['encke.send.a%00', 'x', /id/],
    [`encke.send.${'x'.repeat(1025)}`, 'x', /1024/],
    [`encke.send.${'x.'.repeat(32)}x`, 'x', /levels.*32/],
    ['encke.ids', '', /which id/],
    ['encke.ids', '{"id":3}', /which id/],
    ['encke.ids', 'null', /which id/],
    ['encke.ids', '{"id":"+"}', /id/],
    ['encke.ids.%23', '', /id/],
  ];
  for (const [subject, body, error] of bad) {
    const answer = await raw.json(subject, body);
    t.same(Object.keys(answer), ['error'], `${subject.slice(0, 40)} ${String(body).slice(0, 40)}`);
    t.match(answer.error, error);
  }
  const { sum } = await raw.json('encke.stats');
  t.ok(sum.nameErrors > errorsBefore, 'and is counted');
  t.ok(one!.alive && two!.alive);
});

t.test('whatever a program publishes under the name, the nodes go on', async (t) => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  const subjects = [
    'node',
    'say.x',
    'say.takeover',
    'ask.ids',
    'ask.stats',
    'ask.counts',
    'answer.1.1',
    'm.x',
    'r.x',
  ];
  for (const subject of [
    ...subjects,
    'send',
    'send.x',
    'ids',
    'ids.x',
    'stats',
    'stats.x',
    'send.%',
    'send.a..b',
  ])
    for (const body of [
      '',
      '{}',
      'null',
      '{"word":"hello"}',
      bytes,
      Buffer.alloc(22, 1),
      'x'.repeat(100_000),
    ])
      for (const reply of ['', 'encke.send', 'encke.m.x', 'encke.node', 'odd\u00a0reply', 'a..b', '>', 'a.*'])
        raw.publish(`encke.${subject}`, body, reply);
  t.match(await raw.json('encke.stats'), { nodes: { length: 2 } });
  for (const node of [one!, two!]) {
    const answer = await fetch(`${node.apiUrl}/send/still-there`, { method: 'POST', body: 'x' });
    t.same(await answer.json(), { delivered: 0 });
  }
});

t.test('two clusters with different names on one NATS have nothing to do with each other', async (t) => {
  const [other] = await startNodes(t, nats, ['gw-1'], ['--name', 'halley']);
  const ours = await openStream(one!.port, '/stream/shared');
  const theirs = await openStream(other!.port, '/stream/shared');
  await untilReached(two!, 'shared', 1);
  t.same(await raw.json('encke.send.shared', 'for encke'), { delivered: 1 });
  t.same(await raw.json('halley.send.shared', 'for halley'), { delivered: 1 });
  await ours.saw('for encke');
  await theirs.saw('for halley');
  t.notMatch(ours.text, 'halley');
  t.notMatch(theirs.text, 'encke');
  t.equal((await raw.json('halley.stats')).nodes.length, 1);
  t.equal((await raw.json('encke.stats')).nodes.length, 2);
  t.equal(await raw.ask('biela.send.shared', 'x'), undefined, 'under a name that nobody has, NATS says so');
  for (const stream of [ours, theirs]) await stream.close();
});
