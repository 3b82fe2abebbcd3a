import t, { type Test } from 'tap';
import { connect, publish, subscribe } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { type GatewayProcess, startGateway } from '../../gateway-process.js';
import { oneProcessFile } from '../../one-process.js';
import { ask } from '../raw-wire.js';
import { closing, connectRaw, openRaw } from './raw-client.js';

oneProcessFile('what is refused as it comes in; nothing crosses');

/** Control characters in topics: MQTT 1.5.3 lets a receiver refuse them, and some clients fail on them. */

async function start(t: Test, ...flags: string[]): Promise<GatewayProcess> {
  const gateway = await startGateway({ flags });
  t.teardown(() => gateway.kill());
  return gateway;
}

const bad = ['a\nb', 'a\u0001', '\u007f', 'a/\u0085/b', '\ufdd0', 'a\uffff', '\u{1fffe}'];
const good = ['a b', 'ä/ö', '\u{1f600}', 'a\u00a0b'];

t.test('they are allowed by default', async (t) => {
  const gateway = await start(t);
  const client = await connectRaw(t, gateway);
  client.send(subscribe(1, ...[...bad, ...good].map((filter) => [filter, 0] as [string, number])));
  t.match(await client.next(), { returnCodes: [...bad, ...good].map(() => 0) });
  for (const topic of [...bad, ...good]) client.send(publish(topic, 'x'));
  t.equal((await client.untilPong()).length, bad.length + good.length);
});

t.test('with --allow-control-characters false nobody is sent any', async (t) => {
  const gateway = await start(t, '--allow-control-characters', 'false');
  const client = await connectRaw(t, gateway);
  await client.subscribe('#');
  client.send(subscribe(1, ...[...bad, ...good].map((filter) => [filter, 0] as [string, number])));
  t.match(await client.next(), { returnCodes: [...bad.map(() => 0x80), ...good.map(() => 0)] });
  t.equal((await gateway.stats()).mqtt.filtersRefused['control-characters'], bad.length);
  for (const topic of bad) {
    const publisher = await connectRaw(t, gateway);
    publisher.send(publish(topic, 'x'));
    t.equal(await closing(publisher), '1008 control-characters', JSON.stringify(topic));
    const willing = await openRaw(t, gateway);
    willing.send(connect({ clientId: 'will', will: { topic, payload: 'x' } }));
    t.equal(await closing(willing), '1008 control-characters');
    const path = `/send/${encodeURIComponent(topic)}`;
    t.equal((await ask(gateway.apiPort, path, { method: 'POST', body: 'x' })).status, 400);
    t.equal((await ask(gateway.port, `/poll/${encodeURIComponent(topic)}?timeout=0`)).status, 400);
  }
  const batch = `${JSON.stringify({ id: bad[0], data: 'x' })}\n`;
  t.match((await ask(gateway.apiPort, '/send', { method: 'POST', body: batch })).json, { bad: 1 });
  for (const topic of good) client.send(publish(topic, 'x'));
  const topics = (await client.untilPong()).map((packet) => 'topic' in packet && packet.topic);
  t.same(topics, good);
});

t.test('a client id with them is told of in a topic without', async (t) => {
  const gateway = await start(t, '--node-name', 'here', '--mqtt-sys-interval', '0');
  const watcher = await connectRaw(t, gateway);
  await watcher.subscribe('$SYS/brokers/here/clients/#');
  await connectRaw(t, gateway, { clientId: 'a\nb' });
  t.match(await watcher.untilPong(), [{ topic: '$SYS/brokers/here/clients/a%0Ab/connected' }]);
});
