import t from 'tap';
import { publish, subscribe } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { connectRaw } from '../mqtt/raw-client.js';
import { ask, openStream, Wire } from '../raw-wire.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/**
 * A subscriber receives all messages sent after its SUBACK or the head of its stream, on any node: both wait until Redis
 * has the subscription.
 */

const redis = await redisServer(t);
const rules = [
  '--history-rules',
  'none/# 0 0;# 100 60',
  '--mqtt-presence',
  'false',
  '--count-wait-ms',
  '10000',
];
const [here, elsewhere] = await startRedisNodes(t, [redis.url], ['here', 'elsewhere'], rules);

for (const [kind, prefix] of [
  ['with history', 'some'],
  ['without history', 'none'],
] as const) {
  t.test(`SUBACK: ids ${kind}`, async (t) => {
    const publisher = await connectRaw(t, elsewhere!);
    for (let round = 0; round < 4; round++) {
      const subscriber = await connectRaw(t, here!);
      for (let n = 0; n < 50; n++) {
        const topic = `${prefix}/mqtt/${round}/${n}`;
        await subscriber.subscribe(topic);
        publisher.send(publish(topic, 'x'));
        t.match(await subscriber.next(), { type: 'PUBLISH', topic });
      }
      await subscriber.disconnect();
    }
  });

  t.test(`the head of a stream: ids ${kind}`, async (t) => {
    for (let n = 0; n < 50; n++) {
      const id = `${prefix}/stream/${n}`;
      const wire = await openStream(here!.port, `/stream/${id}`);
      t.equal(await elsewhere!.send(id, 'x'), 1);
      await wire.saw('"x"');
      await wire.close();
    }
  });
}

t.test('a stream of ids with and without history gets both', async (t) => {
  for (let n = 0; n < 20; n++) {
    const ids = [`some/both/${n}`, `none/both/${n}`];
    const wire = await openStream(here!.port, `/stream?id=${ids[0]}&id=${ids[1]}`);
    for (const id of ids) t.equal(await elsewhere!.send(id, 'x'), 1);
    await wire.close();
  }
});

for (const id of ['none/other', 'some/other']) {
  t.test(`answers of a kind stay in the order of what they answer: ${id} [MQTT-4.6.0-2]`, async (t) => {
    const client = await connectRaw(t, here!);
    const numbers = Array.from({ length: 20 }, (_, n) => n + 1);
    for (const n of numbers)
      client.send(subscribe(n, [`some/${id}/${n}`, 0]), publish(id, 'x', { qos: 1, id: n }));
    const answers: string[] = [];
    while (answers.length < 2 * numbers.length) {
      const packet = await client.next();
      answers.push(`${packet.type} ${'id' in packet && packet.id}`);
    }
    for (const type of ['SUBACK', 'PUBACK'])
      t.same(
        answers.filter((answer) => answer.startsWith(type)),
        numbers.map((n) => `${type} ${n}`),
      );
  });
}

t.test('a poll that waits for an id without history is there for what is sent', async (t) => {
  for (let n = 0; n < 20; n++) {
    const id = `none/poll/${n}`;
    const wire = await Wire.open(here!.port);
    wire.ask(`/poll/${id}`);
    // It says nothing until it is answered: who is logged in is asked of all.
    while ((await ask(elsewhere!.apiPort, `/ids/${id}`)).json.subscribers === 0);
    t.equal(await elsewhere!.send(id, 'x'), 1);
    await wire.untilComplete();
    t.match(wire.json.messages, [{ data: 'x' }]);
    await wire.close();
  }
});
