import t from 'tap';
import { lastingPort } from '../../free-port.js';
import { startGateway } from '../../gateway-process.js';
import { until } from '../../until.js';
import { brief, mqttUrl, RealClient } from './real-client.js';

/** MQTT.js against the gateway: what outlives a connection, and what its end sets off. */

const gateway = await startGateway();
t.teardown(() => gateway.kill());

const stats = async () => (await gateway.stats()).mqtt.sessions;

t.test('a session collects QoS 1 and 2 while its client is away, and delivers in order', async (t) => {
  const options = { clientId: 'traveller', clean: false };
  const first = await RealClient.connect(t, gateway, options);
  t.equal(first.sessionPresent, false);
  await first.subscribe('away/1', 1);
  await first.subscribe('away/2', 2);
  await first.leave();
  const publisher = await RealClient.connect(t, gateway.publisher);
  const witness = await RealClient.connect(t, gateway);
  await witness.subscribe('away/+', 0);
  for (let n = 0; n < 50; n++) {
    await publisher.publish('away/1', `one ${n}`, { qos: 1 });
    await publisher.publish('away/2', `two ${n}`, { qos: 2 });
    await publisher.publish('away/1', 'at QoS 0 nothing is kept');
  }
  // Of another node one may be on its way still, and is for who is connected when it comes.
  await until('all have come here', () => witness.received.length === 150);
  await witness.leave();
  const second = await RealClient.connect(t, gateway, options);
  t.equal(second.sessionPresent, true);
  await until('they have come', () => second.received.length >= 100);
  await publisher.publish('away/1', 'one 50', { qos: 1 });
  await publisher.publish('away/2', 'two 50', { qos: 2 });
  await second.exactly(102);
  const texts = (word: string) => Array.from({ length: 51 }, (_, n) => `${word} ${n}`);
  t.same(second.texts('away/1'), texts('one'));
  t.same(second.texts('away/2'), texts('two'));
  await second.leave();
  const third = await RealClient.connect(t, gateway, options);
  t.equal(third.sessionPresent, true);
  await third.exactly(0);
  await third.leave();
  const clean = await RealClient.connect(t, gateway, { ...options, clean: true });
  t.equal(clean.sessionPresent, false);
  await publisher.publish('away/1', 'nobody is subscribed now', { qos: 1 });
  await clean.exactly(0);
});

t.test('a client that reconnects by itself goes on where it was cut', async (t) => {
  const options = { clientId: 'stubborn', clean: false, reconnectPeriod: 20, resubscribe: false };
  const client = await RealClient.connect(t, gateway, options);
  await client.subscribe('cut', 2);
  const publisher = await RealClient.connect(t, gateway.publisher);
  const sent = Array.from({ length: 200 }, (_, n) => `message ${n}`);
  let connects = 1;
  client.mqtt.on('connect', () => connects++);
  for (const [n, text] of sent.entries()) {
    await publisher.publish('cut', text, { qos: 2 });
    if (n % 50 !== 25) continue;
    await until('it is connected', () => client.connected);
    client.mqtt.stream.destroy();
  }
  await until('it is back', () => client.connected && client.received.length >= sent.length);
  await client.exactly(sent.length);
  t.same(client.texts(), sent, 'once each, in order');
  t.equal(connects, 5);
});

t.test('messages that a client publishes while it is cut off arrive once', async (t) => {
  const subscriber = await RealClient.connect(t, gateway);
  await subscriber.subscribe('sender', 2);
  const options = { clientId: 'sender', clean: false, reconnectPeriod: 20 };
  const publisher = await RealClient.connect(t, gateway.publisher, options);
  const sent = Array.from({ length: 60 }, (_, n) => `message ${n}`);
  const published = sent.map((text, n) => {
    if (n % 20 === 10) publisher.mqtt.stream.destroy();
    return publisher.publish('sender', text, { qos: 2 });
  });
  await Promise.all(published);
  await subscriber.exactly(sent.length);
  t.same(subscriber.texts().sort(), sent.sort());
});

t.test('a client id serves one: who comes later takes the session over', async (t) => {
  const { takenOver } = await stats();
  const first = await RealClient.connect(t, gateway, { clientId: 'one', clean: false });
  await first.subscribe('one', 1);
  const second = await RealClient.connect(t, gateway, { clientId: 'one', clean: false });
  await first.untilClosed();
  await until('the close frame has come', () => first.closes.length > 0);
  t.same(first.closes, ['1008 taken-over']);
  t.equal(second.sessionPresent, true);
  const publisher = await RealClient.connect(t, gateway.publisher);
  await publisher.publish('one', 'hello', { qos: 1 });
  t.same((await second.exactly(1)).map(brief), ['one hello 1']);
  t.same(first.received, []);
  t.equal((await stats()).takenOver, takenOver + 1);
});

