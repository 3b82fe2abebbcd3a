import t, { type Test } from 'tap';
import { freePort } from '../../free-port.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { nodeName, oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';
import { ask, openStream } from '../raw-wire.js';
import { brief, RealClient } from './real-client.js';

oneProcessFile('what one process is told by its flags; nothing crosses but what other files have');

/** Settings of an operator, seen by MQTT.js. */

async function start(t: Test, ...flags: string[]): Promise<GatewayProcess> {
  const gateway = await startGateway({ flags });
  t.teardown(() => gateway.kill());
  return gateway;
}

async function closed(gateway: GatewayProcess, reason: string): Promise<number> {
  return (await gateway.stats()).connections.closed[reason];
}

t.test('--mqtt-token lets in who has it as password, and says 4 or 5 to the others', async (t) => {
  const token = 'a-token-of-some-length';
  const gateway = await start(t, '--mqtt-token', token);
  for (const [code, options] of [
    [5, {}],
    [5, { username: token }],
    [4, { username: 'x', password: `${token}x` }],
    [4, { username: 'x', password: '' }],
    [4, { username: token, password: 'x' }],
  ] as const) {
    await t.rejects(RealClient.connect(t, gateway, options), { code }, JSON.stringify(options));
  }
  for (const username of ['anybody', '']) {
    const client = await RealClient.connect(t, gateway, { username, password: token });
    await client.subscribe('in', 1);
    await client.publish('in', 'hello', { qos: 1 });
    await client.exactly(1);
  }
  t.same((await gateway.stats()).mqtt.connacks, [2, 0, 0, 0, 3, 2]);
  t.notMatch(gateway.log, token);
});

t.test('--mqtt-port opens a listener for MQTT alone, besides /mqtt on --port', async (t) => {
  const port = await freePort();
  const gateway = await start(t, '--mqtt-port', String(port));
  const there = await RealClient.connectTo(t, `ws://127.0.0.1:${port}/mqtt`);
  const here = await RealClient.connect(t, gateway);
  await there.subscribe('both', 1);
  await here.publish('both', 'hello', { qos: 1 });
  t.same((await there.exactly(1)).map(brief), ['both hello 1']);
  for (const path of ['/test/123', '/numbers', '/demo/mqtt'])
    t.equal((await ask(port, path)).status, 404, `${path} is not there`);
  for (const path of ['/mqtt', '/'])
    t.equal((await ask(port, path)).status, 426, `${path} takes a WebSocket`);
  const counted = async () => (await gateway.stats()).sockets.mqtt;
  await until('those that asked are gone', async () => (await counted()) === 1, 3_000).catch(() => undefined);
  t.equal(await counted(), 1, 'its sockets are counted');
});

t.test('a port that is taken stops the start with a sentence', async (t) => {
  const other = await start(t);
  await t.rejects(start(t, '--mqtt-port', String(other.port)), { message: /port is taken.*--mqtt-port/ });
});

t.test('--mqtt-auto-subscribe subscribes each client to what is its own', async (t) => {
  const gateway = await start(t, '--mqtt-auto-subscribe', 'inbox/$c=1,users/$u/#=2,news=0');
  const ann = await RealClient.connect(t, gateway, { clientId: 'ann', username: 'anna' });
  const bob = await RealClient.connect(t, gateway, { clientId: 'bob' });
  const sly = await RealClient.connect(t, gateway, { clientId: '+', username: '#' });
  for (const topic of ['inbox/ann', 'inbox/bob', 'users/anna/x', 'users/bob/x', 'news'])
    await bob.publish(topic, 'x', { qos: 2 });
  t.same((await ann.exactly(3)).map(brief).sort(), ['inbox/ann x 1', 'news x 0', 'users/anna/x x 2']);
  t.same((await bob.exactly(2)).map(brief).sort(), ['inbox/bob x 1', 'news x 0']);
  t.same(
    (await sly.exactly(1)).map(brief),
    ['news x 0'],
    'a name with wildcards is subscribed to nobody else',
  );
  await ann.mqtt.unsubscribeAsync('news');
  await bob.publish('news', 'y');
  await ann.exactly(3);
});

