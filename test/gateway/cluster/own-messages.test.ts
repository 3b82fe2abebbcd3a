import t from 'tap';
import { pingreq, publish, subscribe } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { until } from '../../until.js';
import { connectRaw } from '../mqtt/raw-client.js';
import { redisServer, startRedisNodes } from './redis-nodes.js';

/** A client receives what it publishes right after its SUBSCRIBE, as on a single node [MQTT-4.6.0-1]. */

const servers = await Promise.all([redisServer(t), redisServer(t)]);
const urls = servers.map(({ url }) => url);

for (const shards of [1, 2]) {
  t.test(`${shards} server(s): a PUBLISH in the same segment as the SUBSCRIBE`, async (t) => {
    const flags = ['--name', `own_${shards}`];
    const [node] = await startRedisNodes(t, urls.slice(0, shards), ['a'], flags);
    const client = await connectRaw(t, node!);
    for (let n = 0; n < 50; n++) {
      const filter = n % 2 === 0 ? `own/${n}` : `own/${n}/#`;
      const publishes = [0, 1].map((qos) =>
        publish(`own/${n}`, `${n} ${qos}`, qos === 0 ? {} : { qos, id: 7 }),
      );
      client.send(subscribe(n + 1, [filter, 0]), ...publishes, pingreq());
      t.match(await client.next(), { type: 'SUBACK', id: n + 1 });
      const answers = [await client.next(), await client.next(), await client.next(), await client.next()];
      t.same(answers.map(({ type }) => type).sort(), ['PINGRESP', 'PUBACK', 'PUBLISH', 'PUBLISH'], filter);
      const own = answers.flatMap((answer) => (answer.type === 'PUBLISH' ? [answer.payload] : []));
      t.same(own, [`${n} 0`, `${n} 1`], 'in order');
    }
    t.match((await node!.stats()).mqtt, { receiveQueues: { now: 0, bytes: 0 } }, 'nothing is left waiting');
  });
}

t.test(
  'while Redis stands still it waits no longer than the SUBACK does, and for no more than a frame',
  async (t) => {
    const redis = servers[0]!;
    const [node] = await startRedisNodes(t, [redis.url], ['a'], ['--name', 'still']);
    const [patient, flooder] = [await connectRaw(t, node!), await connectRaw(t, node!)];
    redis.pause();
    t.teardown(() => redis.resume());
    const startedMs = performance.now();
    patient.send(subscribe(1, ['own', 0]), publish('own', 'x'), pingreq());
    flooder.send(subscribe(1, ['own', 0]));
    const large = publish('own', 'x'.repeat(60_000));
    for (let n = 0; n < 100; n++) flooder.send(large);
    t.match(await flooder.next(), { type: 'SUBACK' });
    t.ok(performance.now() - startedMs < 1_000, 'SUBACK comes early: so much does not wait');
    t.match([await patient.next(), await patient.next()], [{ type: 'SUBACK' }, { type: 'PINGRESP' }]);
    t.ok(performance.now() - startedMs < 4_000, 'once Redis counts as away');
    await until('nothing waits', async () => (await node!.stats()).mqtt.receiveQueues.now === 0);
  },
);
