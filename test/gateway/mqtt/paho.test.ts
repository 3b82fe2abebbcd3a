import { randomBytes } from 'node:crypto';
import t, { type Test } from 'tap';
import { findPythonWith } from '../../debian-package.js';
import { lastingPort } from '../../free-port.js';
import { startGateway } from '../../gateway-process.js';
import { oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';
import { openStream } from '../raw-wire.js';
import { PahoClient, type PahoOptions } from './paho-client.js';
import { brief } from './real-client.js';

oneProcessFile('another client at one node; real-clients.test.ts has the same from node to node');

/** Eclipse Paho for Python, from Debian's packages, over WebSocket. */

t.setTimeout(180_000); // it may have to be installed first

const found = await findPythonWith('paho.mqtt.client', 'python3-paho-mqtt');
if ('missing' in found) {
  process.stderr.write(`\nSKIPPED: Paho was not tried. ${found.missing}\n\n`);
  t.test('Paho', { skip: found.missing }, async () => {});
} else {
  await tryPaho(found.path);
}

async function tryPaho(python: string): Promise<void> {
  const gateway = await startGateway();
  t.teardown(() => gateway.kill());
  const connect = (test: Test, options: PahoOptions) => PahoClient.connect(test, python, gateway, options);
  const levels = [0, 1, 2];

  t.test('it publishes and subscribes at each QoS', async (t) => {
    const publisher = await connect(t, { clientId: 'publisher' });
    t.match(publisher.connack, { code: 0, sessionPresent: false });
    for (const granted of levels) {
      const subscriber = await connect(t, { clientId: `subscriber-${granted}` });
      t.same(await subscriber.subscribe([`qos/${granted}`, granted]), [granted]);
      for (const qos of levels) await publisher.publish(`qos/${granted}`, `at ${qos}`, qos);
      const expected = levels.map((qos) => `qos/${granted} at ${qos} ${Math.min(qos, granted)}`);
      t.same((await subscriber.untilReceived(3)).map(brief).sort(), expected);
      await subscriber.leave();
    }
  });

  t.test('200 messages at each QoS arrive once each, in order', async (t) => {
    const [publisher, subscriber] = [
      await connect(t, { clientId: 'sends' }),
      await connect(t, { clientId: 'receives' }),
    ];
    for (const qos of levels) {
      await subscriber.subscribe([`many/${qos}`, qos]);
      subscriber.received.length = 0;
      const sent = Array.from({ length: 200 }, (_, n) => `message ${n}`);
      for (const text of sent) await publisher.publish(`many/${qos}`, text, qos);
      const received = await subscriber.untilReceived(sent.length);
      t.same(
        received.map(({ payload }) => payload.toString()),
        sent,
        `QoS ${qos}`,
      );
    }
  });

  t.test('wildcards, and several filters at once', async (t) => {
    const client = await connect(t, { clientId: 'wild' });
    t.same(await client.subscribe(['w/+', 1], ['w/#', 2], ['x', 0]), [1, 2, 0]);
    for (const topic of ['w', 'w/a', 'w/a/b', 'x', 'y']) await client.publish(topic, 'x', 2);
    const expected = ['w x 2', 'w/a x 2', 'w/a/b x 2', 'x x 0'];
    t.same((await client.untilReceived(4)).map(brief).sort(), expected);
    await client.unsubscribe('w/#');
    await client.publish('w/a/b', 'x', 1);
    await client.publish('w/a', 'again', 1);
    t.equal(brief((await client.untilReceived(5))[4]!), 'w/a again 1');
  });

  t.test('payloads are bytes, as many as fit', async (t) => {
    const client = await connect(t, { clientId: 'bytes' });
    await client.subscribe(['bytes', 1]);
    const payloads = [Buffer.from([0, 255, 128]), Buffer.alloc(0), randomBytes(60_000)];
    for (const payload of payloads) await client.publish('bytes', payload, 1);
    const received = await client.untilReceived(payloads.length);
    t.ok(received.every(({ payload }, n) => payload.equals(payloads[n]!)));
  });

  t.test('a retained message', async (t) => {
    const publisher = await connect(t, { clientId: 'retainer' });
    await publisher.publish('kept', 'old', 1, true);
    await publisher.publish('kept', 'new', 2, true);
    const late = await connect(t, { clientId: 'late' });
    await late.subscribe(['kept', 2]);
    t.same((await late.untilReceived(1)).map(brief), ['kept new 2 retained']);
    await publisher.publish('kept', '', 1, true);
    const later = await connect(t, { clientId: 'later' });
    await later.subscribe(['kept', 2]);
    await later.publish('kept', 'not kept', 1);
    t.same((await later.untilReceived(1)).map(brief), ['kept not kept 1'], 'it is cleared');
  });

  t.test('its will, when its process is killed, and when it stands still', async (t) => {
    const watcher = await connect(t, { clientId: 'watcher' });
    await watcher.subscribe(['will/#', 1]);
    const will = (name: string) => ({
      topic: `will/${name}`,
      text: `${name} is gone`,
      qos: 1,
      retain: false,
    });
    const polite = await connect(t, { clientId: 'polite', will: will('polite') });
    await polite.leave();
    const killed = await connect(t, { clientId: 'killed', will: will('killed') });
    await killed.kill();
    await watcher.untilReceived(1);
    const stopped = await connect(t, { clientId: 'stopped', keepAliveSec: 1, will: will('stopped') });
    stopped.stop();
    const expected = ['will/killed killed is gone 1', 'will/stopped stopped is gone 1'];
    t.same((await watcher.untilReceived(2)).map(brief), expected);
    t.equal((await gateway.stats()).connections.closed['keep-alive-timeout'], 1);
  });

  t.test('a keep-alive of a second keeps a quiet client', async (t) => {
    const quiet = await connect(t, { clientId: 'quiet', keepAliveSec: 1 });
    const bytes = async () => (await gateway.stats()).mqtt.bytesReceived;
    const before = await bytes();
    await until('it has asked three times', async () => (await bytes()) >= before + 3 * 2);
    await quiet.subscribe(['still', 0]);
    t.equal((await gateway.stats()).connections.closed['keep-alive-timeout'], 1, 'that was the one before');
  });

  t.test('a session that is kept delivers what came meanwhile, in order', async (t) => {
    const options = { clientId: 'sleeper', clean: false };
    const first = await connect(t, options);
    t.notOk(first.connack.sessionPresent);
    await first.subscribe(['sleep/1', 1], ['sleep/2', 2]);
    await first.kill();
    const publisher = await connect(t, { clientId: 'waker' });
    for (let n = 0; n < 40; n++) {
      await publisher.publish('sleep/1', `${n}`, 1);
      await publisher.publish('sleep/2', `${n}`, 2);
    }
    const second = await connect(t, options);
    t.ok(second.connack.sessionPresent);
    const received = await second.untilReceived(80);
    for (const qos of [1, 2]) {
      const texts = received
        .filter(({ topic }) => topic === `sleep/${qos}`)
        .map(({ payload }) => `${payload}`);
      t.same(
        texts,
        Array.from({ length: 40 }, (_, n) => `${n}`),
        `QoS ${qos}`,
      );
    }
    await second.leave();
    const third = await connect(t, { ...options, clean: true });
    t.notOk(third.connack.sessionPresent);
  });

  t.test('it reconnects by itself to a gateway that was started again', async (t) => {
    const own = await startGateway({ flags: ['--drain-sec', '0', ...(await lastingPort())] });
    const client = await PahoClient.connect(t, python, own, { clientId: 'back', clean: false });
    await client.subscribe(['back', 1]);
    t.equal(await own.kill('SIGTERM'), 0);
    await client.event('disconnected');
    const next = await startGateway({ flags: ['--port', String(own.port)] });
    t.teardown(() => next.kill());
    await client.event('connected');
    t.match(client.connack, { code: 0, sessionPresent: false });
    await client.subscribe(['back', 1]);
    await next.send('back', 'hello');
    t.same((await client.untilReceived(1)).map(brief), ['back hello 1']);
  });

  t.test('it meets the browser on one id', async (t) => {
    const page = await openStream(gateway.port, '/test/123');
    const client = await connect(t, { clientId: 'device' });
    await client.subscribe(['123', 1]);
    await client.publish('123', 'from the device', 1);
    await page.saw("Recvd msg #1: 'from the device'<br/>");
    t.equal(await gateway.send('123', 'to both'), 2);
    await page.saw("Recvd msg #2: 'to both'<br/>");
    t.same((await client.untilReceived(2)).map(brief), ['123 from the device 1', '123 to both 1']);
    await page.close();
  });

  t.test('MQTT 3.1 is spoken, too', async (t) => {
    const client = await connect(t, { clientId: 'old', old: true });
    t.equal(client.connack.code, 0);
    await client.subscribe(['old', 2]);
    await client.publish('old', 'hello', 2);
    t.same((await client.untilReceived(1)).map(brief), ['old hello 2']);
  });
}