t.test('--mqtt-rewrite changes topics as they come in', async (t) => {
  const rules = ['all old/# ^old/(.+)$ new/$1', 'pub in/+ ^in/(.+)$ out/$1', 'sub mine ^mine$ all/of/mine'];
  const gateway = await start(t, '--mqtt-rewrite', rules.join(';'));
  const client = await RealClient.connect(t, gateway);
  for (const filter of ['old/a', 'in/b', 'out/+', 'mine']) await client.subscribe(filter, 1);
  for (const topic of ['old/a', 'new/a', 'in/b', 'mine', 'all/of/mine'])
    await client.publish(topic, 'x', { qos: 1 });
  const expected = ['new/a x 1', 'new/a x 1', 'out/b x 1', 'all/of/mine x 1'];
  t.same((await client.exactly(4)).map(brief), expected);
  await client.mqtt.unsubscribeAsync('old/a');
  await client.publish('new/a', 'y', { qos: 1 });
  await client.exactly(4);
});

t.test('--mqtt-max-subscriptions refuses one more, and keeps those there are', async (t) => {
  const gateway = await start(t, '--mqtt-max-subscriptions', '3');
  const client = await RealClient.connect(t, gateway);
  for (const filter of ['a', 'b/+', 'c/#']) await client.subscribe(filter, 1);
  await t.rejects(client.subscribe('d', 1), { message: /Subscribe error/ });
  await t.rejects(client.subscribe('#', 1), { message: /Subscribe error/ });
  await client.mqtt.unsubscribeAsync('a');
  await client.mqtt.unsubscribeAsync('b/+');
  await client.subscribe('d', 2);
  await client.subscribe('e', 2);
  t.equal((await gateway.stats()).router.logins, 3);
  for (const topic of ['a', 'c/x', 'd']) await client.publish(topic, 'x', { qos: 1 });
  await until('the last has come', () => client.texts('d').length > 0);
  t.same(client.received.map(brief), ['c/x x 1', 'd x 1']);
});

t.test('presence tells who comes and goes, unless it is off', async (t) => {
  const gateway = await start(t, '--node-name', 'here', '--mqtt-sys-interval', '0'); // clients/# has a number, too
  const watcher = await RealClient.connect(t, gateway);
  await watcher.subscribe('$SYS/brokers/here/clients/#', 1);
  const guest = await RealClient.connect(t, gateway, { clientId: 'guest/+#', keepalive: 7 });
  await guest.leave();
  await (await RealClient.connect(t, gateway, { clientId: 'dropped', clean: false })).drop();
  const texts = (await watcher.exactly(4)).map(({ topic, payload }) => [
    topic,
    JSON.parse(payload.toString()),
  ]);
  const prefix = '$SYS/brokers/here/clients';
  t.match(texts, [
    [`${prefix}/guest%2F%2B%23/connected`, { clientId: 'guest/+#', clean: true, keepAliveSec: 7 }],
    [`${prefix}/guest%2F%2B%23/disconnected`, { clientId: 'guest/+#', reason: 'disconnected' }],
    [`${prefix}/dropped/connected`, { clientId: 'dropped', clean: false }],
    [`${prefix}/dropped/disconnected`, { clientId: 'dropped', reason: 'peer-closed' }],
  ]);
  const quiet = await start(t, '--mqtt-presence', 'false', '--mqtt-sys-interval', '0');
  const listener = await RealClient.connect(t, quiet);
  await listener.subscribe('$SYS/#');
  await (await RealClient.connect(t, quiet)).leave();
  await listener.exactly(0);
});