t.test('a will is published after every end but a good-bye', async (t) => {
  const watcher = await RealClient.connect(t, gateway);
  await watcher.subscribe('will/#', 2);
  const will = (name: string, retain = false) => ({
    clientId: name,
    will: { topic: `will/${name}`, payload: Buffer.from(`${name} is gone`), qos: 1 as const, retain },
  });
  await (await RealClient.connect(t, gateway, will('polite'))).leave();
  await (await RealClient.connect(t, gateway, will('dropped'))).drop();
  await until('the will of who was cut', () => watcher.received.length === 1);
  await RealClient.connect(t, gateway, will('doubled'));
  const double = await RealClient.connect(t, gateway, { clientId: 'doubled' });
  await until('the will of who was taken over', () => watcher.received.length === 2);
  await double.leave();
  const wrong = await RealClient.connect(t, gateway, will('wrong', true));
  wrong.mqtt.stream.write(Buffer.from('f000', 'hex'));
  await wrong.untilClosed();
  const expected = ['dropped', 'doubled', 'wrong'].map((name) => `will/${name} ${name} is gone 1`);
  t.same((await watcher.exactly(3)).map(brief), expected);
  const late = await RealClient.connect(t, gateway);
  await late.subscribe('will/#', 1);
  t.same((await late.exactly(1)).map(brief), ['will/wrong wrong is gone 1 retained']);
  await late.publish('will/wrong', '', { retain: true });
});

t.test('a keep-alive keeps a quiet client, and cuts one that has stopped', async (t) => {
  const watcher = await RealClient.connect(t, gateway);
  await watcher.subscribe('stopped', 1);
  const quiet = await RealClient.connect(t, gateway, { keepalive: 1 });
  const stopped = await RealClient.connect(t, gateway, {
    keepalive: 1,
    will: { topic: 'stopped', payload: Buffer.from('it said nothing'), qos: 1, retain: false },
  });
  stopped.mqtt.keepaliveManager.destroy(); // no more PINGREQ, and it does not look itself whether it is served
  const startedMs = performance.now();
  let pongs = 0;
  quiet.mqtt.on('packetreceive', ({ cmd }) => {
    if (cmd === 'pingresp') pongs++;
  });
  await stopped.untilClosed();
  const tookMs = performance.now() - startedMs;
  t.ok(tookMs > 1_400 && tookMs < 30_000, `after one and a half keep-alives: ${Math.round(tookMs)} ms`);
  t.same((await watcher.exactly(1)).map(brief), ['stopped it said nothing 1']);
  await until('it has been asked four times', () => pongs >= 4);
  t.ok(quiet.connected);
  t.equal((await gateway.stats()).connections.closed['keep-alive-timeout'], 1);
});

t.test('an empty client id gets a name, but no session that is kept', async (t) => {
  const [one, two] = [
    await RealClient.connect(t, gateway, { clientId: '' }),
    await RealClient.connect(t, gateway, { clientId: '' }),
  ];
  t.ok(one.connected && two.connected, 'they are not the same client');
  await one.subscribe('nameless', 1);
  await two.publish('nameless', 'hello', { qos: 1 });
  t.same((await one.exactly(1)).map(brief), ['nameless hello 1']);
});

t.test('a gateway that is started again is found again', async (t) => {
  const first = await startGateway({ flags: await lastingPort() });
  t.teardown(() => first.kill());
  const client = await RealClient.connectTo(t, mqttUrl(first), { reconnectPeriod: 50 });
  await client.subscribe('again', 1);
  await first.kill();
  const second = await startGateway({ flags: ['--port', String(first.port)] });
  t.teardown(() => second.kill());
  await until('it is back', () => client.connected);
  const publisher = await RealClient.connect(t, second);
  await until('it has subscribed again', async () => (await second.stats()).router.logins === 1);
  await publisher.publish('again', 'hello', { qos: 1 });
  t.same((await client.exactly(1)).map(brief), ['again hello 1']);
});

t.test('when all are gone, only the sessions that are kept are left', async () => {
  await until('nobody is connected', async () => (await gateway.stats()).connections.open === 0);
  const { sessions, connected, persistent, busy, bytes } = await stats();
  t.same(
    { sessions, connected, persistent, busy, bytes },
    { sessions: 3, connected: 0, persistent: 3, busy: 0, bytes: 0 },
  );
});

t.test('1,000 messages of 2 KB at QoS 1, published in a loop, all come to who is connected', async (t) => {
  const subscriber = await RealClient.connect(t, gateway);
  await subscriber.subscribe('loop/1', 1);
  const publisher = await RealClient.connect(t, gateway.publisher);
  const { dropped } = await stats();
  const payloads = Array.from({ length: 1000 }, (_, n) => `${n} `.padEnd(2048, '.'));
  await Promise.all(payloads.map((payload) => publisher.publish('loop/1', payload, { qos: 1 })));
  await subscriber.exactly(1000);
  t.same(subscriber.texts('loop/1'), payloads, 'each once, in order');
  t.equal((await stats()).dropped['mqueue-full'], dropped['mqueue-full'], 'none was dropped from the queue');
});