t.test('$SYS has numbers, every --mqtt-sys-interval, that nobody else can say', async (t) => {
  const gateway = await start(t, '--mqtt-sys-interval', '1', '--mqtt-presence', 'false');
  await until('they have been said once', async () => (await gateway.stats()).router.retained > 0);
  const client = await RealClient.connect(t, gateway);
  await client.subscribe('numbers', 1);
  await client.publish('numbers', 'x', { qos: 1 });
  await client.subscribe('$SYS/#');
  const value = (topic: string) => client.texts(`$SYS/brokers/${nodeName}/${topic}`);
  await until('three rounds', () => value('uptime').length >= 3);
  t.equal(value('version')[0], (await gateway.stats()).version);
  t.match(
    client.received.filter(({ topic }) => topic.endsWith('version')),
    [{ retain: true }, { retain: false }, { retain: false }],
  );
  t.equal(value('clients/count').at(-1), '1');
  t.equal(value('connections/count').at(-1), '1');
  t.equal(value('subscriptions/count').at(-1), '2');
  t.ok(Number(value('messages/received').at(-1)) >= 1);
  t.ok(Number(value('messages/sent').at(-1)) >= 1);
  t.ok(Number(value('bytes/received').at(-1)) > 30);
  t.ok(Number(value('uptime').at(-1)) > Number(value('uptime')[0]));
  const forger = await RealClient.connect(t, gateway);
  await forger.publish(`$SYS/brokers/${nodeName}/version`, 'forged', { qos: 2, retain: true });
  await forger.subscribe(`$SYS/brokers/${nodeName}/version`);
  await until('the true one', () => forger.received.length > 0);
  t.equal(forger.texts()[0], value('version')[0]);
  const everything = await RealClient.connect(t, gateway);
  await everything.subscribe('#');
  await everything.exactly(0);
});

t.test('a page of another origin may not connect, unless --mqtt-allow-origin says so', async (t) => {
  const gateway = await start(t, '--mqtt-allow-origin', 'https://friend.example');
  const as = (origin: string) =>
    RealClient.connect(t, gateway, { wsOptions: { headers: { Origin: origin } } });
  const strangers = [
    'https://friend.example.evil',
    'http://friend.example',
    'null',
    'http://127.0.0.1:1',
    'https://evil',
  ];
  for (const origin of strangers) await t.rejects(as(origin), { message: /HTTP 403/ }, origin);
  for (const origin of ['https://friend.example', gateway.url]) t.ok((await as(origin)).connected, origin);
  t.equal((await gateway.stats()).connections.refused['bad-origin'], strangers.length);
  const rebound = { Origin: 'http://evil.example', Host: 'evil.example' };
  await t.rejects(
    RealClient.connect(t, gateway, { wsOptions: { headers: rebound } }),
    { message: /HTTP 403/ },
    'a name that leads here',
  );
  const anybody = await start(t, '--mqtt-allow-origin', '*');
  const page = await RealClient.connect(t, anybody, { wsOptions: { headers: { Origin: 'https://evil' } } });
  t.ok(page.connected);
});

t.test('past --mqtt-rate-limit-messages a client is closed, and only that one', async (t) => {
  const gateway = await start(t, '--mqtt-rate-limit-messages', '20,5');
  const stream = await openStream(gateway.port, '/stream/rate');
  const [modest, greedy] = [await RealClient.connect(t, gateway), await RealClient.connect(t, gateway)];
  for (let n = 0; n < 40; n++) void greedy.publish('rate', `m${n}.`).catch(() => undefined);
  await greedy.untilClosed();
  await until('the close frame has come', () => greedy.closes.length > 0);
  t.same(greedy.closes, ['1008 rate-limited']);
  t.ok(modest.connected);
  await modest.publish('rate', 'after', { qos: 1 });
  await stream.saw('after');
  const passed = stream.text.match(/m\d+\./g) ?? [];
  t.same(
    passed,
    Array.from({ length: passed.length }, (_, n) => `m${n}.`),
  );
  t.ok(passed.length >= 20 && passed.length <= 22, `${passed.length} passed`);
  t.equal(await closed(gateway, 'rate-limited'), 1);
  const again = await RealClient.connect(t, gateway, { clientId: String(greedy.mqtt.options.clientId) });
  await again.publish('rate', 'a new connection starts anew', { qos: 1 });
  await stream.close();
});

t.test('past --mqtt-rate-limit-bytes a client is closed', async (t) => {
  const gateway = await start(t, '--mqtt-rate-limit-bytes', '10000,1000');
  const [modest, greedy] = [await RealClient.connect(t, gateway), await RealClient.connect(t, gateway)];
  await modest.publish('rate', 'x'.repeat(9_000), { qos: 1 });
  void greedy.publish('rate', 'x'.repeat(11_000)).catch(() => undefined);
  await greedy.untilClosed();
  await until('the close frame has come', () => greedy.closes.length > 0);
  t.same(greedy.closes, ['1008 rate-limited']);
  t.ok(modest.connected);
});
